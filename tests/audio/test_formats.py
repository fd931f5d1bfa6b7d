from __future__ import annotations

import pytest

from speechsite.audio import formats


def test_all_formats_of_elevenlabs_and_flac_are_known() -> None:
    kinds = [sound.codec for sound in formats.FORMATS.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "mp3": 7,
        "pcm": 7,
        "wav": 7,
        "ulaw": 1,
        "alaw": 1,
        "opus": 5,
        "flac": 3,
        "aac": 1,
        "m4a": 3,
    }


def test_a_name_says_rate_and_bitrate() -> None:
    sound = formats.parse(formats.PLAYER_FORMAT)
    assert (sound.codec, sound.rate, sound.bitrate) == ("mp3", 44_100, 128_000)
    assert formats.parse("pcm_8000").bitrate is None


def test_every_media_type_is_audio() -> None:
    assert all(sound.media_type.startswith("audio/") for sound in formats.FORMATS.values())


@pytest.mark.parametrize(
    "name",
    [
        "",
        "mp3",
        "mp3_44100",
        "MP3_44100_128",
        "pcm_1",
        "wav_44100_16",
        "mp3_8000_192",
        "opus_24000_64",
        "ulaw_16000",
        "mp3_44100_128_mono",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(formats.UnknownFormat):
        formats.parse(name)
