"""What ElevenLabs insists on, and how it words and shapes its answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from tests.fakes.upstream import Fault, Part, Task, parts_of

STREAMED_FORMATS = frozenset(
    [
        "mp3_22050_32",
        "mp3_24000_48",
        "mp3_44100_32",
        "mp3_44100_64",
        "mp3_44100_96",
        "mp3_44100_128",
        "mp3_44100_192",
        "pcm_8000",
        "pcm_16000",
        "pcm_22050",
        "pcm_24000",
        "pcm_32000",
        "pcm_44100",
        "pcm_48000",
        "ulaw_8000",
        "alaw_8000",
        "opus_48000_32",
        "opus_48000_64",
        "opus_48000_96",
        "opus_48000_128",
        "opus_48000_192",
    ]
)
WAV_FORMATS = frozenset(f"wav_{rate}" for rate in (8000, 16000, 22050, 24000, 32000, 44100, 48000))
MEDIA_TYPES = {"mp3": "audio/mpeg", "pcm": "audio/pcm", "wav": "audio/wav", "opus": "audio/ogg"}

# Model: characters per request, credits per character.
MODELS = {
    "eleven_multilingual_v2": (10_000, 1.0),
    "eleven_flash_v2_5": (40_000, 0.5),
    "eleven_turbo_v2_5": (40_000, 0.5),
    "eleven_flash_v2": (30_000, 0.5),
    "eleven_turbo_v2": (30_000, 0.5),
    "eleven_v3": (5_000, 1.0),
}
TAKES_LANGUAGE = frozenset({"eleven_flash_v2_5", "eleven_turbo_v2_5", "eleven_v3"})
SPEECH_KEYS = frozenset(
    [
        "text",
        "model_id",
        "language_code",
        "voice_settings",
        "pronunciation_dictionary_locators",
        "seed",
        "previous_text",
        "next_text",
        "previous_request_ids",
        "next_request_ids",
        "apply_text_normalization",
        "apply_language_text_normalization",
        "use_pvc_as_ivc",
        "audio_effects",
    ]
)
DIALOGUE_KEYS = frozenset(
    [
        "inputs",
        "model_id",
        "language_code",
        "settings",
        "previous_text",
        "future_text",
        "seed",
        "pronunciation_dictionary_locators",
        "apply_text_normalization",
        "use_pvc_as_ivc",
        "previous_request_ids",
        "next_request_ids",
        "audio_effects",
    ]
)
SETTING_KEYS = frozenset(
    ["stability", "similarity_boost", "style", "use_speaker_boost", "speed", "clone_strength"]
)
QUERY_KEYS = frozenset({"output_format", "enable_logging", "optimize_streaming_latency"})

VOICES = {
    "21m00Tcm4TlvDq8ikWAM": ("Rachel", "female", "american"),
    "TX3LPaxmHKxFdv7VOQHJ": ("Liam", "male", "american"),
    "JBFqnCBsd6RMkjVDRZzb": ("George", "male", "british"),
}


class Refusal(Exception):
    """An answer other than the one that was asked for."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(str(detail))
        self.response = httpx.Response(status, json={"detail": detail})


def refusal(http: int, kind: str, code: str, message: str, status: str = "") -> Refusal:
    return Refusal(
        http,
        {
            "type": kind,
            "code": code,
            "message": message,
            "status": status or code,
            "request_id": "c0ffee",
            "param": None,
        },
    )


REFUSALS = {
    Fault.SERVER_ERROR: (500, "internal_error", "internal_error", "something broke"),
    Fault.MAINTENANCE: (503, "service_unavailable", "maintenance", "back soon"),
    Fault.BAD_KEY: (401, "authentication_error", "unauthorized", "bad key", "invalid_api_key"),
    Fault.REJECTED: (400, "validation_error", "invalid_parameters", "not like this"),
    Fault.MODERATED: (400, "validation_error", "content_violation", "against the policy"),
}


def bad_key() -> Refusal:
    return refusal(*REFUSALS[Fault.BAD_KEY])


