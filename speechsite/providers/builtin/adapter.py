"""The built-in engines as an adapter: orders in, chunks out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from speechsite.providers.base import Adapter
from speechsite.providers.builtin import engines, script
from speechsite.providers.builtin.engine import Engine, Manner, Step
from speechsite.providers.builtin.resampling import Resampler
from speechsite.providers.builtin.rnnoise import engine as cleaning
from speechsite.providers.controls import CONTROLS
from speechsite.providers.errors import Rejected, Unsupported
from speechsite.providers.types import (
    Balance,
    Chunk,
    CleaningOrder,
    Feature,
    SpeechOrder,
    VoiceInfo,
    WordTime,
)

CLEAN_FORMAT = "pcm_48000"
LONGEST_PAUSES_MS = 30 * 60_000  # of one order: silence costs time and disk like any other sound


class Builtin(Adapter):
    """Engines in child processes of our own: espeak-ng, hibari, and RNNoise for cleaning.

    Needs no key and no network and costs nothing. The voice decides which engine
    speaks. The children belong to the whole process, so closing an adapter ends none
    that others use. `options["processes"]` says how many of the small ones may work at
    once (default: cores); `options["voices"]` is the folder in which an operator lays
    further voices.
    """

    name = "builtin"
    features = frozenset(
        {
            Feature.SPEAK, Feature.SPEECH, Feature.DIALOGUE, Feature.ISOLATION,
            Feature.WORD_TIMES, Feature.REPEAT, Feature.VOICES, Feature.BALANCE,
        }
    )  # fmt: skip
    controls = frozenset({"speed", "pitch", "volume"})

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        folder = self.options.get("voices")
        self.folder = Path(folder) if folder else None
        if processes := self.options.get("processes"):
            engines.ESPEAK.pool.size = cleaning.pool.size = int(processes)

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[Chunk, None]:
        """Speak, handing out audio as it arrives. Closing the iterator cancels.

        The engine of the first voice sets the rate; what another one speaks is brought to it.
        """
        parts = self._parts(order)
        rate = parts[0][0].rate if parts else engines.ESPEAK.rate
        begun = 0  # samples given out before the performance at hand
        for engine, steps in groupby(parts, key=lambda part: part[0]):
            performance = self._performed(engine, [step for _, step in steps], rate)
            origin = begun * 1000 / rate
            async with aclosing(performance) as sounds:
                async for samples, words in sounds:
                    begun += len(samples) // 2
                    later = tuple(_later(word, origin) for word in words)
                    yield Chunk(samples, f"pcm_{rate}", later)

    async def clean(self, order: CleaningOrder) -> AsyncGenerator[Chunk, None]:
        """Remove noise, handing out audio as it arrives; as long as the recording."""
        async with aclosing(cleaning.pool.run({"path": str(order.path)})) as frames:
            async for _, payload in frames:
                yield Chunk(payload, CLEAN_FORMAT)

    async def list_voices(self) -> Sequence[VoiceInfo]:
        return engines.voices(self.folder)

    async def balance(self) -> Balance:
        return Balance(None, "unlimited")

    async def _performed(
        self, engine: Engine, steps: list[Step], rate: int
    ) -> AsyncGenerator[tuple[bytes, tuple[WordTime, ...]], None]:
        resampler = Resampler(engine.rate, rate)
        async with aclosing(engine.perform(steps, self.folder)) as sounds:
            async for sound in sounds:
                yield resampler.feed(sound.samples), sound.words
        if rest := resampler.finish():
            yield rest, ()

    def _parts(self, order: SpeechOrder) -> list[tuple[Engine, Step]]:
        """Who speaks what, in order."""
        manner = _manner(order.settings)
        parts: list[tuple[Engine, Step]] = []
        for text, voice, offset in _turns(order):
            engine = engines.engine_of(voice, self.folder)
            for piece in script.pieces(text, offset):
                if not piece.text:
                    parts.append((engine, Step(piece, voice, manner)))
                    continue
                for part, speaker in engine.divided(piece, voice):
                    by = engine if speaker == voice else engines.engine_of(speaker)
                    parts.append((by, Step(part, speaker, manner)))
        if sum(step.piece.pause_ms for _, step in parts) > LONGEST_PAUSES_MS:
            raise Rejected("the pauses last too long")
        return parts


def _turns(order: SpeechOrder) -> Iterator[tuple[str, str, int]]:
    if not order.lines:
        yield order.text, order.voice, 0
        return
    offset = 0
    for line in order.lines:
        yield line.text, line.voice, offset
        offset += len(line.text) + 1


def _later(word: WordTime, milliseconds: float) -> WordTime:
    shift = round(milliseconds)
    return replace(word, start_ms=word.start_ms + shift, end_ms=word.end_ms + shift)


def _manner(settings: Mapping[str, Any]) -> Manner:
    unknown = set(settings) - Builtin.controls
    if unknown:
        raise Unsupported(f"the built-in engine has no {', '.join(sorted(unknown))}")
    return Manner(*(_number(settings, name) for name in ("speed", "pitch", "volume")))


def _number(settings: Mapping[str, Any], name: str) -> float:
    control = CONTROLS[name]
    value = float(settings.get(name, control.default))
    if not control.minimum <= value <= control.maximum:
        raise Rejected(f"{name} must lie between {control.minimum} and {control.maximum}")
    return value
