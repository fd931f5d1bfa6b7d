"""Our orders in Rivya's words: `prompt` and `params`. No calls are made here."""

from __future__ import annotations

from typing import Any

from speechsite.providers.errors import Rejected, Unsupported
from speechsite.providers.http import HttpAdapter
from speechsite.providers.types import SpeechOrder

TURBO = "elevenlabs-turbo-2-5"
MULTILINGUAL = "elevenlabs-multilingual-v2"
DIALOGUE = "elevenlabs-dialogue-v3"
ISOLATION = "elevenlabs-audio-isolation"  # not on a public page yet; `models()` tells

MAX_TEXT = 5000  # code points
STEP = 0.05  # of every slider


def speech_fields(rivya: HttpAdapter, order: SpeechOrder) -> dict[str, Any]:
    """The body of a speech or dialogue generation; what cannot be done is refused aloud."""
    rivya.check_settings(order.settings)
    _check(order)
    if order.model == DIALOGUE:
        return {"params": _dialogue(rivya, order)}
    if order.model in (TURBO, MULTILINGUAL):
        return {"prompt": order.text, "params": _speech(rivya, order)}
    raise Unsupported(f"rivya does not speak with {order.model}")


def _check(order: SpeechOrder) -> None:
    for what in ("seed", "pronunciations", "extra"):
        if getattr(order, what) not in (None, (), {}):
            raise Unsupported(f"rivya does not take {what}")
    texts = [line.text for line in order.lines] or [order.text]
    if not any(text.strip() for text in texts):
        raise Rejected("there is nothing to speak")
    length = sum(len(text) for text in texts)
    if length > MAX_TEXT:
        raise Unsupported(f"rivya takes {MAX_TEXT} characters at once, not {length}")


def _speech(rivya: HttpAdapter, order: SpeechOrder) -> dict[str, Any]:
    if order.lines:
        raise Unsupported(f"{order.model} speaks with one voice")
    texts = {
        "previous_text": order.previous_text[-MAX_TEXT:],
        "next_text": order.next_text[:MAX_TEXT],
        # The same model elsewhere answers with an error when multilingual is told a language.
        "language_code": _language(order) if order.model == TURBO else "",
    }
    return {
        "voice": order.voice,
        "stability": _slider(rivya, order, "stability", 0.5),
        "similarity_boost": _slider(rivya, order, "similarity", 0.75),
        "style": _slider(rivya, order, "style", 0),
        "speed": _slider(rivya, order, "speed", 1, (0.7, 1.2)),
        "timestamps": "false",  # a word at Rivya, not a truth value
        **{name: text for name, text in texts.items() if text},
    }


def _dialogue(rivya: HttpAdapter, order: SpeechOrder) -> dict[str, Any]:
    strange = sorted(set(order.settings) - {"stability"})
    if strange:
        raise Unsupported(f"{order.model} does not take {', '.join(strange)}")
    stability = rivya.number(order, "stability", 0.5, (0, 1))
    if stability not in (0, 0.5, 1):
        raise Unsupported(f"{order.model} takes a stability of 0, 0.5 or 1")
    lines = [{"voice": line.voice, "text": line.text} for line in order.lines]
    fields: dict[str, Any] = {
        "dialogue": lines or [{"voice": order.voice, "text": order.text}],
        "stability": f"{stability:g}",
    }
    language = _language(order)
    return fields | ({"language_code": language} if language else {})


def _slider(
    rivya: HttpAdapter,
    order: SpeechOrder,
    name: str,
    default: float,
    bounds: tuple[float, float] = (0, 1),
) -> float:
    """The nearest step: finer values come from forms made for other providers."""
    return round(round(rivya.number(order, name, default, bounds) / STEP) * STEP, 2)


def _language(order: SpeechOrder) -> str:
    return (order.language or "").replace("_", "-").split("-")[0].lower()
