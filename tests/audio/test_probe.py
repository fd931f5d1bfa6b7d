from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from speechsite.audio import encode
from speechsite.audio.decode import NotAudio, TooLong, decode
from speechsite.audio.probe import probe
from tests.audio.sounds import sine

SOUND = sine(2)
NOISE = np.random.default_rng(3).integers(0, 256, 40_000, dtype=np.uint8).tobytes()


@pytest.mark.parametrize("format", [None, "pcm_22050", "mp3_44100_128", "ulaw_8000"])
@pytest.mark.parametrize(
    "body",
    [b"", b"<!doctype html><title>Oops</title>" * 40, '{"error": "zu wenig Guthaben ü"}'.encode()],
)
def test_nothing_and_text_are_not_audio(body: bytes, format: str | None) -> None:
    with pytest.raises(NotAudio):
        probe(body, format)


@pytest.mark.parametrize("body", [b"\0" * 500, b"\xff\xfb" * 9, NOISE])
def test_garbage_is_not_audio(body: bytes) -> None:
    with pytest.raises(NotAudio):
        probe(body)


@pytest.mark.parametrize("name", ["flac_44100", "opus_48000_64", "wav_44100", "mp3_44100_128"])
def test_a_file_cut_in_its_header_is_not_audio(name: str) -> None:
    with pytest.raises(NotAudio):
        probe(encode.encode_bytes([SOUND], name, 44_100)[:30])


def test_a_truncated_mp3_is_as_long_as_what_is_left() -> None:
    whole = encode.encode_bytes([SOUND], "mp3_44100_128", 44_100)
    assert 900 < probe(whole[: len(whole) // 2]).duration_ms < 1_050


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    encode.encode_file([SOUND], "wav_44100", 44_100, secret)
    for playlist in (
        f"#EXTM3U\n#EXTINF:1,\nfile:{secret}\n",
        f"ffconcat version 1.0\nfile {secret}\n",
    ):
        path = tmp_path / "list"
        # The last byte is no text, so that it is the demuxer's turn to refuse.
        path.write_bytes(playlist.encode() + b"\xff")
        with pytest.raises(NotAudio):
            probe(path)


def test_a_path_cannot_name_a_protocol(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(f"concat:{tmp_path}/a|{tmp_path}/b")


def test_too_long_a_sound_is_given_up_early() -> None:
    whole = encode.encode_bytes([SOUND], "flac_44100", 44_100)
    assert probe(whole, longest_ms=2_000).duration_ms == 2_000
    with pytest.raises(TooLong):
        probe(whole, longest_ms=1_999)


def test_a_header_is_believed_more_than_a_raw_name() -> None:
    whole = encode.encode_bytes([SOUND], "wav_44100", 44_100)
    assert probe(whole, "pcm_8000").rate == 44_100


def test_bytes_paths_and_files_are_read_alike(tmp_path: Path) -> None:
    whole = encode.encode_bytes([SOUND], "mp3_44100_128", 44_100)
    (tmp_path / "a").write_bytes(whole)
    assert probe(whole) == probe(tmp_path / "a") == probe(str(tmp_path / "a"))
    assert probe(whole) == probe(io.BytesIO(whole))


def test_decoding_gives_the_wanted_rate_in_mono() -> None:
    whole = encode.encode_bytes([SOUND], "opus_48000_64", 44_100)
    samples = np.concatenate(list(decode(whole, rate=16_000)))
    assert samples.dtype == np.int16
    assert abs(len(samples) - 32_000) <= 2
