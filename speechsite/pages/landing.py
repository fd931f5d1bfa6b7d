"""The front door: what the site is, for people who are not signed in."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _

from speechsite.credits.models import Price
from speechsite.credits.prices import NoPrice, price_of
from speechsite.upstreams.models import Offer
from voices.models import SpeechModel

# Spoken by the built-in engine; the files lie in static/audio.
SAMPLES = (
    {
        "file": "audio/sample-en.mp3",
        "lang": "en",
        "language": _("English"),
        "voice": "Heart",
        "text": "Good writing asks to be read aloud. Paste a page, choose a voice, "
        "and listen while you do something else.",
    },
    {
        "file": "audio/sample-zh.mp3",
        "lang": "zh-Hans",
        "language": _("Chinese"),
        "voice": "Mei",
        "text": "把文字交给我们,选择一个声音,然后静静地听。",
    },
    {
        "file": "audio/sample-es.mp3",
        "lang": "es",
        "language": _("Spanish"),
        "voice": "Lucia",
        "text": "Pega un texto, elige una voz y escucha mientras haces otra cosa.",
    },
)


@dataclass(slots=True)
class PriceRow:
    """Models that cost the same."""

    price: Price
    models: list[SpeechModel] = field(default_factory=list)


def landing(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("pages:studio")
    context = {
        "samples": SAMPLES,
        "prices": price_list(),
    }
    return render(request, "landing/landing.html", context)


def shortcuts(request: HttpRequest) -> HttpResponse:
    return render(request, "landing/shortcuts.html")


def price_list() -> list[PriceRow]:
    """What is on offer, with its price; models of one maker at one price share a row."""
    offered = Offer.objects.filter(is_enabled=True, channel__is_enabled=True).values("model")
    rows: dict[tuple[object, ...], PriceRow] = {}
    for model in SpeechModel.objects.filter(is_enabled=True, slug__in=offered):
        try:
            price = price_of(model.slug)
        except NoPrice:
            continue
        terms = (price.unit, price.millicredits_per_unit, price.counting)
        key = (model.family, model.kind, price.minimum_millicredits, *terms)
        rows.setdefault(key, PriceRow(price=price)).models.append(model)
    return list(rows.values())
