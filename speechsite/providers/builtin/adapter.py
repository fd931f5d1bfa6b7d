"""The built-in engine as an adapter: orders in, chunks out."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from speechsite.providers.base import Adapter
from speechsite.providers.builtin import engine, script, voices
from speechsite.providers.builtin.words import Timekeeper
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

FORMAT = "pcm_22050"
CLEAN_FORMAT = "pcm_48000"
WORDS_PER_MINUTE = 175
MIDDLE_PITCH = 50
# The whole of espeak-ng's scale of 0..100, which is eight or nine semitones either way.
PITCH_PER_STEP = 50 / 12
LONGEST_PAUSES_MS = 30 * 60_000  # of one order: silence costs time and disk like any other sound


class Builtin(Adapter):
    """espeak-ng and RNNoise in child processes of our own.

    Needs no key and no network and costs nothing. The children belong to the
    whole process, so closing an adapter ends none that others use.
    `options["processes"]` says how many may work at once (default: cores).
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
        if processes := self.options.get("processes"):
            engine.speakers.size = engine.cleaners.size = int(processes)

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[Chunk, None]:
        """Speak, handing out audio as it arrives. Closing the iterator cancels."""
        pieces, steps = self._steps(order)
        keeper = Timekeeper(pieces)
        words: list[WordTime] = []
        async with aclosing(engine.speakers.run(steps)) as frames:
            async for kind, payload in frames:
                if kind == "W":
                    for mark in struct.iter_unpack(">4I", payload):
                        words.extend(keeper.heard(*mark))
                    continue
                yield Chunk(payload, FORMAT, tuple(words))
                words.clear()
        words.extend(keeper.rest())
        if words:
            yield Chunk(b"", FORMAT, tuple(words))

    async def clean(self, order: CleaningOrder) -> AsyncGenerator[Chunk, None]:
        """Remove noise, handing out audio as it arrives; as long as the recording."""
        async with aclosing(engine.cleaners.run({"path": str(order.path)})) as frames:
            async for _, payload in frames:
                yield Chunk(payload, CLEAN_FORMAT)

    async def list_voices(self) -> Sequence[VoiceInfo]:
        return voices.VOICES

    async def balance(self) -> Balance:
        return Balance(None, "unlimited")

    def _steps(self, order: SpeechOrder) -> tuple[list[script.Piece], list[dict[str, Any]]]:
        manner = _manner(order.settings)
        pieces: list[script.Piece] = []
        steps: list[dict[str, Any]] = []
        for text, voice, offset in _turns(order):
            sound = {"voice": _engine_voice(voice), **manner}
            for piece in script.pieces(text, offset):
                pieces.append(piece)
                steps.append({"say": piece.text, **sound} if piece.text else _pause(piece))
        if sum(piece.pause_ms for piece in pieces) > LONGEST_PAUSES_MS:
            raise Rejected("the pauses last too long")
        return pieces, steps


def _turns(order: SpeechOrder) -> list[tuple[str, str, int]]:
    if not order.lines:
        return [(order.text, order.voice, 0)]
    turns = []
    offset = 0
    for line in order.lines:
        turns.append((line.text, line.voice, offset))
        offset += len(line.text) + 1
    return turns


def _pause(piece: script.Piece) -> dict[str, Any]:
    return {"pause": piece.pause_ms}


def _engine_voice(voice: str) -> str:
    name = voices.ENGINE_NAMES.get(voice)
    if name is None:
        raise Rejected(f"there is no built-in voice {voice!r}")
    return name


def _manner(settings: Mapping[str, Any]) -> dict[str, int]:
    unknown = set(settings) - Builtin.controls
    if unknown:
        raise Unsupported(f"the built-in engine has no {', '.join(sorted(unknown))}")
    speed, pitch, volume = (_number(settings, name) for name in ("speed", "pitch", "volume"))
    return {
        "rate": round(WORDS_PER_MINUTE * speed),
        "pitch": round(MIDDLE_PITCH + pitch * PITCH_PER_STEP),
        "volume": round(100 * volume),
    }


def _number(settings: Mapping[str, Any], name: str) -> float:
    control = CONTROLS[name]
    value = float(settings.get(name, control.default))
    if not control.minimum <= value <= control.maximum:
        raise Rejected(f"{name} must lie between {control.minimum} and {control.maximum}")
    return value
