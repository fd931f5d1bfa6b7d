"""The front door: what the site is, for people who are not signed in."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _

from speechsite.credits.prices import NoPrice, price_of
from voices.models import SpeechModel

# Spoken by the built-in engine; the files lie in static/audio.
SAMPLES = (
    {
        "file": "audio/sample-en.mp3",
        "lang": "en",
        "language": _("English"),
        "voice": "Adam",
        "text": "Good writing asks to be read aloud. Paste a page, choose a voice, "
        "and listen while you do something else.",
    },
    {
        "file": "audio/sample-zh.mp3",
        "lang": "zh-Hans",
        "language": _("Chinese"),
        "voice": "普通话",
        "text": "把文字交给我们,选择一个声音,然后静静地听。",
    },
    {
        "file": "audio/sample-es.mp3",
        "lang": "es",
        "language": _("Spanish"),
        "voice": "Castellano",
        "text": "Pega un texto, elige una voz y escucha mientras haces otra cosa.",
    },
)


def landing(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("pages:studio")
    context = {
        "samples": SAMPLES,
        "prices": price_list(),
        "welcome_credits": settings.WELCOME_CREDITS,
    }
    return render(request, "landing/landing.html", context)


def shortcuts(request: HttpRequest) -> HttpResponse:
    return render(request, "landing/shortcuts.html")


def price_list() -> list[dict[str, object]]:
    """Each model that is sold, with what a thousand characters or a second cost."""
    rows = []
    for model in SpeechModel.objects.filter(is_enabled=True):
        try:
            price = price_of(model.slug)
        except NoPrice:
            continue
        times = 1000 if price.unit == "character" else 1
        rows.append({"model": model, "price": price, "cost": price.millicredits_per_unit * times})
    return rows
