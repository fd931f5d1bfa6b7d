"""espeak-ng as an engine: its voices by our ids, its scales by our settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import espeakng_loader

from speechsite.providers.builtin.engine import CORES, Engine, Step
from speechsite.providers.builtin.espeak import voices
from speechsite.providers.builtin.espeak.shaping import RATE
from speechsite.providers.builtin.pool import IDLE_SECONDS, Child, Pool
from speechsite.providers.types import VoiceInfo

WORDS_PER_MINUTE = 175
MIDDLE_PITCH = 50
# The whole of espeak-ng's scale of 0..100, which is eight or nine semitones either way.
PITCH_PER_STEP = 50 / 12


def _start() -> Child:
    return Child(
        Path(__file__).with_name("child.py"),
        espeakng_loader.get_library_path(),
        espeakng_loader.get_data_path(),
        str(IDLE_SECONDS * 2),
    )


class Espeak(Engine):
    """Formant synthesis in nearly every language."""

    name = "espeak-ng"
    rate = RATE
    pool = Pool(CORES, _start)

    def voices(self, folder: Path | None = None) -> Sequence[VoiceInfo]:
        return voices.VOICES

    def told(self, step: Step, folder: Path | None) -> dict[str, Any]:
        manner = step.manner
        return {
            "say": step.piece.text,
            "voice": voices.ENGINE_NAMES[step.voice],
            "rate": round(WORDS_PER_MINUTE * manner.speed),
            "pitch": round(MIDDLE_PITCH + manner.pitch * PITCH_PER_STEP),
            "volume": round(100 * manner.volume),
        }
