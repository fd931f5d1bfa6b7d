"""A job's loudness as the shape that the player draws."""

from __future__ import annotations

from collections.abc import Sequence

BARS = 160
STEP = 4  # width of a bar with its gap, in the drawing's own units
HEIGHT = 48
QUIETEST = 0.04


def path(peaks: Sequence[float], *, bars: int = BARS) -> str:
    """An SVG path of upright strokes around the middle line; empty without peaks."""
    if not peaks:
        return ""
    loudest = max(peaks) or 1
    strokes = []
    for bar in range(bars):
        first = bar * len(peaks) // bars
        last = max(first + 1, (bar + 1) * len(peaks) // bars)
        share = max(QUIETEST, max(peaks[first:last]) / loudest)
        half = share * (HEIGHT / 2 - 2)
        strokes.append(f"M{bar * STEP + 2} {HEIGHT / 2 - half:.1f}v{half * 2:.1f}")
    return "".join(strokes)


def width(*, bars: int = BARS) -> int:
    return bars * STEP
