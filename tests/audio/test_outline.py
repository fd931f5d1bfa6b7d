from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechsite.audio.outline import FULL, Outline, outline
from tests.audio.sounds import sine


def test_no_sound_and_silence_are_flat() -> None:
    assert outline([], 44_100, 5) == [0] * 5
    assert outline([np.zeros(5_000, dtype=np.int16)], 44_100, 5) == [0] * 5


def test_full_scale_is_full() -> None:
    assert outline([np.full(44_100, -32_768, dtype=np.int16)], 44_100, 3) == [FULL] * 3


def test_ten_decibels_less_is_half_as_loud() -> None:
    quiet, loud = sine(1, height=9_170), sine(1, height=29_000)
    levels = outline([quiet, loud, quiet], 44_100, 3)
    assert levels[0] == levels[2] == pytest.approx(levels[1] / 2, rel=0.02)


def test_a_click_makes_a_quiet_part_no_louder() -> None:
    quiet = sine(1, height=1_000)
    clicked = quiet.copy()
    clicked[20_000:20_010] = 32_000
    before, after = outline([quiet], 44_100, 1)[0], outline([clicked], 44_100, 1)[0]
    assert after < 1.5 * before
    assert before < FULL / 5


def test_speech_is_no_block() -> None:
    """Syllables with a click each, and rests: a drawing of peaks would fill all of it."""
    second = np.concatenate(
        [sine(0.4, height=20_000), sine(0.4, height=2_000), np.zeros(8_820, dtype=np.int16)]
    )
    second[::4_000] = 30_000
    levels = outline([np.tile(second, 10)], 44_100, 100)
    assert min(levels) < max(levels) / 3
    assert len(set(levels)) >= 3


def test_a_short_sound_fills_all_points() -> None:
    assert len(outline([sine(0.01)], 44_100)) == 800


def test_hours_take_no_more_room_than_seconds() -> None:
    collector = Outline(100)
    for _ in range(50):
        collector.add(np.full(100_000, 16_384, dtype=np.int16))
    assert collector.levels(10) == [round(FULL * 0.5**0.6)] * 10


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=12))
def test_the_size_of_blocks_does_not_matter(sizes: list[int]) -> None:
    sound = np.arange(sum(sizes), dtype=np.int64).astype(np.int16)
    blocks = np.split(sound, np.cumsum(sizes)[:-1])
    assert outline(blocks, 8_000, 20) == outline([sound], 8_000, 20)
