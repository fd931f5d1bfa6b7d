"""Sound of one engine at the rate of another, as it streams past."""

from __future__ import annotations

from typing import Any


class Resampler:
    """16-bit mono samples from one rate to another; with equal rates they pass untouched."""

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._resampler: Any = None
        if source != target:
            import av  # a codec library is much to load for those who never need it

            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=target)

    def feed(self, samples: bytes) -> bytes:
        if self._resampler is None or not samples:
            return samples
        import av
        import numpy as np

        block = np.frombuffer(samples, "<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        frame.sample_rate = self._source
        return _bytes(self._resampler.resample(frame))

    def finish(self) -> bytes:
        """What the filter still holds."""
        return b"" if self._resampler is None else _bytes(self._resampler.resample(None))


def _bytes(frames: list[Any]) -> bytes:
    return b"".join(frame.to_ndarray().tobytes() for frame in frames)
