"""Say what a piece of sound is and how long it lasts.

The length is never what a header claims: it is decoded, or counted packet by packet.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
from av.audio.stream import AudioStream

from speechsite.audio import decode
from speechsite.audio.decode import NotAudio, Source, TooLong

BEGINNING = 12  # packets, some 0.3 seconds, that are decoded to see that they can be
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
        return _counted(stream, decode.packets(stream))


def heard_ms(source: Source, format: str | None = None) -> int:
    """How long a sound from outside lasts. Raises NotAudio when it is none.

    MP3, where every packet says how much it holds, is counted after its beginning was
    decoded; anything else is decoded to its end.
    """
    with decode.opened(source, format) as stream:
        return _counted(stream, _tried(stream)) if _is_mp3(stream) else decode.decoded_ms(stream)


def _tried(stream: AudioStream) -> Iterator[av.Packet[Any]]:
    """All packets, of which the first ones have to decode."""
    good = bad = 0
    for number, packet in enumerate(decode.packets(stream)):
        if number < BEGINNING:
            try:
                good += len(stream.codec_context.decode(packet))
            except av.FFmpegError:
                bad += 1
        yield packet
    if good == 0 or bad > good:
        raise NotAudio("the sound cannot be decoded")


def _counted(stream: AudioStream, packets: Iterator[av.Packet[Any]]) -> int:
    ticks = 0
    first: list[av.Packet[Any]] = []
    last: deque[av.Packet[Any]] = deque(maxlen=AT_AN_END)
    for packet in packets:
        ticks += packet.duration or 0
        (first if len(first) < AT_AN_END else last).append(packet)
    # Ogg already shortens the last packet by its padding; MP3 does not.
    is_mp3 = _is_mp3(stream)
    skips = [_skips(packet) for packet in (*first, *last)]
    skipped = sum(delay + (padding if is_mp3 else 0) for delay, padding in skips)
    if stream.time_base is None:
        raise NotAudio("the sound has no clock")
    return round(ticks * stream.time_base * 1000 - skipped * 1000 / stream.codec_context.rate)


def _is_mp3(stream: AudioStream) -> bool:
    return stream.codec_context.name.startswith("mp3")


def _skips(packet: av.Packet[Any]) -> tuple[int, int]:
    if not packet.has_sidedata("skip_samples"):
        return 0, 0
    delay, padding = struct.unpack_from("<II", bytes(packet.get_sidedata("skip_samples")))
    return delay, padding
