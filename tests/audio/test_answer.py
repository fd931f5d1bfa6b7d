"""One answer out of many pieces: one header, and as long as its pieces together."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from speechsite.audio import decode, encode, formats, probe
from speechsite.audio.answer import Answer, CannotGoOn
from tests.audio.sounds import sine
from tests.fakes.tones import tone

WANTED = (
    "mp3_44100_128", "mp3_22050_32", "opus_48000_64", "flac_44100", "wav_24000", "pcm_16000",
    "ulaw_8000", "alaw_8000", "aac_44100_128", "m4a_44100_128", "mp3_32000_128_stereo",
)  # fmt: skip
SOURCES = ("pcm_22050", "mp3_44100_128", "ulaw_8000", "flac_44100", "opus_48000_64")
HEADERS = {"wav": b"RIFF", "flac": b"fLaC", "opus": b"OpusHead", "m4a": b"ftyp", "mp3": b"Info"}


def answered(
    wanted: str, pieces: list[tuple[bytes, str]], *, block: int = 3000, is_stream: bool = True
) -> bytes:
    answer = Answer(wanted, is_alone=len(pieces) == 1, is_stream=is_stream)
    sent = []
    for sound, form in pieces:
        sent += [answer.write(sound[at : at + block], form) for at in range(0, len(sound), block)]
        sent.append(answer.end_piece())
    return b"".join(sent) + answer.finish()


def length_of(sound: bytes, form: str) -> int:
    return decode.duration_ms(sound, form if formats.parse(form).is_raw else None)


def seconds_of(sound: bytes, form: str) -> float:
    """Not rounded: sixty times half a millisecond would be heard."""
    decoding = decode.Decoding(sound, form)
    assert sum(map(len, decoding.blocks()))
    return float(decoding.seconds)


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("count", [1, 2, 60])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("wanted", WANTED)
def test_an_answer_is_one_file_as_long_as_its_pieces(
    wanted: str, source: str, count: int, is_stream: bool
) -> None:
    piece = tone(source, 137)
    sound = answered(wanted, [(piece, source)] * count, is_stream=is_stream)
    assert abs(length_of(sound, wanted) - count * 1000 * seconds_of(piece, source)) <= 20
    if source != wanted and (header := HEADERS.get(formats.parse(wanted).codec)):
        assert sound.count(header) == 1


def test_pieces_of_different_rates_and_formats_make_one_sound() -> None:
    pieces = [(tone(form, 500), form) for form in ("pcm_24000", "mp3_44100_128", "wav_48000")]
    assert abs(length_of(answered("wav_44100", pieces), "wav_44100") - 1500) <= 20


def test_a_whole_answer_states_its_length() -> None:
    sound = answered("wav_22050", [(tone("pcm_22050", 500), "pcm_22050")] * 3, is_stream=False)
    with wave.open(io.BytesIO(sound)) as reader:
        assert reader.getnframes() == 3 * 11025


def test_a_streamed_wav_says_that_it_does_not_know() -> None:
    sound = answered("wav_22050", [(tone("pcm_22050", 500), "pcm_22050")] * 3)
    assert sound[4:8] == sound[40:44] == b"\xff" * 4


def test_what_comes_alone_and_as_it_was_wanted_passes_byte_for_byte() -> None:
    piece = tone("mp3_44100_128", 500)
    assert answered("mp3_44100_128", [(piece, "mp3_44100_128")]) == piece


def test_an_mp3_with_a_tag_in_front_is_sound_from_its_first_frame() -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x00" + b"\xff\xfb\x90\x64" * 64
    piece = tag + encode.encode_bytes([sine(0.5)], "mp3_44100_128", 44_100)
    sound = answered("wav_44100", [(piece, "mp3_44100_128")] * 2, block=7)
    assert abs(length_of(sound, "wav_44100") - 1000) <= 20


def test_samples_that_are_cut_in_the_middle_are_put_together() -> None:
    loud = sine(0.5, 22_050)
    sound = answered("pcm_22050", [(loud.tobytes(), "pcm_22050")] * 2, block=333)
    back = np.frombuffer(sound, dtype="<i2")[: len(loud)]
    assert np.array_equal(back[200:-200], loud[200:-200])


@pytest.mark.parametrize("source", ["pcm_22050", "mp3_44100_128"])
@pytest.mark.parametrize("wanted", ["mp3_44100_128", "opus_48000_64", "wav_22050", "pcm_22050"])
def test_a_piece_that_broke_off_goes_on_where_it_was_left(wanted: str, source: str) -> None:
    piece = tone(source, 2000)
    answer = Answer(wanted, is_alone=True)
    sent = answer.write(piece[: len(piece) // 3], source) + answer.begin_again()
    sent += answer.write(piece, source) + answer.end_piece() + answer.finish()
    assert abs(length_of(sent, wanted) - 2000) <= 60


@pytest.mark.parametrize("wanted", ["opus_48000_64", "flac_44100", "wav_44100"])
def test_a_container_that_passed_cannot_be_gone_on_with(wanted: str) -> None:
    answer = Answer(wanted, is_alone=True)
    answer.write(tone(wanted, 500)[:2000], wanted)
    with pytest.raises(CannotGoOn):
        answer.begin_again()


def test_an_answer_without_sound_is_empty() -> None:
    assert answered("mp3_44100_128", []) == b""


def test_the_note_of_a_stream_names_the_delay_that_a_file_names() -> None:
    encoder = encode.Encoder("mp3_44100_128", 44_100)
    stream = encoder.write(sine(1.0)) + encoder.finish()
    samples = np.concatenate(list(decode.decode(stream)))
    first = int(np.argmax(np.abs(samples) > 6000))
    assert first < 60
    assert abs(probe.probe(stream).duration_ms - 1000) <= 20
