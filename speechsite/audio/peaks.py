"""The outline of a sound, for drawing a waveform.

Memory stays small however long the sound is: when the buckets run out, each two
become one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from speechsite.audio.decode import Samples

_BUCKETS = 16_384
_FIRST_BUCKET_MS = 5
_FULL_SCALE = 32_768


class Peaks:
    """Collects loudness while sound passes by."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._size = max(rate * _FIRST_BUCKET_MS // 1000, 1)
        self._buckets = np.zeros(_BUCKETS, dtype=np.uint16)
        self._samples = 0

    def add(self, samples: Samples) -> None:
        """Take the next mono samples."""
        while self._samples + len(samples) > self._size * _BUCKETS:
            self._halve()
        # The first of these buckets may already hold the end of the block before.
        lead = self._samples % self._size
        first = self._samples // self._size
        levels = np.zeros(-(-(lead + len(samples)) // self._size) * self._size, dtype=np.uint16)
        levels[lead : lead + len(samples)] = np.abs(samples.astype(np.int32))
        highest = levels.reshape(-1, self._size).max(axis=1, initial=0)
        here = self._buckets[first : first + len(highest)]
        np.maximum(here, highest, out=here)
        self._samples += len(samples)

    def levels(self, points: int = 800) -> list[int]:
        """So many peaks, 0 to 100; 100 is full scale. Silence and no sound are zeros."""
        used = -(-self._samples // self._size)
        if used == 0:
            return [0] * points
        edges = np.arange(points + 1) * used / points
        starts = edges[:-1].astype(int)
        ends = np.maximum(edges[1:].astype(int), starts + 1)
        return [
            min(-(-int(self._buckets[start:end].max()) * 100 // _FULL_SCALE), 100)
            for start, end in zip(starts, ends, strict=True)
        ]

    def _halve(self) -> None:
        halves = self._buckets.reshape(-1, 2).max(axis=1)
        self._buckets = np.concatenate([halves, np.zeros_like(halves)])
        self._size *= 2


def peaks(blocks: Iterable[Samples], rate: int, points: int = 800) -> list[int]:
    """The peaks of a whole sound, each 0 to 100."""
    collector = Peaks(rate)
    for block in blocks:
        collector.add(block)
    return collector.levels(points)
