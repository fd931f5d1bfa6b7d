"""Say what a piece of sound is and how long it lasts.

The length is never what a header claims: it is decoded, or counted packet by packet.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import av

from speechsite.audio import decode
from speechsite.audio.decode import NotAudio, Source, TooLong


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
        ticks = skipped = 0
        is_mp3 = stream.codec_context.name.startswith("mp3")
        for packet in decode.packets(stream):
            ticks += packet.duration or 0
            delay, padding = _skips(packet)
            # Ogg already shortens the last packet by its padding; MP3 does not.
            skipped += delay + (padding if is_mp3 else 0)
        if stream.time_base is None:
            raise NotAudio("the sound has no clock")
        return round(ticks * stream.time_base * 1000 - skipped * 1000 / stream.codec_context.rate)


def _skips(packet: av.Packet[Any]) -> tuple[int, int]:
    if not packet.has_sidedata("skip_samples"):
        return 0, 0
    delay, padding = struct.unpack_from("<II", bytes(packet.get_sidedata("skip_samples")))
    return delay, padding
