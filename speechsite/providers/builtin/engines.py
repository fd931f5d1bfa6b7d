"""All engines of this machine, and which of them speaks with a voice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from speechsite.providers.builtin.engine import Engine
from speechsite.providers.builtin.espeak.engine import Espeak
from speechsite.providers.builtin.hibari.engine import Hibari
from speechsite.providers.errors import Rejected
from speechsite.providers.types import VoiceInfo

ESPEAK = Espeak()
HIBARI = Hibari()
ENGINES: tuple[Engine, ...] = (HIBARI, ESPEAK)


def voices(folder: Path | None = None) -> Sequence[VoiceInfo]:
    """Every voice that can be spoken with now, the natural ones first."""
    return [voice for engine in ENGINES for voice in engine.voices(folder)]


def engine_of(voice: str, folder: Path | None = None) -> Engine:
    """Who speaks with a voice. Raises Rejected where nobody does."""
    for engine in ENGINES:
        if any(voice == one.id for one in engine.voices(folder)):
            return engine
    raise Rejected(f"there is no built-in voice {voice!r}")
