"""The voices library: find a voice by what it is for, hear it, keep it."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_safe

from jobs import ranges
from jobs.models import BULKY, Job
from speechsite.credits import prices
from speechsite.credits.models import Price
from speechsite.pages import planlimits
from speechsite.pages.ordering import controls_of
from speechsite.pages.picker import card, picker
from speechsite.pages.posting import only_posted
from speechsite.pages.requests import SignedIn
from speechsite.providers.errors import ProviderError
from voices import library, samples
from voices.languages import language_name
from voices.models import Favourite, SpeechModel, Voice

logger = logging.getLogger(__name__)

PREVIEW_SECONDS = 24 * 3600
LATEST = 1000  # jobs of an account among which a voice's are looked for
SHOWN_JOBS = 8
LONGEST_TRY = 200  # characters


@login_required
@require_GET
def voices(request: SignedIn) -> HttpResponse:
    found = picker(request, request.GET)
    template = "library/_results.html" if request.htmx else "library/voices.html"
    return render(request, template, {"picker": found})


@login_required
@require_safe
def voice(request: SignedIn, voice_id: int) -> HttpResponse:
    """All about one voice."""
    found = _voice(request, voice_id)
    models = library.models_for(found)
    is_favourite = Favourite.objects.filter(user=request.user, voice=found).exists()
    context: dict[str, Any] = {
        "row": card(found, is_favourite=is_favourite),
        "spoken": list(dict.fromkeys(map(language_name, found.languages))),
        "models": models,
        "price": _price_of(models),
        "controls": controls_of(models[0]) if models else [],
        "jobs": _jobs_with(request, found),
        "longest": LONGEST_TRY,
    }
    return render(request, "library/voice.html", context)


@login_required
@require_GET
def hear(request: SignedIn, voice_id: int) -> HttpResponse:
    """A person's own words by a built-in voice, as sound: free, and kept nowhere."""
    found = _voice(request, voice_id)
    text = request.GET.get("text", "")[:LONGEST_TRY].strip()
    if found.family != "builtin" or not text:
        raise Http404
    try:
        planlimits.admit(request.user)
        sound = samples.spoken(found, text)
    except planlimits.TooFast as error:
        return HttpResponse(error.message, status=429, content_type="text/plain; charset=utf-8")
    except ProviderError as error:
        logger.warning("voice %s could not be tried: %s", found.pk, error)
        words = _("This cannot be spoken. Please try other words.")
        return HttpResponse(words, status=422, content_type="text/plain; charset=utf-8")
    return HttpResponse(
        sound, content_type="audio/mpeg", headers={"Cache-Control": "private, no-store"}
    )


@login_required
@only_posted("pages:voice", "voice_id")
def favourite(request: SignedIn, voice_id: int) -> HttpResponse:
    """Keep a voice, or let it go; the star as it is then."""
    found = _voice(request, voice_id)
    is_favourite = request.POST.get("keep") == "on"
    if is_favourite:
        Favourite.objects.get_or_create(user=request.user, voice=found)
    else:
        Favourite.objects.filter(user=request.user, voice=found).delete()
    if not request.htmx:
        return redirect("pages:voice", found.pk)
    context = {"row": {"voice": found, "is_favourite": is_favourite}}
    return render(request, "portal/_star.html", context)


@login_required
@require_safe
def preview(request: SignedIn, voice_id: int) -> HttpResponseBase:
    """A short sample of a voice: free, and kept once made."""
    found = _voice(request, voice_id)
    if not samples.has_preview(found):
        raise Http404
    name = samples.preview_for(found)
    if not name:
        raise Http404
    return _sound(request, name)


def _voice(request: SignedIn, voice_id: int) -> Voice:
    return get_object_or_404(Voice.objects.usable().visible_to(request.user), pk=voice_id)


def _price_of(models: list[SpeechModel]) -> Price | None:
    try:
        return prices.price_of(models[0].slug) if models else None
    except prices.NoPrice:
        return None


def _jobs_with(request: SignedIn, voice: Voice) -> list[Job]:
    """The newest of a person's jobs with a voice, as far as their last thousand go."""
    latest = Job.objects.of(request.user).order_by("-created_at").values("pk")[:LATEST]
    jobs = Job.objects.filter(pk__in=latest, voice=voice).defer(*BULKY)
    return list(jobs.order_by("-created_at")[:SHOWN_JOBS])


def _sound(request: HttpRequest, name: str) -> HttpResponseBase:
    response = ranges.respond(
        request,
        default_storage.open(name),
        size=default_storage.size(name),
        media_type="audio/mpeg",
        etag=f'"{name}"',
    )
    response["Cache-Control"] = f"private, max-age={PREVIEW_SECONDS}"
    return response
