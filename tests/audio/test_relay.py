"""MP3 in stretches: nobody hears, or finds in the file, where one ends and the next begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from speechsite.audio import decode, encode, relay
from speechsite.audio.decode import Samples

FORM = "mp3_44100_128"
RATE = relay.RATE


def voice_like(seconds: float) -> Samples:
    """Tone, breath and pauses, softer and louder."""
    times = np.arange(round(RATE * seconds)) / RATE
    tone = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 12))
    noise = np.random.default_rng(7).normal(0, 0.2, len(times))
    loudness = np.clip(np.sin(2 * np.pi * 1.7 * times) + 0.4, 0, 1) * (1.1 + np.sin(times))
    return ((tone + noise) * loudness * 3000).astype(np.int16)


@pytest.fixture(scope="module")
def sound() -> Samples:
    return voice_like(14.321)


@pytest.fixture
def stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "STRETCH", relay.WARM_UP)  # 1.28 seconds


def written(sound: Samples, path: Path, blocks: int = 7) -> bytes:
    encode.encode_file(np.array_split(sound, blocks), FORM, RATE, path)
    return path.read_bytes()


def noise_db(found: Samples, sound: Samples) -> np.ndarray:
    """How far below the sound the encoder's noise lies, for each frame."""
    length = min(len(found), len(sound)) // relay.FRAME * relay.FRAME
    frames = (np.stack([found[:length], sound[:length]]).astype(float)).reshape(2, -1, relay.FRAME)
    power = (frames[1] ** 2).sum(axis=1) + 1e6
    levels: np.ndarray = 10 * np.log10(power / (((frames[0] - frames[1]) ** 2).sum(axis=1) + 1))
    return levels


@pytest.mark.usefixtures("stretches")
def test_stretches_last_as_long_as_the_sound(sound: Samples, tmp_path: Path) -> None:
    lengths = [len(sound) - cut for cut in (0, 1, relay.FRAME, 5 * relay.FRAME + 17)]
    for number, length in enumerate(lengths):
        written(sound[:length], path := tmp_path / str(number))
        assert decode.duration_ms(path) == round(length * 1000 / RATE)


@pytest.mark.parametrize("cut", range(0, 2 * relay.WARM_UP, 7))
@pytest.mark.usefixtures("stretches")
def test_a_sound_may_end_anywhere_in_a_stretch(cut: int, tmp_path: Path) -> None:
    length = (3 * relay.WARM_UP + relay.LOOK_AHEAD) * relay.FRAME - cut * 577
    written(np.full(length, 1000, dtype=np.int16), tmp_path / "sound")
    assert decode.duration_ms(tmp_path / "sound") == round(length * 1000 / RATE)


def test_the_joints_sound_like_the_rest(
    sound: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = written(sound, tmp_path / "whole")
    monkeypatch.setattr(relay, "STRETCH", relay.WARM_UP)
    parts = written(sound, tmp_path / "parts")
    assert len(parts) == len(whole)
    heard = [
        noise_db(np.concatenate(list(decode.decode(tmp_path / name))), sound)
        for name in ("whole", "parts")
    ]
    assert heard[0].mean() > 15  # else nothing is compared here
    assert np.abs(heard[0] - heard[1]).max() < 3


@pytest.mark.usefixtures("stretches")
def test_how_the_sound_arrives_makes_no_difference(sound: Samples, tmp_path: Path) -> None:
    files = [written(sound, tmp_path / str(blocks), blocks) for blocks in (1, 7, 400)]
    assert files[0] == files[1] == files[2]


@pytest.mark.usefixtures("stretches")
def test_an_error_does_not_hinder_the_next_sound(sound: Samples, tmp_path: Path) -> None:
    def broken() -> Iterator[Samples]:
        yield sound
        raise decode.NotAudio("broken")

    with pytest.raises(decode.NotAudio):
        encode.encode_file(broken(), FORM, RATE, tmp_path / "sound")
    assert written(sound, tmp_path / "next")
