from __future__ import annotations

import io

import av
import numpy as np
import pytest

from speechsite.audio import decode, encode, formats, mpeg, probe
from speechsite.audio.decode import NotAudio
from tests.audio.sounds import sine

MP3 = [name for name in formats.FORMATS if name.startswith("mp3")]
PLAIN = encode.encode_bytes([sine(1.5)], "mp3_44100_128", 44_100)
NOTED = 417  # bytes of a first frame that only says what follows
FRAME_MS = 1152 / 44.1


def stereo(rate: int, kilobits: int, seconds: float = 1.0) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout="stereo")
        stream.bit_rate = kilobits * 1000
        sound = np.repeat(sine(seconds, rate), 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="stereo")
        frame.sample_rate = rate
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def without_note() -> bytes:
    """Frames and nothing else, as a provider streams them."""
    first = PLAIN.index(b"\xff\xfb")
    return PLAIN[first + NOTED :]


@pytest.mark.parametrize("seconds", [0.02, 0.3, 2.345])
@pytest.mark.parametrize("name", MP3)
def test_counting_finds_what_decoding_finds(name: str, seconds: float) -> None:
    sound = encode.encode_bytes([sine(seconds)], name, 44_100)
    found = mpeg.counted(sound, 12)
    assert found is not None
    assert found.duration_ms == decode.duration_ms(sound) == round(seconds * 1000)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 24_000, 32_000, 48_000])
@pytest.mark.parametrize("kilobits", [64, 160])
def test_counting_finds_what_decoding_finds_in_stereo(rate: int, kilobits: int) -> None:
    sound = stereo(rate, kilobits)
    found = mpeg.counted(sound, 12)
    assert found is not None
    assert found.duration_ms == decode.duration_ms(sound) == 1_000
    assert found.rate == rate


def test_frames_without_a_note_are_all_sound() -> None:
    sound = without_note()
    found = mpeg.counted(sound, 3)
    assert found is not None
    assert found.duration_ms == probe.counted_ms(sound) == decode.duration_ms(sound)
    assert [len(frame) for frame in found.beginning] == [417, 418, 418]


def test_tags_around_the_frames_hold_no_sound() -> None:
    bare = mpeg.counted(without_note(), 1)
    old = b"TAG" + bytes(125)
    new = b"ID3\x04\0\0" + bytes([0, 0, 1, 2]) + bytes(130)
    assert mpeg.counted(new + without_note() + old, 1) == bare


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"ID3",
        b"ID3\x04\0\0\0\0\0\0",
        b"<html>" * 100,
        PLAIN[:-1],
        PLAIN + b"\0",
        PLAIN[:900] + b"\0" + PLAIN[900:],
        # As many frames as the note says, or it is of another file.
        PLAIN[: PLAIN.index(b"\xff\xfb") + NOTED],
        PLAIN + without_note(),
        without_note() + encode.encode_bytes([sine(1)], "mp3_22050_32", 44_100)[45:],
        without_note()[:36] + b"VBRI" + without_note()[40:],
        PLAIN.replace(b"Lavf", b"Else"),
    ],
)
def test_what_is_not_plain_is_left_to_the_decoder(broken: bytes) -> None:
    assert mpeg.counted(broken, 12) is None


def test_a_sound_that_breaks_off_is_as_long_as_what_is_left() -> None:
    half = PLAIN[: len(PLAIN) // 2]
    assert probe.heard_ms(half) == decode.duration_ms(half) == pytest.approx(750, abs=FRAME_MS * 2)


def test_headers_alone_are_no_sound() -> None:
    frame = b"\xff\xfb\x90\xc0" + b"\xff" * 413
    assert mpeg.counted(frame * 40, 12) is not None
    with pytest.raises(NotAudio):
        probe.heard_ms(frame * 40)


def test_files_bytes_and_other_codecs_are_heard_alike() -> None:
    assert probe.heard_ms(PLAIN) == probe.heard_ms(io.BytesIO(PLAIN)) == 1_500
    assert probe.heard_ms(encode.encode_bytes([sine(1.5)], "opus_48000_64", 44_100)) == 1_500
    assert probe.heard_ms(bytes(22_050), "pcm_22050") == 500


def test_a_large_file_is_not_taken_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[bytes] = []
    monkeypatch.setattr(mpeg, "counted", lambda data, _: looked_at.append(data))
    monkeypatch.setattr(probe, "IN_MEMORY", len(PLAIN) - 1)
    assert probe.heard_ms(io.BytesIO(PLAIN)) == 1_500
    assert looked_at == [b""]
