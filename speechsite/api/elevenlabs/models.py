"""The list of models."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import orders
from speechsite.api.elevenlabs.answers import by_method, serves
from speechsite.api.elevenlabs.wire import voices as wire
from speechsite.credits import prices
from speechsite.upstreams import routing
from voices import library
from voices.languages import language_name
from voices.models import SpeechModel, Voice

# The name that ElevenLabs' own clients know a model by begins like this.
THEIRS = "eleven_"


def public_name(model: SpeechModel) -> str:
    """What this dialect calls a model."""
    return next((alias for alias in model.aliases if alias.startswith(THEIRS)), model.slug)


def list_models(request: HttpRequest, caller: Caller) -> list[dict[str, Any]]:
    """Every model that speaks, and with a test key also those that are not on offer."""
    models = SpeechModel.objects.filter(is_enabled=True, kind=SpeechModel.Kind.SPEECH)
    offered = library.offered_models()
    return [wire.model(_seen(model)) for model in models if caller.is_test or model.slug in offered]


def _seen(model: SpeechModel) -> wire.SeenModel:
    codes = model.languages or _spoken_languages(model.family)
    return wire.SeenModel(
        id=public_name(model),
        name=model.name,
        description=model.description or model.name,
        takes=model.controls,
        languages=[(code, language_name(code)) for code in codes],
        longest_text=routing.text_limit(model.offers) or 10_000,
        rate=_rate(model),
    )


def _spoken_languages(family: str) -> list[str]:
    """The languages of a family's voices, for a model that names none."""
    voices = Voice.objects.usable().filter(family=family, owner__isnull=True).order_by()
    codes = {code.partition("-")[0] for code in voices.values_list("language", flat=True)}
    return sorted(codes - {""}) or ["en"]


def _rate(model: SpeechModel) -> float:
    """The price of a character beside the default model's."""
    try:
        price = prices.price_of(model.slug).millicredits_per_unit
    except prices.NoPrice:
        return 1.0
    return round(price / orders.millicredits_per_character(), 4)


models = by_method(GET=serves("models:read")(list_models))


__all__ = ["models", "public_name"]
