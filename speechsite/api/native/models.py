"""Models: what can be ordered, in Rivya's description of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response

from speechsite.api import auth, worlds
from speechsite.api.auth import Caller
from speechsite.api.errors import ApiError
from speechsite.api.native import base, schema, wire
from speechsite.api.native.schema import operation
from speechsite.audio import formats
from speechsite.credits import prices
from speechsite.credits.errors import NoPrice
from speechsite.credits.models import Price
from speechsite.providers.controls import CONTROLS
from speechsite.upstreams import routing
from voices import known
from voices.models import SpeechModel, Voice

THEIRS = {"similarity": "similarity_boost"}
MOST_OPTIONS = 100  # voices named with a model; GET /api/v1/voices lists them all
BASE = {Price.Unit.CHARACTER: 1000, Price.Unit.SECOND: 1, Price.Unit.REQUEST: 1}
DEFAULT_FORMAT = "mp3_44100_128"


class Models(base.NativeView):
    """The models that some channel offers. Everybody may look."""

    @operation("listModels", "models", schema.ModelListSerializer, is_public=True)
    def get(self, request: Request) -> Response:
        """All models, with their parameters and prices.

        A test key, if one is sent, also sees those that it may name though nobody sells them here.
        """
        caller = _caller_of(request._request)
        kinds = SpeechModel.Kind.values
        models = [model for kind in kinds for model in worlds.models(caller, kind)]
        voices = {family: _voices(family) for family in {model.family for model in models}}
        rows = [_model(model, voices[model.family]) for model in models]
        return Response({"object": "list", "data": rows})


def _caller_of(request: HttpRequest) -> Caller | None:
    """Who asks, where they say so; a key that is good for nothing sees what everybody sees."""
    if not auth.secret_in(request):
        return None
    with suppress(ApiError):
        return auth.caller_of(request, scope="models:read")
    return None


def _voices(family: str) -> list[str]:
    public = Voice.objects.usable().filter(family=family, owner__isnull=True)
    listed = list(public.values_list("external_id", flat=True)[:MOST_OPTIONS])
    # A family without a provider is shown to test keys alone: these are what they may name.
    return listed or [one.external_id for one in known.found(family=family)][:MOST_OPTIONS]


def _model(model: SpeechModel, voices: list[str]) -> dict[str, Any]:
    needs_file = model.kind == SpeechModel.Kind.ISOLATION
    price = _price(model)
    return {
        "id": model.slug,
        "object": "model",
        "display_name": model.name,
        "description": model.description,
        "category": "audio",
        "kind": model.kind,
        "family": model.family,
        "aliases": model.aliases,
        "languages": model.languages,
        "runtime": "async",
        "base_credits": price["base_credits"] if price else None,
        "billing_type": "METERED",
        "price": price,
        "supported_modes": [_mode(model)],
        "max_prompt_length": None if needs_file else routing.text_limit(model.offers),
        "reference_media": {"kinds": ["audio"], "max_items": 1} if needs_file else None,
        "params": _params(model, voices),
        "api_status": "available" if price else "coming_soon",
        "api_input_status": "requires_files_api" if needs_file else "available_text",
        "supported_api_inputs": ["audio"] if needs_file else ["text"],
        "requires_files_api": needs_file,
        "requires_upload_for_modes": [_mode(model)] if needs_file else [],
        "url_input_supported": needs_file,
        "file_kinds": ["audio"] if needs_file else [],
        "chat_capabilities": None,
        "notices": [],
    }


def _mode(model: SpeechModel) -> str:
    return {
        SpeechModel.Kind.SPEECH: "text-to-speech",
        SpeechModel.Kind.DIALOGUE: "text-to-dialogue",
        SpeechModel.Kind.ISOLATION: "audio-isolation",
    }[SpeechModel.Kind(model.kind)]


def _price(model: SpeechModel) -> dict[str, Any] | None:
    try:
        price = prices.price_of(model.slug)
    except NoPrice:
        return None
    unit = Price.Unit(price.unit)
    return {
        "unit": price.unit,
        "credits_per_unit": wire.number(price.millicredits_per_unit),
        "base_credits": wire.number(price.millicredits_per_unit * BASE[unit]),
        "base_units": BASE[unit],
        "minimum_credits": wire.number(price.minimum_millicredits),
        "counting": price.counting,
    }


def _params(model: SpeechModel, voices: list[str]) -> list[dict[str, Any]]:
    rows = [*_inputs(model, voices)]
    for name, bounds in model.controls.items():
        control = CONTROLS[name]
        row: dict[str, Any] = {
            "key": THEIRS.get(name, name),
            "type": {"choice": "select", "switch": "boolean"}.get(control.kind, "number"),
            "required": False,
            "default": control.default,
        }
        if control.kind == "choice":
            row["options"] = list(control.choices)
        elif control.kind != "switch":
            row["min"] = bounds.get("minimum", control.minimum)
            row["max"] = bounds.get("maximum", control.maximum)
            row["step"] = control.step
        rows.append(row)
    rows.append(
        {
            "key": "output_format",
            "type": "select",
            "required": False,
            "default": DEFAULT_FORMAT,
            "options": list(formats.FORMATS),
        }
    )
    return rows


def _inputs(model: SpeechModel, voices: list[str]) -> list[dict[str, Any]]:
    """What the work is done on, by the kind of model."""
    if model.kind == SpeechModel.Kind.ISOLATION:
        return [{"key": "referenceMediaItems", "type": "list", "required": True}]
    if model.kind == SpeechModel.Kind.DIALOGUE:
        return [
            {"key": "dialogue", "type": "list", "required": True},
            {"key": "default_voice", "type": "select", "required": False, "options": voices},
        ]
    return [
        {"key": "voice", "type": "select", "required": True, "options": voices},
        {"key": "timestamps", "type": "select", "required": False, "options": ["false", "true"]},
        *(
            {"key": name, "type": "text", "required": False}
            for name in ("previous_text", "next_text", "language_code")
        ),
    ]
