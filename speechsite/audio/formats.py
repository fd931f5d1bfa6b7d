"""The output formats that can be asked for, by name.

The names are ElevenLabs' (`mp3_44100_128`: codec, rate, kbit/s); FLAC, AAC and M4A are ours.
Listed are those that people choose from. What a dialect promises beyond them, another rate or
two channels, has a name as well (`mp3_32000_64_stereo`). How a format is written is `encode`'s business, how it is read `decode`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

PLAYER_FORMAT = "mp3_44100_128"


class UnknownFormat(ValueError):
    """No output format has this name."""


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One way to write sound; `bitrate` is in bits per second, None where it follows."""

    name: str
    codec: str
    rate: int
    bitrate: int | None
    extension: str
    media_type: str
    container: str
    channels: int = 1

    @property
    def is_raw(self) -> bool:
        """Whether the bytes carry no header, so that only the name says what they are."""
        return self.codec in ("pcm", "ulaw", "alaw")


# codec: (extension, media type, container)
_KINDS = {
    "mp3": ("mp3", "audio/mpeg", "mp3"),
    "pcm": ("pcm", "audio/pcm", "raw"),
    "wav": ("wav", "audio/wav", "wav"),
    "ulaw": ("ulaw", "audio/basic", "raw"),
    "alaw": ("alaw", "audio/x-alaw-basic", "raw"),
    "opus": ("opus", "audio/ogg", "ogg"),
    "flac": ("flac", "audio/flac", "flac"),
    "aac": ("aac", "audio/aac", "adts"),
    "m4a": ("m4a", "audio/mp4", "mp4"),
}

_NAMES = (
    "mp3_22050_32 mp3_24000_48 mp3_44100_32 mp3_44100_64 mp3_44100_96 mp3_44100_128"
    " mp3_44100_192"
    " pcm_8000 pcm_16000 pcm_22050 pcm_24000 pcm_32000 pcm_44100 pcm_48000"
    " wav_8000 wav_16000 wav_22050 wav_24000 wav_32000 wav_44100 wav_48000"
    " ulaw_8000 alaw_8000"
    " opus_48000_32 opus_48000_64 opus_48000_96 opus_48000_128 opus_48000_192"
    " flac_22050 flac_44100 flac_48000"
    " aac_44100_128 m4a_44100_64 m4a_44100_128 m4a_44100_192"
)

# The rest of what can be named: codec, rates, kbit/s.
_RATES = frozenset((8000, 16000, 22050, 24000, 32000, 44100, 48000))
_KILOBITS = frozenset((32, 48, 64, 96, 128, 192, 256))
_NAME = re.compile(r"(?:(mp3)_(\d{4,5})_(\d{2,3})|(pcm|wav|flac)_(\d{4,5}))(_stereo)?", re.ASCII)
# Above this MPEG's lower rates have no frames.
_MOST_KILOBITS_BELOW = {32_000: 160, 16_000: 64}


def _described(name: str, channels: int = 1) -> OutputFormat:
    codec, rate, *kilobits = name.removesuffix("_stereo").split("_")
    extension, media_type, container = _KINDS[codec]
    bitrate = int(kilobits[0]) * 1000 if kilobits else None
    return OutputFormat(name, codec, int(rate), bitrate, extension, media_type, container, channels)


FORMATS: dict[str, OutputFormat] = {name: _described(name) for name in _NAMES.split()}


@lru_cache(maxsize=256)
def parse(name: str) -> OutputFormat:
    """The format of this name; raises UnknownFormat."""
    listed = FORMATS.get(name)
    found = listed or _other(name)
    if found is None:
        raise UnknownFormat(f"there is no output format named {name[:60]!r}")
    return found


def find(name: str) -> OutputFormat | None:
    """The format of this name, if there is one."""
    try:
        return parse(name)
    except UnknownFormat:
        return None


def _other(name: str) -> OutputFormat | None:
    """A format that is not listed: another rate or bitrate, or two channels."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    rate, kilobits = int(match[2] or match[5]), int(match[3] or 0)
    most = min((most for below, most in _MOST_KILOBITS_BELOW.items() if rate < below), default=320)
    if rate not in _RATES or (match[1] and not (kilobits in _KILOBITS and kilobits <= most)):
        return None
    return _described(name, 2 if match[6] else 1)
