"""API keys: made, looked at, changed, rotated and revoked by their owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from jobs import spending
from jobs.spending import Spent
from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey, User
from speechsite.pages.developers import once
from speechsite.pages.developers.keyform import KeyForm, NewKeyForm, plain_address
from speechsite.pages.posting import only_posted
from speechsite.pages.requests import SignedIn

MOST_KEYS = 50
ENDED_SHOWN = 20
OVERLAPS = (
    ("0", gettext_lazy("Stop at once")),
    ("1", gettext_lazy("Work for one more hour")),
    ("24", gettext_lazy("Work for one more day")),
    ("168", gettext_lazy("Work for one more week")),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A key in the list, with what it has spent."""

    key: ApiKey
    spent: Spent

    @property
    def caps(self) -> list[tuple[str, int, int]]:
        """(period, spent, cap) of each cap that the key has."""
        every = (
            (_("today"), self.spent.today, self.key.daily_cap),
            (_("this month"), self.spent.this_month, self.key.monthly_cap),
            (_("in all"), self.spent.in_all, self.key.total_cap),
        )
        return [(period, spent, cap) for period, spent, cap in every if cap is not None]

    @property
    def addresses(self) -> list[str]:
        return [plain_address(network) for network in self.key.ip_allow]


class RotateForm(forms.Form):
    """How long the old secret goes on working."""

    overlap = forms.ChoiceField(
        choices=OVERLAPS,
        initial="24",
        label=gettext_lazy("The old key should"),
        widget=forms.RadioSelect,
    )

    def overlap_time(self) -> timedelta:
        return timedelta(hours=int(self.cleaned_data["overlap"]))


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: SignedIn) -> HttpResponse:
    """The list, and the form for a new one."""
    if request.method != "POST":
        return _list_page(request, NewKeyForm())
    form = NewKeyForm(request.POST)
    if form.is_valid() and len(usable(request.user)) >= MOST_KEYS:
        form.add_error(None, _("You have too many keys. Revoke one that is not in use."))
    if not form.is_valid():
        return _list_page(request, form, status=422)
    if not once.take(request):
        return _made_before(request)
    key, secret = keys.issue_key(request.user, **form.rights())
    return _secret_page(request, key, secret)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def api_key(request: SignedIn, key_id: int) -> HttpResponse:
    """One key: what it may do, and the form to change that."""
    key = _own(request, key_id)
    if request.method != "POST":
        return _page(request, key, KeyForm.of(key))
    form = KeyForm.of(key, request.POST)
    if not key.is_usable:
        messages.warning(request, _("This key has ended and cannot be changed."))
        return redirect("pages:developers-key", key_id)
    if not form.is_valid():
        return _page(request, key, form, status=422)
    rights = form.rights()
    if "expires_on" not in form.changed_data:
        rights["expires_at"] = key.expires_at  # a rotated key ends within a day, to the minute
    keys.change(key, **rights)
    messages.success(request, _("The key is saved."))
    return redirect("pages:developers-key", key_id)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rotate(request: SignedIn, key_id: int) -> HttpResponse:
    """A new secret with the same rights; the old one works on for as long as is wanted."""
    key = _own(request, key_id)
    if not key.is_usable:
        messages.warning(request, _("This key has ended. Make a new one."))
        return redirect("pages:developers")
    form = RotateForm(request.POST or None)
    if not form.is_valid():
        context = {"key": key, "form": form, "ticket": once.ticket()}
        status = 422 if form.is_bound else 200
        return render(request, "developers/key_rotate.html", context, status=status)
    if not once.take(request):
        return _made_before(request)
    fresh, secret = keys.rotate(key, overlap=form.overlap_time())
    key.refresh_from_db()
    return _secret_page(request, fresh, secret, replaced=key)


@login_required
@only_posted("pages:developers-key", "key_id")
def revoke(request: SignedIn, key_id: int) -> HttpResponse:
    """Ask once, then end the key at once."""
    key = _own(request, key_id)
    if not request.POST.get("confirmed"):
        return render(request, "developers/key_revoke.html", {"key": key})
    keys.revoke(key)
    messages.success(request, _("The key is revoked. Nothing accepts it any more."))
    return redirect("pages:developers")


def usable(user: User) -> list[ApiKey]:
    """The keys that still open something, newest first."""
    return [key for key in user.api_keys.all() if key.is_usable]


def _own(request: SignedIn, key_id: int) -> ApiKey:
    return get_object_or_404(ApiKey, pk=key_id, user=request.user)


def _rows(user: User) -> list[Row]:
    owned = list(user.api_keys.all())
    spent = spending.by_key(owned)
    return [Row(key, spent[key.pk]) for key in owned]


def _made_before(request: SignedIn) -> HttpResponse:
    messages.info(request, _("That key was made already. Its secret cannot be shown again."))
    return redirect("pages:developers")


def _list_page(request: SignedIn, form: NewKeyForm, status: int = 200) -> HttpResponse:
    rows = _rows(request.user)
    context: dict[str, Any] = {
        "form": form,
        "ticket": once.ticket(),
        "rows": [row for row in rows if row.key.is_usable],
        "ended": [row for row in rows if not row.key.is_usable][:ENDED_SHOWN],
    }
    return render(request, "developers/keys.html", context, status=status)


def _page(request: SignedIn, key: ApiKey, form: KeyForm, status: int = 200) -> HttpResponse:
    row = next(row for row in _rows(request.user) if row.key.pk == key.pk)
    context = {"key": key, "row": row, "form": form}
    return render(request, "developers/key.html", context, status=status)


def _secret_page(
    request: SignedIn, key: ApiKey, secret: str, *, replaced: ApiKey | None = None
) -> HttpResponse:
    context = {"key": key, "secret": secret, "replaced": replaced}
    return render(request, "developers/key_secret.html", context)
