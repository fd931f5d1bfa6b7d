"""Rate, channels and bitrate are what was asked for, in the file and in what is said of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from speechsite.api.auth import Caller
from speechsite.api.minimax import wire
from speechsite.audio import formats, probe
from tests.api.asgi import ask

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]
BODY: dict[str, Any] = {
    "model": "speech-02-hd",
    "text": "Hello there.",
    "voice_setting": {"voice_id": "male-qn-qingse"},
}


def said(secret: str, **setting: Any) -> httpx.Response:
    return ask("POST", "/minimax/v1/t2a_v2", secret, json={**BODY, "audio_setting": setting})


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 32000])
@pytest.mark.parametrize("form", ["mp3", "flac", "wav", "pcm"])
def test_rate_and_channels_are_kept(trial: Keyed, form: str, rate: int, channels: int) -> None:
    answer = said(trial[1], format=form, sample_rate=rate, channel=channels).json()
    told = answer["extra_info"]
    assert (told["audio_sample_rate"], told["audio_channel"]) == (rate, channels)
    sound = bytes.fromhex(answer["data"]["audio"])
    if form == "pcm":
        assert abs(len(sound) / rate / channels / 2 * 1000 - told["audio_length"]) < 2
        return
    found = probe.probe(sound)
    assert (found.rate, found.channels) == (rate, channels)


@pytest.mark.parametrize("bitrate", wire.BITRATES)
def test_the_bitrate_is_kept(trial: Keyed, bitrate: int) -> None:
    told = said(trial[1], format="mp3", sample_rate=32000, bitrate=bitrate).json()["extra_info"]
    assert told["bitrate"] == bitrate
    assert abs(told["audio_size"] * 8000 / told["audio_length"] - bitrate) < bitrate / 4


def test_every_combination_has_a_format() -> None:
    for codec in wire.CODECS:
        for rate in wire.RATES:
            for bitrate in wire.BITRATES:
                for channels in (1, 2):
                    assert formats.parse(wire.format_of(codec, rate, bitrate, channels))
