"""Our orders in kie.ai's words: the `input` of each model. No calls are made here."""

from __future__ import annotations

from typing import Any

from speechsite.providers.errors import Rejected, Unsupported
from speechsite.providers.http import HttpAdapter
from speechsite.providers.types import SpeechOrder

MULTILINGUAL = "elevenlabs/text-to-speech-multilingual-v2"
TURBO = "elevenlabs/text-to-speech-turbo-2-5"
DIALOGUE = "elevenlabs/text-to-dialogue-v3"
ISOLATION = "elevenlabs/audio-isolation"

LANGUAGE_CODES = (
    "af ar hy as az be bn bs bg ca ceb ny hr cs da nl en et fil fi fr gl ka de el gu ha he hi hu "
    "is id ga it ja jv kn kk ky ko lv ln lt lb mk ms ml zh mr ne no ps fa pl pt pa ro ru sr sd sk "
    "sl so es sw sv ta te th tr uk ur vi cy"
)
DIALOGUE_LANGUAGES = frozenset(LANGUAGE_CODES.split())

MAX_TEXT = 5000  # code points


def speech_input(kie: HttpAdapter, order: SpeechOrder) -> dict[str, Any]:
    """The `input` of a speech or dialogue task; what kie cannot do is refused aloud."""
    kie.check_settings(order.settings)
    _check(order)
    if order.model == DIALOGUE:
        return _dialogue(kie, order)
    if order.model in (MULTILINGUAL, TURBO):
        return _speech(kie, order)
    raise Unsupported(f"kie does not speak with {order.model}")


def _check(order: SpeechOrder) -> None:
    for what in ("seed", "pronunciations", "extra"):
        if getattr(order, what) not in (None, (), {}):
            raise Unsupported(f"kie does not take {what}")
    texts = [line.text for line in order.lines] or [order.text]
    if not any(text.strip() for text in texts):
        raise Rejected("there is nothing to speak")
    length = sum(len(text) for text in texts)
    if length > MAX_TEXT:
        raise Unsupported(f"kie takes {MAX_TEXT} characters at once, not {length}")


def _speech(kie: HttpAdapter, order: SpeechOrder) -> dict[str, Any]:
    """All fields with their documented defaults: the server does not always fill them in."""
    if order.lines:
        raise Unsupported(f"{order.model} speaks with one voice")
    fields: dict[str, Any] = {
        "text": order.text,
        "voice": order.voice,
        "stability": kie.number(order, "stability", 0.5, (0, 1)),
        "similarity_boost": kie.number(order, "similarity", 0.75, (0, 1)),
        "style": kie.number(order, "style", 0, (0, 1)),
        "speed": kie.number(order, "speed", 1, (0.7, 1.2)),
        "timestamps": False,  # nobody documents where the times would appear
        "previous_text": order.previous_text[-MAX_TEXT:],
        "next_text": order.next_text[:MAX_TEXT],
    }
    if order.model == TURBO:  # the other one answers with an error when it is told a language
        fields["language_code"] = _language(order)
    return fields


def _dialogue(kie: HttpAdapter, order: SpeechOrder) -> dict[str, Any]:
    strange = sorted(set(order.settings) - {"stability"})
    if strange:
        raise Unsupported(f"{order.model} does not take {', '.join(strange)}")
    stability = kie.number(order, "stability", 0.5, (0, 1))
    if stability not in (0, 0.5, 1):
        raise Unsupported(f"{order.model} takes a stability of 0, 0.5 or 1")
    lines = [{"text": line.text, "voice": line.voice} for line in order.lines]
    fields: dict[str, Any] = {
        "dialogue": lines or [{"text": order.text, "voice": order.voice}],
        "stability": stability,
    }
    language = _language(order)
    return fields | ({"language_code": language} if language in DIALOGUE_LANGUAGES else {})


def _language(order: SpeechOrder) -> str:
    return (order.language or "").replace("_", "-").split("-")[0].lower()
