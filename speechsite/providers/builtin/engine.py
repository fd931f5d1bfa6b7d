"""What every engine on this machine is: voices, a rate, and children that speak steps.

An engine lives in a folder of its own beside this file: `engine.py` with one `Engine`,
`child.py` with the program that holds the model, `voices.py` with its table. What all of
them promise is tested once, in `tests/providers/test_local_engines.py`.
"""

from __future__ import annotations

import os
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from speechsite.providers.builtin.pool import Pool
from speechsite.providers.builtin.script import Piece
from speechsite.providers.builtin.timekeeper import Timekeeper
from speechsite.providers.types import VoiceInfo, WordTime

CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Manner:
    """How a text is spoken; 1.0, 0 and 1.0 are the voice's own way.

    `speed` is a factor, `pitch` counts semitones, `volume` is a factor of the samples.
    """

    speed: float = 1.0
    pitch: float = 0.0
    volume: float = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of the text with the voice that speaks it, or a pause."""

    piece: Piece
    voice: str
    manner: Manner


@dataclass(frozen=True, slots=True)
class Sound:
    """16-bit little-endian mono samples at the engine's rate, and the words that they close.

    Times count from the start of the performance.
    """

    samples: bytes
    words: tuple[WordTime, ...] = ()


class Engine(ABC):
    """One way to speak on this machine.

    `controls` are the settings that change its sound; others have no effect on it.
    """

    name: ClassVar[str]
    rate: ClassVar[int]
    pool: ClassVar[Pool]

    @abstractmethod
    def voices(self, folder: Path | None = None) -> Sequence[VoiceInfo]:
        """What can be spoken with now; `folder` holds the files that an operator laid there."""

    @abstractmethod
    def told(self, step: Step, folder: Path | None) -> dict[str, Any]:
        """A spoken step as the child is told it."""

    def divided(self, piece: Piece, voice: str) -> Iterator[tuple[Piece, str]]:
        """A piece with who speaks it: parts that this engine cannot read name another's voice."""
        yield piece, voice

    async def perform(
        self, steps: Sequence[Step], folder: Path | None = None
    ) -> AsyncGenerator[Sound, None]:
        """Speak, handing out sound as it comes. Closing the iterator cancels.

        Raises Rejected, TaskFailed or Unavailable.
        """
        keeper = Timekeeper([step.piece for step in steps], self.rate)
        words: list[WordTime] = []
        job = [self._told(step, folder) for step in steps]
        async with aclosing(self.pool.run(job)) as frames:
            async for kind, payload in frames:
                if kind == "W":
                    for mark in struct.iter_unpack(">4I", payload):
                        words.extend(keeper.heard(*mark))
                    continue
                yield Sound(payload, tuple(words))
                words.clear()
        words.extend(keeper.rest())
        if words:
            yield Sound(b"", tuple(words))

    def _told(self, step: Step, folder: Path | None) -> Mapping[str, Any]:
        if not step.piece.text:
            return {"pause": step.piece.pause_ms}
        return self.told(step, folder)
