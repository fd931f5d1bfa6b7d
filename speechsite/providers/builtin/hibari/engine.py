"""hibari as an engine: natural English; other scripts go to the basic voices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from speechsite.providers.builtin import scripts
from speechsite.providers.builtin.engine import CORES, Engine, Step
from speechsite.providers.builtin.hibari import voices
from speechsite.providers.builtin.pool import Child, Pool
from speechsite.providers.builtin.script import Piece
from speechsite.providers.types import VoiceInfo

IDLE_SECONDS = 180.0  # loading takes half a second, and holding 180 MB
RATE = 24_000


def _start() -> Child:
    program = Path(__file__).with_name("child.py")
    return Child(program, str(IDLE_SECONDS * 2), needs_packages=True)


class Hibari(Engine):
    """A small neural model on one core, many times faster than speech."""

    name = "hibari"
    rate = RATE
    # One child speaks some eighty times faster than people listen, and each holds a model.
    pool = Pool(max(CORES // 4, 1), _start, idle_seconds=IDLE_SECONDS)

    def voices(self, folder: Path | None = None) -> Sequence[VoiceInfo]:
        return tuple(voices.installed(folder))

    def told(self, step: Step, folder: Path | None) -> dict[str, Any]:
        model = voices.MODELS[step.voice]
        path = voices.path_of(model, folder) if model.file and folder is not None else ""
        return {
            "say": step.piece.text,
            "model": str(path),
            "sha256": model.sha256,
            "british": model.is_british,
            "speed": step.manner.speed,
            "pitch": step.manner.pitch,
            "volume": step.manner.volume,
        }

    def divided(self, piece: Piece, voice: str) -> Iterator[tuple[Piece, str]]:
        for start, end, stand_in in scripts.stretches(piece.text):
            yield piece.part(start, end), stand_in or voice
