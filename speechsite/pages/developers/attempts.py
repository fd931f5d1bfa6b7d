"""Requests that are ready to be tried, one or more for each dialect. Plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BEARER = "Authorization"
XI_KEY = "xi-api-key"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request as the panel shows it; the browser adds the key to `header`."""

    dialect: str
    title: str
    method: str
    path: str
    header: str = BEARER
    body: str = ""


def ready_made(names: Mapping[str, str], text: str) -> list[Attempt]:
    """The requests, in the order of the list."""
    return [*_native(names, text), *_elevenlabs(names, text), *_others(names, text)]


def _native(names: Mapping[str, str], text: str) -> list[Attempt]:
    order = {"model": names["model"], "prompt": text, "params": {"voice": names["voice"]}}
    generations = "/api/v1/generations"
    return [
        Attempt("Speechsite", "Make speech", "POST", generations, body=_json(order)),
        Attempt("Speechsite", "List generations", "GET", generations),
        Attempt("Speechsite", "Credits", "GET", "/api/v1/credits"),
        Attempt("Speechsite", "Models", "GET", "/api/v1/models"),
    ]


def _elevenlabs(names: Mapping[str, str], text: str) -> list[Attempt]:
    order = {"text": text, "model_id": names["elevenlabs_model"]}
    speech = f"/v1/text-to-speech/{names['elevenlabs_voice']}"
    return [
        Attempt("ElevenLabs", "Make speech", "POST", speech, XI_KEY, _json(order)),
        Attempt("ElevenLabs", "Voices", "GET", "/v1/voices", XI_KEY),
        Attempt("ElevenLabs", "Subscription", "GET", "/v1/user/subscription", XI_KEY),
    ]


def _others(names: Mapping[str, str], text: str) -> list[Attempt]:
    task = {"model": names["kie_model"], "input": {"text": text, "voice": names["kie_voice"]}}
    speech = {
        "model": names["minimax_model"],
        "text": text,
        "voice_setting": {"voice_id": names["minimax_voice"]},
    }
    openai = {"model": "tts-1", "voice": "alloy", "input": text}
    return [
        Attempt("kie.ai", "Create a task", "POST", "/api/v1/jobs/createTask", body=_json(task)),
        Attempt("kie.ai", "Credits", "GET", "/api/v1/chat/credit"),
        Attempt("MiniMax", "Make speech", "POST", "/minimax/v1/t2a_v2", body=_json(speech)),
        Attempt("OpenAI", "Make speech", "POST", "/v1/audio/speech", body=_json(openai)),
    ]


def _json(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, indent=2)
