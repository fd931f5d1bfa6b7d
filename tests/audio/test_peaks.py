from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speechsite.audio.peaks import Peaks, peaks
from tests.audio.sounds import sine


def test_no_sound_and_silence_are_flat() -> None:
    assert peaks([], 44_100, 5) == [0] * 5
    assert peaks([np.zeros(5_000, dtype=np.int16)], 44_100, 5) == [0] * 5


def test_full_scale_is_a_hundred() -> None:
    assert peaks([np.full(44_100, -32_768, dtype=np.int16)], 44_100, 3) == [100] * 3


def test_a_loud_middle_stands_out() -> None:
    quiet, loud = sine(1, height=3_276), sine(1, height=29_000)
    assert peaks([quiet, loud, quiet], 44_100, 3) == [10, 89, 10]


def test_a_short_sound_fills_all_points() -> None:
    assert len(peaks([sine(0.01)], 44_100)) == 800


def test_hours_take_no_more_room_than_seconds() -> None:
    collector = Peaks(100)
    for _ in range(50):
        collector.add(np.full(100_000, 16_384, dtype=np.int16))
    assert collector.levels(10) == [50] * 10


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=12))
def test_the_size_of_blocks_does_not_matter(sizes: list[int]) -> None:
    sound = np.arange(sum(sizes), dtype=np.int64).astype(np.int16)
    blocks = np.split(sound, np.cumsum(sizes)[:-1])
    assert peaks(blocks, 8_000, 20) == peaks([sound], 8_000, 20)