def object_in(request: httpx.Request) -> dict[str, Any]:
    try:
        body = json.loads(request.content)
    except ValueError:
        raise Refusal(422, [{"type": "json_invalid", "loc": ["body"], "msg": "bad"}]) from None
    if not isinstance(body, dict):
        raise Refusal(422, [{"type": "dict_type", "loc": ["body"], "msg": "an object please"}])
    return body


def form_in(request: httpx.Request) -> dict[str, Part]:
    parts = parts_of(request)
    if not parts:
        raise Refusal(422, [{"type": "missing", "loc": ["body"], "msg": "a form please"}])
    return parts


def check_schema(body: Mapping[str, Any], required: str, settings: str) -> None:
    kind = str if required == "text" else list
    if not isinstance(body.get(required), kind):
        raise Refusal(
            422, [{"type": "missing", "loc": ["body", required], "msg": "Field required"}]
        )
    for name in ("stability", "similarity_boost"):
        value = (body.get(settings) or {}).get(name)
        if value is not None and not 0 <= value <= 1:
            raise Refusal(
                422,
                [
                    {
                        "type": "less_than_equal",
                        "loc": ["body", settings, name],
                        "msg": "Input should be less than or equal to 1",
                        "input": value,
                    }
                ],
            )


def check_keys(body: Mapping[str, Any], known: frozenset[str]) -> None:
    strange = set(body) - known | set(body.get("voice_settings") or {}) - SETTING_KEYS
    if strange:
        raise refusal(400, "validation_error", "invalid_parameters", f"unknown: {strange}")


def format_asked(request: httpx.Request, form: list[str]) -> str:
    if form not in ([], ["stream"], ["with-timestamps"], ["stream", "with-timestamps"]):
        raise Refusal(404, "Not Found")
    if set(request.url.params) - QUERY_KEYS:
        raise refusal(400, "validation_error", "invalid_parameters", "unknown query")
    name = request.url.params.get("output_format", "mp3_44100_128")
    known = STREAMED_FORMATS if "stream" in form else STREAMED_FORMATS | WAV_FORMATS
    if name not in known:
        raise refusal(400, "validation_error", "invalid_output_format", f"no format {name}")
    return name


def length_of(text: str) -> int:
    return min(2000, 300 + 20 * len(text) // 100 * 100)


def headers_of(task: Task) -> dict[str, str]:
    cost = str(round(task.credits))
    if task.fault is Fault.NEGATIVE_USAGE:
        cost = "-5"
    if task.fault is Fault.ABSURD_USAGE:
        cost = "9" * 30
    return {"request-id": task.id, "history-item-id": task.id, "character-cost": cost}


def media_type_of(output_format: str) -> str:
    return MEDIA_TYPES.get(output_format.partition("_")[0], "audio/basic")


def cut(data: bytes, count: int) -> list[bytes]:
    size = -(-len(data) // count)
    return [data[at : at + size] for at in range(0, len(data), size)]


async def flow(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def step_of(text: str) -> float:
    return length_of(text) / 1000 / max(1, len(text))


def alignment_of(text: str, first: int, last: int, step: float) -> dict[str, list[Any]]:
    places = range(first, min(last, len(text)))
    return {
        "characters": [text[place] for place in places],
        "character_start_times_seconds": [round(place * step, 3) for place in places],
        "character_end_times_seconds": [round((place + 1) * step, 3) for place in places],
    }


def voice_entry(
    voice_id: str, name: str, category: str, labels: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "voice_id": voice_id,
        "name": name,
        "category": category,
        "labels": dict(labels),
        "description": None,
        "preview_url": None,
        "available_for_tiers": [],
        "high_quality_base_model_ids": [],
        "verified_languages": None,
    }


def subscription_of(quota: int, left: float) -> dict[str, Any]:
    return {
        "tier": "creator",
        "character_count": round(quota - left),
        "character_limit": quota,
        "max_credit_limit_extension": "unlimited",
        "can_extend_character_limit": True,
        "allowed_to_extend_character_limit": False,
        "voice_slots_used": 3,
        "voice_limit": 30,
        "can_use_instant_voice_cloning": True,
        "status": "active",
        "open_invoices": [],
        "has_open_invoices": False,
    }
