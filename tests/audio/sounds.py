"""Sounds that tests make for themselves."""

from __future__ import annotations

import numpy as np

from speechsite.audio.decode import Samples


def sine(seconds: float, rate: int = 44_100, hertz: float = 220, height: int = 12_000) -> Samples:
    times = np.arange(round(seconds * rate)) / rate
    # A phase of a quarter turn: the sound begins at full height, where a cut would click.
    return (np.cos(2 * np.pi * hertz * times) * height).astype(np.int16)
