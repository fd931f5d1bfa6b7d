"""Real sound for the fakes: short tones as MP3, made once per length."""

from __future__ import annotations

import io
import math
from array import array
from functools import lru_cache

import av

RATE = 44100


def for_text(text: str) -> bytes:
    """A tone as long as the text would take to say, in half seconds, at most 20."""
    return tone(min(20.0, max(0.5, math.ceil(len(text) / 15 * 2) / 2)))


@lru_cache(maxsize=64)
def tone(seconds: float = 1.0, pitch: float = 220.0) -> bytes:
    """A tone as MP3, 44.1 kHz, 128 kbit/s, mono."""
    count = int(seconds * RATE)
    wave = array("h", (int(8000 * math.sin(2 * math.pi * pitch * n / RATE)) for n in range(count)))
    frame = av.AudioFrame(format="s16", layout="mono", samples=count)
    frame.planes[0].update(wave.tobytes())
    frame.sample_rate = RATE
    return _encoded([frame])


def as_mp3(recording: bytes) -> bytes:
    """A recording as MP3; a tone where it is not sound."""
    try:
        with av.open(io.BytesIO(recording)) as source:
            return _encoded(list(source.decode(audio=0)))
    except (av.FFmpegError, IndexError, ValueError):
        return tone()


def _encoded(frames: list[av.AudioFrame]) -> bytes:
    file = io.BytesIO()
    resampler = av.AudioResampler(format="s16p", layout="mono", rate=RATE)
    with av.open(file, "w", format="mp3") as target:
        stream = target.add_stream("mp3", rate=RATE, layout="mono")
        stream.bit_rate = 128_000
        for frame in [*frames, None]:
            for piece in resampler.resample(frame):
                target.mux(stream.encode(piece))
        target.mux(stream.encode(None))
    return file.getvalue()
