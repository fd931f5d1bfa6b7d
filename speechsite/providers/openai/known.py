"""What OpenAI itself sells: voices, which it lists nowhere, and what its models cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from speechsite.providers.types import ModelInfo, VoiceInfo

NAMES = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer",
    "verse", "marin", "cedar",
)  # fmt: skip
# They speak any language, and English best.
VOICES: tuple[VoiceInfo, ...] = tuple(
    VoiceInfo(id=name, name=name.title(), languages=("en",)) for name in NAMES
)
# Millionths of our credit for a character, at a cent for a credit.
COSTS = {"tts-1-hd": 3000, "tts-1": 1500, "gpt-4o-mini-tts": 1500}


def with_costs(models: Sequence[ModelInfo]) -> Sequence[ModelInfo]:
    """The same models; a dated name costs what the name before the date does."""
    return tuple(replace(model, cost=_cost(model.id)) for model in models)


def _cost(name: str) -> int:
    return next(
        (cost for stem, cost in COSTS.items() if name.startswith(stem)), max(COSTS.values())
    )
