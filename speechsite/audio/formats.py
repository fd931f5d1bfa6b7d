"""The output formats that can be asked for, by name.

The names are ElevenLabs' (`mp3_44100_128`: codec, rate, kbit/s), and FLAC is ours.
How a format is written is `encode`'s business, how it is read `decode`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

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
}

_NAMES = (
    "mp3_22050_32 mp3_24000_48 mp3_44100_32 mp3_44100_64 mp3_44100_96 mp3_44100_128"
    " mp3_44100_192"
    " pcm_8000 pcm_16000 pcm_22050 pcm_24000 pcm_32000 pcm_44100 pcm_48000"
    " wav_8000 wav_16000 wav_22050 wav_24000 wav_32000 wav_44100 wav_48000"
    " ulaw_8000 alaw_8000"
    " opus_48000_32 opus_48000_64 opus_48000_96 opus_48000_128 opus_48000_192"
    " flac_22050 flac_44100 flac_48000"
)


def _described(name: str) -> OutputFormat:
    codec, rate, *kilobits = name.split("_")
    extension, media_type, container = _KINDS[codec]
    bitrate = int(kilobits[0]) * 1000 if kilobits else None
    return OutputFormat(name, codec, int(rate), bitrate, extension, media_type, container)


FORMATS: dict[str, OutputFormat] = {name: _described(name) for name in _NAMES.split()}


def parse(name: str) -> OutputFormat:
    """The format of this name; raises UnknownFormat."""
    try:
        return FORMATS[name]
    except KeyError:
        raise UnknownFormat(f"there is no output format named {name!r}") from None
