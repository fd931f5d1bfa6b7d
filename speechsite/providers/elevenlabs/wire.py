"""An order as ElevenLabs wants to read it: path, query and body.

The output format travels in the query; the body holds the rest. A key that
ElevenLabs would refuse for this model is left out, a setting that it does not
know is refused aloud.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from speechsite.providers import script
from speechsite.providers.errors import Rejected, Unsupported
from speechsite.providers.script import Pause, Script, Words
from speechsite.providers.types import SpeechOrder

SETTINGS = {
    "stability": "stability",
    "similarity": "similarity_boost",
    "style": "style",
    "speaker_boost": "use_speaker_boost",
    "speed": "speed",
}
DIALOGUE_SETTINGS = {"stability": "stability"}

FORMATS = frozenset(
    {f"mp3_{kind}" for kind in ("22050_32", "24000_48", "44100_32", "44100_64")}
    | {f"mp3_44100_{kbps}" for kbps in (96, 128, 192)}
    | {
        f"{codec}_{rate}"
        for codec in ("pcm", "wav")
        for rate in (8000, 16000, 22050, 24000, 32000, 44100, 48000)
    }
    | {"ulaw_8000", "alaw_8000"}
    | {f"opus_48000_{kbps}" for kbps in (32, 64, 96, 128, 192)}
)

# Other models answer an error, or ignore it, when a language is named.
TAKES_LANGUAGE = ("eleven_flash_v2_5", "eleven_turbo_v2_5", "eleven_v3", "eleven_v4")
REFUSES_CONTEXT = ("eleven_v3",)
REFUSES_BREAKS = ("eleven_v3", "eleven_v4")

LONGEST_BREAK = Decimal(3)
BODY_EXTRAS = (
    "pronunciation_dictionary_locators",
    "apply_text_normalization",
    "apply_language_text_normalization",
    "previous_request_ids",
    "next_request_ids",
)
QUERY_EXTRAS = ("enable_logging", "optimize_streaming_latency")

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Request:
    """One call to make, and the script that its times refer to."""

    path: str
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    script: Script


def speech(order: SpeechOrder) -> Request:
    """The call for one voice."""
    sent = script_of(order)
    return Request(
        path=f"/v1/text-to-speech/{path_part(order.voice)}{_form(order)}",
        query=_query(order),
        body={
            "text": sent.text,
            **_common(order, "voice_settings", SETTINGS),
            **_context(order),
        },
        script=sent,
    )


def dialogue(order: SpeechOrder) -> Request:
    """The call for several voices taking turns."""
    turns = [_speakable(order.model, line.text, 0) for line in order.lines]
    return Request(
        path=f"/v1/text-to-dialogue{_form(order)}",
        query=_query(order),
        body={
            "inputs": [
                {"text": turn.text, "voice_id": path_part(line.voice)}
                for turn, line in zip(turns, order.lines, strict=True)
            ],
            **_common(order, "settings", DIALOGUE_SETTINGS),
        },
        script=script_of(order),
    )


def script_of(order: SpeechOrder) -> Script:
    """All text that is sent, in the order in which it sounds."""
    if not order.lines:
        return _speakable(order.model, order.text, 0)
    whole, cursor = Script(), 0
    for line in order.lines:
        at = order.text.find(line.text, cursor)
        turn = _speakable(order.model, line.text, max(at, 0))
        whole.text += turn.text
        whole.origin += turn.origin if at >= 0 else [-1] * len(turn.text)
        cursor = at + len(line.text) if at >= 0 else cursor
    return whole


def path_part(identifier: str) -> str:
    """An id of ElevenLabs' that is safe inside a path."""
    if not _ID.fullmatch(identifier):
        raise Rejected("this is not an id of ElevenLabs'", vendor_code="invalid_voice_id")
    return identifier


def _form(order: SpeechOrder) -> str:
    # A WAV header holds the length, so a WAV only comes whole.
    stream = "" if order.output_format.startswith("wav_") else "/stream"
    return stream + ("/with-timestamps" if order.with_times else "")


def _query(order: SpeechOrder) -> dict[str, Any]:
    if order.output_format not in FORMATS:
        raise Unsupported(f"ElevenLabs has no output format {order.output_format!r}")
    extras = {key: order.extra[key] for key in QUERY_EXTRAS if key in order.extra}
    return {"output_format": order.output_format, **extras}


def _common(order: SpeechOrder, settings_key: str, names: Mapping[str, str]) -> dict[str, Any]:
    if order.pronunciations:
        raise Unsupported("ElevenLabs takes pronunciations only as dictionaries of its own")
    body: dict[str, Any] = {"model_id": order.model}
    if settings := _settings(order, names):
        body[settings_key] = settings
    if order.language and order.model.startswith(TAKES_LANGUAGE):
        body["language_code"] = order.language.split("-")[0].lower()
    if order.seed is not None:
        body["seed"] = order.seed
    body.update({key: order.extra[key] for key in BODY_EXTRAS if key in order.extra})
    return body


def _settings(order: SpeechOrder, names: Mapping[str, str]) -> dict[str, Any]:
    strange = sorted(set(order.settings) - set(names))
    if strange:
        raise Unsupported(f"this model does not take {', '.join(strange)}")
    return {names[name]: value for name, value in order.settings.items()}


def _context(order: SpeechOrder) -> dict[str, str]:
    if order.model.startswith(REFUSES_CONTEXT):
        return {}
    context = {"previous_text": order.previous_text, "next_text": order.next_text}
    return {key: text for key, text in context.items() if text.strip()}


def _speakable(model: str, text: str, at: int) -> Script:
    sent = Script()
    for part in script.parts(text):
        if isinstance(part, Words):
            sent.add_words(Words(part.text, part.at + at))
        else:
            sent.add_mark(_break(model, part))
    return sent


def _break(model: str, pause: Pause) -> str:
    if model.startswith(REFUSES_BREAKS):
        return " … "
    marks, left = "", pause.seconds
    while left > 0:
        marks += f'<break time="{min(left, LONGEST_BREAK).normalize():f}s" />'
        left -= LONGEST_BREAK
    return marks
