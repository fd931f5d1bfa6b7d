"""An order as OpenAI's speech endpoint wants to read it.

Samples are asked for: they have no header that had to wait for a length, so they are heard
as they are made. `sample_rate` is no word of OpenAI's; Speaches and vLLM obey it where their
model has another rate, and the others pass over it.
"""

from __future__ import annotations

from typing import Any

from speechsite.providers import script
from speechsite.providers.errors import Rejected, Unsupported
from speechsite.providers.script import Words
from speechsite.providers.types import SpeechOrder

PATH = "/v1/audio/speech"
RATE = 24_000  # of bare samples, by OpenAI's promise
FORMATS = ("pcm", "wav", "mp3", "flac", "opus")
SPEEDS = (0.25, 4.0)
PAUSE = " … "  # none of them has a mark for a silence


def body(order: SpeechOrder, *, speed: float, kind: str, is_openai: bool) -> dict[str, Any]:
    """What is sent. Raises Unsupported for what would be ignored without a word."""
    _check(order)
    text = "".join(
        part.text if isinstance(part, Words) else PAUSE for part in script.parts(order.text)
    )
    if not script.is_speakable(text):
        raise Rejected("there is nothing to speak", vendor_code="empty_text")
    sent: dict[str, Any] = {
        "model": order.model,
        "voice": order.voice,
        "input": text,
        "response_format": kind,
    }
    if speed != 1:
        sent["speed"] = speed
    if not is_openai:
        # vLLM streams only where it is told to, and only what has no length in front.
        sent |= {"sample_rate": RATE} | ({"stream_format": "audio"} if kind == "pcm" else {})
    return sent


def _check(order: SpeechOrder) -> None:
    # The language of an order is its voice's, which speaks no other.
    for what in ("lines", "seed", "pronunciations", "extra"):
        if getattr(order, what) not in (None, (), {}):
            raise Unsupported(f"a speech server takes no {what}")
