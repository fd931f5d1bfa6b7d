"""Say what a piece of sound is and how long it lasts.

The length is never what a header claims: it is decoded, or counted packet by packet.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream

from speechsite.audio import decode, mpeg
from speechsite.audio.decode import NotAudio, Source, TooLong

BEGINNING = 12  # frames, some 0.3 seconds, that are decoded to see that they can be
IN_MEMORY = 8 * 1024 * 1024  # bytes of MP3 that are looked at as a whole
AT_AN_END = 4  # packets that may hold an encoder's delay or padding


@dataclass(frozen=True, slots=True)
class Probe:
    """What decoding found; `codec` and `container` are FFmpeg's names."""

    duration_ms: int
    rate: int
    channels: int
    codec: str
    container: str


def probe(source: Source, format: str | None = None, *, longest_ms: int | None = None) -> Probe:
    """Decode everything and describe it.

    Raises NotAudio when there is no sound, and TooLong as soon as there is more
    than `longest_ms`, so that a small file cannot keep us busy for hours.
    """
    with decode.opened(source, format) as stream:
        context = stream.codec_context
        rate = context.sample_rate
        samples = 0
        for frame in decode.frames(stream):
            samples += frame.samples
            if longest_ms is not None and samples * 1000 > longest_ms * rate:
                raise TooLong(f"the sound is longer than {longest_ms} ms")
        if samples == 0 or rate == 0:
            raise NotAudio("the sound is empty")
        return Probe(
            duration_ms=round(samples * 1000 / rate),
            rate=rate,
            channels=context.channels,
            codec=context.name,
            container=stream.container.format.name,
        )


def counted_ms(source: Source, format: str | None = None) -> int:
    """How long the sound lasts, by its packets: exact for what `encode` writes, and cheap.

    Nothing is decoded. Encoder delay and padding, which a player leaves out, are left out.
    """
    with decode.opened(source, format) as stream:
        return _counted(stream)


def heard_ms(source: Source, format: str | None = None) -> int:
    """How long a sound from outside lasts. Raises NotAudio when it is none.

    MP3 that is whole is counted, once its beginning has been decoded; anything else is
    decoded to its end.
    """
    plain = mpeg.counted(_in_memory(source), BEGINNING)
    if plain is None:
        return decode.duration_ms(source, format)
    _check(plain.beginning)
    return plain.duration_ms


def _in_memory(source: Source) -> bytes:
    """The whole of a sound, where it is not too much; a file is then at its beginning again."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, str | Path):
        return b""
    data = source.read(IN_MEMORY + 1)
    source.seek(0)
    return data if len(data) <= IN_MEMORY else b""


def _check(frames: Sequence[bytes]) -> None:
    """Raise NotAudio when most of these do not decode."""
    decoder = av.CodecContext.create("mp3", "r")
    assert isinstance(decoder, AudioCodecContext)  # noqa: S101 (says what kind of codec it is)
    good = bad = 0
    for frame in frames:
        try:
            good += len(decoder.decode(av.Packet(frame)))
        except av.FFmpegError:
            bad += 1
    if good == 0 or bad > good:
        raise NotAudio("the sound cannot be decoded")


def _counted(stream: AudioStream) -> int:
    ticks = 0
    first: list[av.Packet[Any]] = []
    last: deque[av.Packet[Any]] = deque(maxlen=AT_AN_END)
    for packet in decode.packets(stream):
        ticks += packet.duration or 0
        (first if len(first) < AT_AN_END else last).append(packet)
    # Ogg already shortens the last packet by its padding; MP3 does not.
    is_mp3 = stream.codec_context.name.startswith("mp3")
    skips = [_skips(packet) for packet in (*first, *last)]
    skipped = sum(delay + (padding if is_mp3 else 0) for delay, padding in skips)
    if stream.time_base is None:
        raise NotAudio("the sound has no clock")
    return round(ticks * stream.time_base * 1000 - skipped * 1000 / stream.codec_context.rate)


def _skips(packet: av.Packet[Any]) -> tuple[int, int]:
    if not packet.has_sidedata("skip_samples"):
        return 0, 0
    delay, padding = struct.unpack_from("<II", bytes(packet.get_sidedata("skip_samples")))
    return delay, padding
