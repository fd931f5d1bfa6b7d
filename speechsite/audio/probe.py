"""Say what a piece of sound is and how long it lasts.

The length is never what a header claims: it is decoded. People's own recordings may be damaged
here and there; `whole` is strict about what somebody pays for.
"""

from __future__ import annotations

from dataclasses import dataclass

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
