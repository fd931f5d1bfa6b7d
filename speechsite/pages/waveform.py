"""A job's loudness as the shape that the player draws."""

from __future__ import annotations

from collections.abc import Sequence

BARS = 160
STEP = 4  # width of a bar with its gap, in the drawing's own units
HEIGHT = 48
QUIETEST = 0.04


def path(levels: Sequence[float], *, bars: int = BARS) -> str:
    """An SVG path of upright strokes around the middle line; empty without levels.

    A bar is the mean of its levels: the highest of them would make a block of any long speech.
    The loudest bar is as high as the drawing, so that a quiet recording has a shape too.
    """
    if not levels:
        return ""
    means = [_mean(levels, bar, bars) for bar in range(bars)]
    loudest = max(means) or 1
    strokes = []
    for bar, level in enumerate(means):
        half = max(QUIETEST, level / loudest) * (HEIGHT / 2 - 2)
        strokes.append(f"M{bar * STEP + 2} {HEIGHT / 2 - half:.1f}v{half * 2:.1f}")
    return "".join(strokes)


def width(*, bars: int = BARS) -> int:
    return bars * STEP


def _mean(levels: Sequence[float], bar: int, bars: int) -> float:
    first = bar * len(levels) // bars
    last = max(first + 1, (bar + 1) * len(levels) // bars)
    return sum(levels[first:last]) / (last - first)
