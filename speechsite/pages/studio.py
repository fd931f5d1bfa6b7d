"""The Studio: type, pick a voice, see the price, press Generate."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs import lifecycle, orders
from jobs.errors import OrderError
from jobs.models import BULKY, Job
from speechsite.core import encodings
from speechsite.credits import prices, welcome
from speechsite.credits.ledger import InsufficientCredits, RestrictedCredits
from speechsite.pages import choices, ordering, planlimits, textfiles
from speechsite.pages.library import LONGEST_TRY
from speechsite.pages.ordering import OrderForm
from speechsite.pages.picker import picker
from speechsite.pages.priceline import price_line
from speechsite.pages.requests import SignedIn
from voices import library

RECENT = 5
# Buttons that only redraw the form, for people without JavaScript.
REDRAW = ("find", "refresh", "read")
FIELD_OF_ERROR = {"format": "output_format", "voice_settings": "settings"}


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def studio(request: SignedIn) -> HttpResponse:
    if request.method != "POST":
        return _page(request, OrderForm(initial=_initial(request), user=request.user))
    form = OrderForm(request.POST, request.FILES, user=request.user)
    if request.POST.get("do") in REDRAW:
        return _redraw(request, form)
    if not form.is_valid():
        return _page(request, form, status=422)
    return _place(request, form)


@login_required
@require_GET
def voices(request: SignedIn) -> HttpResponse:
    """The voice picker's list, as somebody types in its search box."""
    form = OrderForm(initial=request.GET.dict(), user=request.user)
    context = {"picker": picker(request, request.GET, form.chosen_voice)}
    return render(request, "studio/_voices.html", context)


@login_required
@require_POST
def choose(request: SignedIn) -> HttpResponse:
    """Keep the voice and settings that were just chosen, so that they are there next time."""
    choices.remember(request.user, OrderForm(request.POST, user=request.user))
    return HttpResponse(status=204)


@login_required
@require_POST
def read_file(request: SignedIn) -> HttpResponse:
    """The text of a file as JSON, or the question which letters it has."""
    wanted = request.POST.get("encoding", "")
    try:
        raw = textfiles.contents(request.FILES.get("upload"), "")
        text, encoding = textfiles.read(raw or b"", wanted)
    except textfiles.Uncertain as question:
        asked = render_to_string("studio/_letters.html", {"question": question}, request)
        return JsonResponse({"asks": asked})
    except encodings.NotText:
        return JsonResponse({"problem": str(ordering.NO_TEXT)}, status=422)
    said = "" if encoding.startswith("utf") else _("Read as {encoding}.")
    note = said.format(encoding=textfiles.label(encoding))
    return JsonResponse({"text": orders.normal(text), "note": note})


@login_required
@require_GET
def options(request: SignedIn) -> HttpResponse:
    """Model, settings and price for the voice that was just chosen."""
    form = OrderForm(initial=request.GET.dict(), user=request.user)
    context = {"form": form, "line": price_line(request.user, form)}
    return render(request, "studio/_options.html", context)


def _place(request: SignedIn, form: OrderForm) -> HttpResponse:
    if form.chosen_model is None or form.chosen_voice is None:
        form.add_error("voice", _("This voice is no longer available. Please choose another."))
        return _page(request, form, status=422)
    try:
        planlimits.admit(request.user)
        job = lifecycle.place(
            request.user,
            model=form.chosen_model,
            voice=form.chosen_voice,
            text=form.cleaned_data["text"],
            voice_settings=form.voice_settings(),
            title=form.cleaned_data["title"],
            output_format=form.cleaned_data["output_format"] or "mp3_44100_128",
            origin=planlimits.origin(form.idempotency_key(), most=form.cleaned_data["shown"]),
        )
    except OrderError as error:
        field = FIELD_OF_ERROR.get(error.field, error.field)
        form.add_error(field if field in form.fields else None, error.message)
        return _page(request, form, status=planlimits.status_of(error))
    except prices.NoPrice:
        form.add_error("model", _("This model has no price yet. Please choose another."))
        return _page(request, form, status=422)
    except RestrictedCredits as error:
        form.add_error("voice", welcome.explanation())
        return _page(request, form, status=402, restricted=error)
    except InsufficientCredits as error:
        return _page(request, form, status=402, shortage=error)
    choices.remember(request.user, form)
    return redirect("pages:job", job.pk)


def _redraw(request: SignedIn, form: OrderForm) -> HttpResponse:
    """The same form again with everything typed, plus what the button asked for."""
    data = request.POST.copy()
    if form.is_valid() or "upload" not in form.errors:
        data["text"] = form.cleaned_data.get("text", data.get("text", ""))
        data.pop("held", None)
        return _page(request, OrderForm(initial=data.dict(), user=request.user), finding=True)
    return _page(request, form, status=422)


def _page(request: SignedIn, form: OrderForm, status: int = 200, **extra: Any) -> HttpResponse:
    recent = Job.objects.of(request.user).select_related("voice").defer(*BULKY)
    context = {
        "form": form,
        "text": form["text"].value() or "",
        "picker": picker(request, request.POST, form.chosen_voice),
        "recent": recent[:RECENT],
        "line": price_line(request.user, form),
        **extra,
    }
    return render(request, "studio/studio.html", context, status=status)


def _initial(request: SignedIn) -> dict[str, Any]:
    """An empty sheet; `?again=` brings a job's text back, `?voice=` a voice."""
    again = _job_again(request)
    if again is not None:
        return choices.typed(again.voice_settings) | {
            "text": again.text,
            "title": again.title,
            "voice": again.voice_id,
            "model": again.model.slug,
            "output_format": again.output_format,
        }
    kept = choices.recalled(request.user)
    wanted = request.GET.get("voice", "")
    if wanted.isdecimal():
        return kept | {"voice": wanted, "text": request.GET.get("text", "")[:LONGEST_TRY]}
    if OrderForm(initial=kept, user=request.user).chosen_model is not None:
        return kept
    try:
        return kept | {"voice": library.default_voice(request.user).pk}
    except library.NoVoice:
        return kept


def _job_again(request: SignedIn) -> Job | None:
    try:
        wanted = uuid.UUID(request.GET.get("again", ""))
    except ValueError:
        return None
    return Job.objects.of(request.user).select_related("model").filter(pk=wanted).first()
