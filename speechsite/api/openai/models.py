"""The models that `model` takes. `/v1/models` itself is ElevenLabs' path as well.

Their clients read a bare list there and send `xi-api-key`; a Bearer key asks for OpenAI's
object. The documents that we implement show theirs as an object too, so both are in it.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from speechsite.api import worlds
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs.models import list_models
from speechsite.api.errors import ApiError
from speechsite.api.openai import views, wire
from voices.models import SpeechModel

SCOPE = "models:read"
CREATED = 1_700_000_000  # OpenAI's clients want a time; ours were not made at one


def is_asked(request: HttpRequest) -> bool:
    """Whether a request for the models is one of OpenAI's clients'."""
    given = request.headers.get("authorization", "")
    return given.lower().startswith("bearer ") and "xi-api-key" not in request.headers


@csrf_exempt
def listed(request: HttpRequest) -> HttpResponseBase:
    """All models, in OpenAI's shape and in ElevenLabs'."""

    def body(caller: Caller) -> dict[str, Any]:
        return {
            "object": "list",
            "data": [_model(*one) for one in _named(caller)],
            "models": list_models(request, caller),
        }

    return _answered(request, body)


@csrf_exempt
def one(request: HttpRequest, name: str) -> HttpResponseBase:
    """One model by its name."""

    def body(caller: Caller) -> dict[str, Any]:
        owner = dict(_named(caller)).get(name)
        if owner is None:
            raise wire.Refusal(f"The model {name!r} does not exist.", "model", "model_not_found")
        return _model(name, owner)

    return _answered(request, body)


@csrf_exempt
def for_audio(request: HttpRequest) -> HttpResponseBase:
    """The names alone, as clients of speech servers ask for them."""
    return _answered(
        request,
        lambda caller: {"models": [{"id": name, "name": name} for name, _ in _named(caller)]},
    )


def _named(caller: Caller) -> list[tuple[str, str]]:
    """(name, owner): OpenAI's own names, which take any voice, and ours."""
    ours = worlds.models(caller, SpeechModel.Kind.SPEECH)
    return [*((name, "speechsite") for name in wire.GRADES), *((m.slug, m.family) for m in ours)]


def _model(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner}


def _answered(request: HttpRequest, body: Any) -> HttpResponseBase:
    if request.method != "GET":
        return views.refused("Only GET is served here.", status=405)
    try:
        caller, rate = views.admitted(request, SCOPE)
        return views.with_headers(JsonResponse(body(caller)), rate)
    except wire.Refusal as error:
        return views.refused(error.message, status=404, param=error.param, code=error.code)
    except ApiError as error:
        return views.api_error(error)
