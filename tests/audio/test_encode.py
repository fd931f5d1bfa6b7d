from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from speechsite.audio import decode, encode, formats, probe
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
    # AAC has no place to say how much of its last packet is sound.
    slack = 18 if name.startswith(("aac", "m4a")) else 1
    assert abs(found.duration_ms - LENGTH_MS) <= slack
    assert (found.rate, found.channels) == (FORMATS[name].rate, 1)


OTHERS = ("mp3_32000_64", "mp3_16000_32", "mp3_24000_64", "mp3_44100_256", "flac_16000", "pcm_8000")
STEREO = ("mp3_32000_128_stereo", "pcm_32000_stereo", "wav_24000_stereo", "flac_44100_stereo")


@pytest.mark.parametrize("name", [*OTHERS, *STEREO])
def test_rates_and_channels_that_are_not_listed_are_written_too(name: str) -> None:
    wanted = formats.parse(name)
    found = probe.probe(encode.encode_bytes([SOUND], name, RATE), name)
    assert abs(found.duration_ms - LENGTH_MS) <= 1
    assert (found.rate, found.channels) == (wanted.rate, wanted.channels)


@pytest.mark.parametrize("name", STEREO)
def test_a_second_channel_is_as_loud_as_one_alone(name: str) -> None:
    back = np.concatenate(list(decode.decode(encode.encode_bytes([SOUND], name, RATE), name)))
    assert abs(int(np.abs(back).max()) - 12_000) < 600


@pytest.mark.parametrize("length", [0.5, 1.234, 1.001, 2.0173])
@pytest.mark.parametrize("name", [*FORMATS, *OTHERS, *STEREO])
def test_streamed_bytes_last_as_long_as_their_samples(name: str, length: float) -> None:
    sound = sine(length, RATE)
    encoder = encode.Encoder(name, RATE)
    parts = [encoder.write(block) for block in np.array_split(sound, 12)]
    found = probe.probe(b"".join(parts) + encoder.finish(), name)
    # At low rates a frame of MP3 is longer than what is allowed elsewhere.
    slack = 28 if name.startswith("mp3_16000") else 20
    assert abs(found.duration_ms - length * 1000) <= slack


@pytest.mark.parametrize(
    "name",
    ["mp3_44100_128", "opus_48000_64", "pcm_16000", "ulaw_8000", "wav_24000", "aac_44100_128"],
)
def test_a_stream_gives_bytes_before_it_ends(name: str) -> None:
    encoder = encode.Encoder(name, RATE)
    assert encoder.write(SOUND[: RATE // 2])


def test_a_wav_header_is_true_for_other_readers() -> None:
    encoder = encode.Encoder("wav_22050", RATE, is_stream=False)
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
