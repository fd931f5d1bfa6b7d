"""Voices: the library, as far as the caller may use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.core.paginator import Paginator
from rest_framework.request import Request
from rest_framework.response import Response

from speechsite.api import worlds
from speechsite.api.auth import Caller
from speechsite.api.native import base, inputs, schema
from speechsite.api.native.schema import operation
from voices import facets, known, library
from voices.models import SpeechModel, Voice


class Voices(base.NativeView):
    """The voices to choose from."""

    scopes = {"GET": "voices:read"}

    @operation(
        "listVoices",
        "voices",
        schema.VoiceListSerializer,
        parameters=[inputs.VoicesQuerySerializer],
    )
    def get(self, request: Request) -> Response:
        """One page of the voices that some model here can speak with now.

        A test key sees those as well that it may name though no provider is connected.
        """
        query = base.checked(inputs.VoicesQuerySerializer, request.query_params)
        wanted = query.pop("page")
        page = Paginator(_found(self.caller, query), facets.PAGE_SIZE).get_page(wanted)
        rows = list(page.object_list) if page.number == wanted else []
        models = _models(self.caller)
        body = {
            "object": "list",
            "data": [_voice(voice, models) for voice in rows],
            "total": page.paginator.count,
            "page": wanted,
            "has_more": bool(rows) and page.has_next(),
        }
        return Response(body)


def _found(caller: Caller, query: Mapping[str, str]) -> Sequence[Voice]:
    rows = library.found(worlds.choosable_voices(caller), **query)
    if not caller.is_test:
        return cast(Sequence[Voice], rows)
    listed = list(rows)
    have = {voice.external_id for voice in listed}
    return [*listed, *(one for one in known.found(**query) if one.external_id not in have)]


def _models(caller: Caller) -> list[SpeechModel]:
    kinds = (SpeechModel.Kind.SPEECH, SpeechModel.Kind.DIALOGUE)
    return [model for kind in kinds for model in worlds.models(caller, kind)]


def _voice(voice: Voice, models: list[SpeechModel]) -> dict[str, Any]:
    return {
        "id": voice.external_id,
        "object": "voice",
        "name": voice.name,
        "family": voice.family,
        "models": [model.slug for model in models if library.can_speak(model, voice)],
        "language": voice.language,
        "languages": voice.languages,
        "gender": voice.gender,
        "accent": voice.accent,
        "age": voice.age,
        "use_case": voice.use_case,
        "category": voice.category,
        "description": voice.description,
        "preview_url": voice.preview_url or None,
        "is_own": voice.owner_id is not None,
    }
