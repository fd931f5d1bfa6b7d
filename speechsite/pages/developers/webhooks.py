"""Webhooks: where a partner wants to be told, and what was sent there."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from jobs import endpoints, outbound
from jobs.errors import OrderError
from jobs.models import BULKY_OF_JOB
from jobs.webhook_models import EVENTS, Delivery, WebhookEndpoint
from speechsite.pages.developers import once, programs
from speechsite.pages.posting import only_posted
from speechsite.pages.requests import SignedIn

PAGE_SIZE = 25
EVENT_WORDS = {
    "generation.succeeded": gettext_lazy("A piece of work is ready"),
    "generation.failed": gettext_lazy("A piece of work failed"),
    "generation.canceled": gettext_lazy("A piece of work was canceled"),
    outbound.PING: gettext_lazy("A test message"),
}
EVENT_CHOICES = [(name, EVENT_WORDS.get(name, name)) for name in EVENTS]
STATE_STYLES = {"pending": "queued", "delivered": "succeeded", "failed": "failed"}


class WebhookForm(forms.Form):
    """Changes to a webhook."""

    url = forms.CharField(
        max_length=500,
        label=gettext_lazy("Address"),
        help_text=gettext_lazy(
            "A public address of your server. It gets a POST with JSON and answers with 200."
        ),
        widget=forms.URLInput(attrs={"autocomplete": "url"}),
    )
    name = forms.CharField(
        max_length=80, required=False, label=gettext_lazy("Name"), widget=forms.TextInput
    )
    event_types = forms.MultipleChoiceField(
        choices=EVENT_CHOICES,
        label=gettext_lazy("Tell me when"),
        widget=forms.CheckboxSelectMultiple,
        initial=EVENTS,
        error_messages={"required": gettext_lazy("Choose at least one event.")},
    )


class NewWebhookForm(WebhookForm):
    """A new webhook: of which work it tells is settled for good."""

    is_test = forms.ChoiceField(
        choices=[
            ("", gettext_lazy("Live work")),
            ("1", gettext_lazy("Work of test keys")),
        ],
        required=False,
        label=gettext_lazy("Tell me about"),
    )

    def clean_is_test(self) -> bool:
        return bool(self.cleaned_data["is_test"])


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def webhooks(request: SignedIn) -> HttpResponse:
    """The list, and the form for a new one."""
    if request.method != "POST":
        return _list_page(request, NewWebhookForm())
    form = NewWebhookForm(request.POST)
    if not form.is_valid():
        return _list_page(request, form, status=422)
    if not once.take(request):
        messages.info(request, _("This webhook was added already."))
        return redirect("pages:developers-webhooks")
    try:
        endpoint, secret = outbound.add_endpoint(request.user, **form.cleaned_data)
    except OrderError as error:
        _blame(form, error)
        return _list_page(request, form, status=422)
    return _secret_page(request, endpoint, secret, is_new=True)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def webhook(request: SignedIn, webhook_id: UUID) -> HttpResponse:
    """One webhook: what it is, its form, and its deliveries."""
    endpoint = _own(request, webhook_id)
    initial = {"url": endpoint.url, "name": endpoint.name, "event_types": endpoint.event_types}
    if request.method != "POST":
        return _page(request, endpoint, WebhookForm(initial=initial))
    form = WebhookForm(request.POST)
    if not form.is_valid():
        return _page(request, endpoint, form, status=422)
    try:
        endpoints.change(endpoint, **form.cleaned_data)
    except OrderError as error:
        _blame(form, error)
        return _page(request, endpoint, form, status=422)
    messages.success(request, _("The webhook is saved."))
    return redirect("pages:developers-webhook", webhook_id)


@login_required
@only_posted("pages:developers-webhook", "webhook_id")
def switch(request: SignedIn, webhook_id: UUID) -> HttpResponse:
    """Switch a webhook on or off."""
    is_enabled = request.POST.get("enabled") == "1"
    endpoints.change(_own(request, webhook_id), is_enabled=is_enabled)
    said = _("The webhook is on.") if is_enabled else _("The webhook is off.")
    messages.success(request, said)
    return redirect("pages:developers-webhook", webhook_id)


@login_required
@never_cache
@only_posted("pages:developers-webhook", "webhook_id")
def rotate(request: SignedIn, webhook_id: UUID) -> HttpResponse:
    """A new secret, after a look at what that means."""
    endpoint = _own(request, webhook_id)
    if not request.POST.get("confirmed"):
        context = {"endpoint": endpoint, "overlap": outbound.OVERLAP, "ticket": once.ticket()}
        return render(request, "developers/webhook_rotate.html", context)
    if not once.take(request):
        messages.info(request, _("The secret was replaced already."))
        return redirect("pages:developers-webhook", webhook_id)
    return _secret_page(request, endpoint, outbound.rotate_secret(endpoint), is_new=False)


@login_required
@only_posted("pages:developers-webhook", "webhook_id")
def test(request: SignedIn, webhook_id: UUID) -> HttpResponse:
    """Send a message that says only that it arrived."""
    endpoint = _own(request, webhook_id)
    if endpoint.is_enabled:
        outbound.send_test(endpoint)
        messages.success(request, _("A test message is on its way. Reload to see the answer."))
    else:
        messages.warning(request, _("Switch the webhook on first."))
    return redirect("pages:developers-webhook", webhook_id)


@login_required
@only_posted("pages:developers-webhook", "webhook_id")
def delete(request: SignedIn, webhook_id: UUID) -> HttpResponse:
    """Ask once, then remove."""
    endpoint = _own(request, webhook_id)
    if not request.POST.get("confirmed"):
        return render(request, "developers/webhook_delete.html", {"endpoint": endpoint})
    endpoints.remove(endpoint)
    messages.success(request, _("The webhook is deleted."))
    return redirect("pages:developers-webhooks")


@login_required
@only_posted("pages:developers-webhook", "webhook_id")
def replay(request: SignedIn, webhook_id: UUID, delivery_id: UUID) -> HttpResponse:
    """Send a message again."""
    endpoint = _own(request, webhook_id)
    delivery = get_object_or_404(Delivery, pk=delivery_id, endpoint=endpoint)
    if endpoint.is_enabled:
        outbound.replay(delivery)
        messages.success(request, _("The message is sent again, with the same id."))
    else:
        messages.warning(request, _("Switch the webhook on first."))
    return redirect("pages:developers-webhook", webhook_id)


def _own(request: SignedIn, webhook_id: UUID) -> WebhookEndpoint:
    return get_object_or_404(endpoints.of(request.user), pk=webhook_id)


def _blame(form: WebhookForm, error: OrderError) -> None:
    field = error.field if error.field in form.fields else None
    form.add_error(field, f"{capfirst(error.message.rstrip('.'))}.")


def _list_page(request: SignedIn, form: WebhookForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "ticket": once.ticket(),
        "endpoints": endpoints.of(request.user),
        "receivers": programs.receivers(),
    }
    return render(request, "developers/webhooks.html", context, status=status)


def _secret_page(
    request: SignedIn, endpoint: WebhookEndpoint, secret: str, *, is_new: bool
) -> HttpResponse:
    context = {"endpoint": endpoint, "secret": secret, "is_new": is_new}
    return render(request, "developers/webhook_secret.html", context)


def _page(
    request: SignedIn, endpoint: WebhookEndpoint, form: WebhookForm, status: int = 200
) -> HttpResponse:
    state = request.GET.get("state", "")
    deliveries = endpoint.deliveries.select_related("job").defer(*BULKY_OF_JOB)
    if state in Delivery.State.values:
        deliveries = deliveries.filter(state=state)
    before = request.GET.get("before", "")
    page = _before(deliveries.order_by("-pk"), before)
    context: dict[str, Any] = {
        "endpoint": endpoint,
        "form": form,
        "secret_preview": endpoints.secret_preview(endpoint),
        "rows": [_row(delivery) for delivery in page[:PAGE_SIZE]],
        "state": state,
        "states": Delivery.State.choices,
        "is_first_page": not before,
        "next_before": page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None,
        "tries": len(outbound.SCHEDULE),
    }
    return render(request, "developers/webhook.html", context, status=status)


def _before(deliveries: Any, before: str) -> list[Delivery]:
    """One page, and one row more if there are others. Ids grow with time."""
    with suppress(ValueError):
        deliveries = deliveries.filter(pk__lt=UUID(before))
    return list(deliveries[: PAGE_SIZE + 1])


def _row(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery": delivery,
        "event": EVENT_WORDS.get(delivery.event_type, delivery.event_type),
        "style": STATE_STYLES[delivery.state],
        "last": delivery.log[-1] if delivery.log else None,
        "tries": [{**entry, "moment": parse_datetime(entry["at"])} for entry in delivery.log],
    }
