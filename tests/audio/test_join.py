from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechsite.audio import decode, encode, join
from speechsite.audio.decode import NotAudio, Samples
from speechsite.audio.join import Part
from speechsite.audio.outline import Outline
from tests.audio.sounds import sine


def stored(folder: Path, sound: Samples, format: str, rate: int = 44_100) -> Part:
    path = folder / f"part-{len(list(folder.iterdir()))}"
    encode.encode_file([sound], format, rate, path)
    return Part(path, format)


def heard(path: Path, format: str) -> Samples:
    return np.concatenate(list(decode.decode(path, format)))


def test_a_joined_file_lasts_as_long_as_its_parts(tmp_path: Path) -> None:
    parts = [
        stored(tmp_path, sine(0.7), "mp3_44100_128"),
        stored(tmp_path, sine(0.41, 22_050), "pcm_22050", 22_050),
        stored(tmp_path, sine(1.003, 48_000), "opus_48000_64", 48_000),
    ]
    joined = join.join(parts, "mp3_44100_128", tmp_path / "out")
    assert joined.parts_ms == [700, 410, 1_003]
    assert abs(joined.duration_ms - 2_113) <= 1
    assert abs(decode.duration_ms(tmp_path / "out") - 2_113) <= 1
    assert joined.size == (tmp_path / "out").stat().st_size


def test_many_small_parts_do_not_drift(tmp_path: Path) -> None:
    # 801 samples at 24 kHz are 1471.84 at 44.1 kHz: rounding each part up would add 1.8 ms here.
    part = stored(tmp_path, sine(801 / 24_000, 24_000), "pcm_24000", 24_000)
    joined = join.join([part] * 500, "pcm_44100", tmp_path / "out")
    assert joined.size // 2 == round(500 * 801 / 24_000 * 44_100)
    assert sum(joined.parts_ms) == joined.duration_ms


def test_gaps_lie_between_parts(tmp_path: Path) -> None:
    parts = [stored(tmp_path, sine(0.2), "wav_44100") for _ in range(3)]
    joined = join.join(parts, "wav_44100", tmp_path / "out", gap_ms=150)
    assert (joined.duration_ms, joined.parts_ms) == (900, [200, 200, 200])
    sound = heard(tmp_path / "out", "wav_44100")
    assert not sound[8_820:15_435].any()
    assert sound[8_000:8_500].any()


def test_nothing_clicks_at_a_joint(tmp_path: Path) -> None:
    # Each part begins and ends at full height, in opposite directions.
    parts = [stored(tmp_path, sine(0.2, hertz=100) * sign, "wav_44100") for sign in (1, -1, 1)]
    join.join(parts, "wav_44100", tmp_path / "out")
    sound = heard(tmp_path / "out", "wav_44100").astype(int)
    steepest = 12_000 * 2 * np.pi * 100 / 44_100 + 12_000 / (44_100 * 0.004)
    assert np.abs(np.diff(sound)).max() <= steepest + 2
    assert abs(sound[0]) <= 1


def test_parts_are_faded_on_our_own_copy(tmp_path: Path) -> None:
    part = stored(tmp_path, sine(0.2), "wav_44100")
    before = Path(part.path).read_bytes()
    join.join([part, part], "wav_44100", tmp_path / "out")
    assert Path(part.path).read_bytes() == before


def test_one_part_in_the_wanted_format_is_copied_unchanged(tmp_path: Path) -> None:
    part = stored(tmp_path, sine(0.5), "mp3_44100_128")
    joined = join.join(
        [part], "mp3_44100_128", tmp_path / "out", outline=(outline := Outline(44_100))
    )
    assert (tmp_path / "out").read_bytes() == Path(part.path).read_bytes()
    assert (joined.duration_ms, joined.parts_ms) == (500, [500])
    assert max(outline.levels()) > 200


def test_the_outline_is_collected_on_the_way(tmp_path: Path) -> None:
    parts = [
        stored(tmp_path, sine(0.5, height=4_000), "wav_44100"),
        stored(tmp_path, sine(0.5, height=16_000), "wav_44100"),
    ]
    outline = Outline(44_100)
    join.join(parts, "mp3_44100_128", tmp_path / "out", outline=outline)
    assert outline.levels(4) == pytest.approx([230, 230, 528, 528], rel=0.03)


def test_a_damaged_part_stops_the_join_and_its_thread(tmp_path: Path) -> None:
    good = stored(tmp_path, sine(0.5), "wav_44100")
    bad = Part(tmp_path / "bad", "mp3_44100_128")
    Path(bad.path).write_bytes(b"<html>no sound here</html>")
    before = threading.active_count()
    with pytest.raises(NotAudio):
        join.join([good, bad, good], "mp3_44100_128", tmp_path / "out")
    assert threading.active_count() == before


@pytest.mark.parametrize("form", ["mp3_44100_128", "opus_48000_64", "flac_44100"])
def test_parts_that_come_one_by_one_give_the_same_file(tmp_path: Path, form: str) -> None:
    parts = [
        stored(tmp_path, sine(0.7), "mp3_44100_128"),
        stored(tmp_path, sine(1.41, 22_050), "flac_22050", 22_050),
        stored(tmp_path, sine(1.003, 48_000), "opus_48000_64", 48_000),
    ]
    here = threading.current_thread()

    def coming() -> Iterator[Part]:
        for part in parts:
            assert threading.current_thread() is not here
            time.sleep(0.05)
            yield part

    whole, grown = Outline(44_100), Outline(44_100)
    first = join.join(parts, form, tmp_path / "a", 50, outline=whole)
    assert join.join_growing(coming(), form, tmp_path / "b", 50, outline=grown) == first
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert whole.levels() == grown.levels()


def test_what_needs_its_length_first_cannot_grow(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="length"):
        join.join_growing(iter([]), "wav_44100", tmp_path / "out")


def test_nothing_cannot_be_joined(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to join"):
        join.join([], "mp3_44100_128", tmp_path / "out")


def test_a_file_of_another_length_is_refused(tmp_path: Path) -> None:
    part = stored(tmp_path, sine(0.5), "wav_44100")
    join.check(part.path, part.format, 519)
    with pytest.raises(join.DurationMismatch):
        join.check(part.path, part.format, 521)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 150_000), min_size=1, max_size=4))
def test_fading_keeps_every_sample(lengths: list[int]) -> None:
    blocks = [np.full(length, 1_000, dtype=np.int16) for length in lengths]
    whole = np.concatenate(list(join.faded(iter(blocks), 44_100, lambda: sum(lengths))))
    assert len(whole) == sum(lengths)
    assert whole[0] == 0 or sum(lengths) == 1
    assert (whole[200:-200] == 1_000).all()
