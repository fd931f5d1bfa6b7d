"""Tones in any of the formats that a provider can be asked for (`sound` makes MP3 only)."""

from __future__ import annotations

import io
from functools import cache

import av
import numpy as np

CODECS = {
    "mp3": ("mp3", "libmp3lame", "s16p"),
    "wav": ("wav", "pcm_s16le", "s16"),
    "flac": ("flac", "flac", "s16"),
    "ulaw": ("mulaw", "pcm_mulaw", "s16"),
    "alaw": ("alaw", "pcm_alaw", "s16"),
    "opus": ("ogg", "libopus", "s16"),
}


@cache
def tone(name: str, milliseconds: int, channels: int = 1) -> bytes:
    """A tone in the format `name`: `mp3_44100_128`, `pcm_22050`, `flac_32000`."""
    codec, rate, *rest = name.split("_")
    times = np.arange(int(rate) * milliseconds // 1000) / int(rate)
    samples = (np.sin(2 * np.pi * 220 * times) * 8000).astype("<i2")
    samples = np.repeat(samples, channels)
    if codec == "pcm":
        return samples.tobytes()
    return _encode(samples, channels, codec, int(rate), int(rest[0]) * 1000 if rest else 0)


def _encode(samples: np.ndarray, channels: int, codec: str, rate: int, bitrate: int) -> bytes:
    container_name, codec_name, sample_format = CODECS[codec]
    layout = "stereo" if channels == 2 else "mono"
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_name) as container:
        stream = container.add_stream(codec_name, rate=rate, layout=layout, format=sample_format)
        if bitrate:
            stream.bit_rate = bitrate
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout=layout)
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return buffer.getvalue()
