from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from speechsite.audio import decode, encode, probe
from speechsite.audio.formats import FORMATS
from tests.audio.sounds import sine

RATE = 22_050
SOUND = sine(1.234, RATE)
LENGTH_MS = 1_234


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_lasts_as_long_as_its_samples(name: str, tmp_path: Path) -> None:
    encoded = encode.encode_file([SOUND], name, RATE, tmp_path / "sound")
    found = probe.probe(tmp_path / "sound", name)
    assert encoded.duration_ms == LENGTH_MS
    assert encoded.size == (tmp_path / "sound").stat().st_size
    assert abs(found.duration_ms - LENGTH_MS) <= 1
    assert (found.rate, found.channels) == (FORMATS[name].rate, 1)


@pytest.mark.parametrize("name", FORMATS)
def test_streamed_bytes_are_one_valid_file(name: str) -> None:
    encoder = encode.Encoder(name, RATE)
    parts = [encoder.write(block) for block in np.array_split(SOUND, 12)]
    found = probe.probe(b"".join(parts) + encoder.finish(), name)
    # A streamed MP3 cannot tell players how much silence its encoder added.
    slack = 110 if name.startswith("mp3") else 1
    assert abs(found.duration_ms - LENGTH_MS) <= slack


@pytest.mark.parametrize("name", ["mp3_44100_128", "opus_48000_64", "pcm_16000", "ulaw_8000"])
def test_a_stream_gives_bytes_before_it_ends(name: str) -> None:
    encoder = encode.Encoder(name, RATE)
    assert encoder.write(SOUND[: RATE // 2])


def test_a_wav_header_is_true_for_other_readers() -> None:
    encoder = encode.Encoder("wav_22050", RATE)
    whole = encoder.write(SOUND) + encoder.finish()
    with wave.open(io.BytesIO(whole)) as reader:
        assert (reader.getframerate(), reader.getnframes()) == (RATE, len(SOUND))
    assert len(whole) == 44 + 2 * len(SOUND)


def test_a_wav_beyond_four_gigabytes_gets_a_64_bit_header(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    encode.encode_file([SOUND], "wav_48000", RATE, path, expected_ms=13 * 3_600_000)
    assert path.read_bytes()[:4] == b"RF64"
    assert abs(probe.probe(path).duration_ms - LENGTH_MS) <= 1


def test_lossless_formats_give_the_samples_back() -> None:
    for name in ("pcm_22050", "wav_22050", "flac_22050"):
        written = encode.encode_bytes([SOUND], name, RATE)
        assert np.array_equal(np.concatenate(list(decode.decode(written, name))), SOUND)


def test_transcoding_changes_rate_and_keeps_length() -> None:
    raw = encode.encode_bytes([SOUND], "pcm_22050", RATE)
    made = encode.transcode(raw, "mp3_44100_128", source_format="pcm_22050")
    assert abs(decode.duration_ms(made) - LENGTH_MS) <= 1


def test_no_samples_make_no_bytes() -> None:
    assert encode.encode_bytes([], "mp3_44100_128", RATE) == b""
