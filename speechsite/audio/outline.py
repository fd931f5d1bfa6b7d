"""The outline of a sound, for drawing a waveform: how loud it is, as ears judge it.

A part of a sound is as loud as its mean power, not as its highest sample, which in speech is
near full scale everywhere. Twice as loud to the ear takes some three times the amplitude, so
the level is the root of the mean square to the power of 0.6.

Memory stays small however long the sound is: when the buckets run out, each two become one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from speechsite.audio.decode import Samples

FULL = 1000  # the level of a sound at full scale throughout
_BUCKETS = 16_384
_FIRST_BUCKET_MS = 5
_FULL_SCALE = 32_768
_EAR = 0.6  # Stevens' exponent for loudness over sound pressure


class Outline:
    """Collects the power of a sound while it passes by."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._size = max(rate * _FIRST_BUCKET_MS // 1000, 1)
        self._squares = np.zeros(_BUCKETS, dtype=np.float64)  # their sum in each bucket
        self._samples = 0

    def add(self, samples: Samples) -> None:
        """Take the next mono samples."""
        while self._samples + len(samples) > self._size * _BUCKETS:
            self._halve()
        # The first of these buckets may already hold the end of the block before.
        lead = self._samples % self._size
        first = self._samples // self._size
        squares = np.zeros(-(-(lead + len(samples)) // self._size) * self._size)
        np.square(samples, out=squares[lead : lead + len(samples)], dtype=np.float64)
        sums = squares.reshape(-1, self._size).sum(axis=1)
        self._squares[first : first + len(sums)] += sums
        self._samples += len(samples)

    def levels(self, points: int = 800) -> list[int]:
        """So many levels, 0 to FULL. Silence and no sound are zeros."""
        used = -(-self._samples // self._size)
        if used == 0:
            return [0] * points
        edges = np.arange(points + 1) * used / points
        starts = edges[:-1].astype(int)
        ends = np.maximum(edges[1:].astype(int), starts + 1)
        sums = np.concatenate([[0.0], np.cumsum(self._squares[:used])])
        # The last bucket may be only begun.
        samples = np.minimum(ends * self._size, self._samples) - starts * self._size
        power = np.maximum(sums[ends] - sums[starts], 0) / samples
        return [round(FULL * level) for level in (np.sqrt(power) / _FULL_SCALE) ** _EAR]

    def _halve(self) -> None:
        halves = self._squares.reshape(-1, 2).sum(axis=1)
        self._squares = np.concatenate([halves, np.zeros_like(halves)])
        self._size *= 2


def outline(blocks: Iterable[Samples], rate: int, points: int = 800) -> list[int]:
    """The levels of a whole sound, each 0 to FULL."""
    collector = Outline(rate)
    for block in blocks:
        collector.add(block)
    return collector.levels(points)
