"""Messages of the sockets, and when text that comes in pieces is enough to speak.

Pure: what to say to whom is decided in `sockets`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import regex

from speechsite.api.elevenlabs.schema import Field
from speechsite.api.elevenlabs.wire.speech import LOCATOR, VOICE_SETTINGS, Columns

SCHEDULE = (120, 160, 250, 290)
ENOUGH = 50  # characters that `try_trigger_generation` needs
DEFAULT_TIMEOUT, LONGEST_TIMEOUT = 20.0, 180.0
DEFAULT_FORMAT = "mp3_44100_128"
FORMATS = {"mp3_44100": DEFAULT_FORMAT}
REFUSED = 1008
# JSON around a block of this size stays far below the smallest limit of a client.
LARGEST_BLOCK = 192 * 1024

QUERY = {
    "model_id": Field(),
    "output_format": Field(),
    "language_code": Field(),
    "seed": Field("integer"),
    "enable_logging": Field("boolean", default=True),
    "inactivity_timeout": Field("number", default=DEFAULT_TIMEOUT),
    "sync_alignment": Field("boolean", default=False),
    "auto_mode": Field("boolean", default=False),
    "authorization": Field(),
    "single_use_token": Field(),
}
MESSAGE = {
    "text": Field(),
    "flush": Field("boolean", default=False),
    "try_trigger_generation": Field("boolean", default=False),
    "voice_settings": Field("object", fields=VOICE_SETTINGS),
    "generation_config": Field(
        "object",
        fields={
            "chunk_length_schedule": Field(
                "list", item=Field("number", minimum=50, maximum=500), maximum=100
            )
        },
    ),
    "pronunciation_dictionary_locators": Field("list", default=(), item=LOCATOR),
    "xi_api_key": Field(),
    "xi-api-key": Field(),
    "authorization": Field(),
    "context_id": Field(),
    "close_context": Field("boolean", default=False),
    "close_socket": Field("boolean", default=False),
}
_WORD_END = regex.compile(r"(?r)[\s。！？；，、…]")
LONGEST_WORD = 1000


@dataclass(slots=True)
class Buffer:
    """Text that waits until there is enough of it to speak well."""

    schedule: Sequence[float] = SCHEDULE
    is_auto: bool = False
    waiting: str = ""
    spoken: int = 0  # how many pieces were taken so far

    def add(self, text: str, *, flush: bool = False, trigger: bool = False) -> str:
        """Take more text; the text that is to be spoken now, perhaps none."""
        self.waiting += text
        if flush or self.is_auto:
            return self._take(len(self.waiting))
        wanted = self.schedule[min(self.spoken, len(self.schedule) - 1)]
        if len(self.waiting) < (ENOUGH if trigger else wanted):
            return ""
        return self._take(self._last_word_end())

    def _last_word_end(self) -> int:
        # A word longer than this is cut: to look for its beginning anew with every message
        # would take longer with each of them.
        found = _WORD_END.search(self.waiting, max(len(self.waiting) - LONGEST_WORD, 0))
        return int(found.end()) if found else len(self.waiting)

    def _take(self, count: int) -> str:
        piece, self.waiting = self.waiting[:count], self.waiting[count:]
        if piece.strip():
            self.spoken += 1
        return piece


def timeout_of(seconds: float | None) -> float:
    """The inactivity timeout that is kept: what is asked for, within what is served."""
    return min(max(seconds or DEFAULT_TIMEOUT, 1.0), LONGEST_TIMEOUT)


def sound(
    audio: bytes,
    sent: Columns | None,
    spoken: Columns | None,
    since_ms: int,
    context: str | None,
) -> dict[str, Any]:
    """A piece of sound; times count from the end of the message before."""
    return {
        "audio": base64.b64encode(audio).decode() if audio else None,
        "isFinal": None,
        "normalizedAlignment": spoken.in_milliseconds(since_ms) if spoken else None,
        "alignment": sent.in_milliseconds(since_ms) if sent else None,
        **_of(context),
    }


def final(context: str | None) -> dict[str, Any]:
    """Nothing more comes."""
    return {"audio": None, "isFinal": True, **_of(context)}


def error(word: str, message: str, context: str | None) -> dict[str, Any]:
    """What went wrong; the close that follows carries the same code."""
    return {"message": message, "error": word, "code": REFUSED, **_of(context)}


def _of(context: str | None) -> dict[str, str]:
    return {} if context is None else {"contextId": context}
