"""Write sound: samples in, bytes of a named output format out.

A file gets a true header at its end (WAV sizes, the MP3 frame that tells players
how much silence the encoder added). A stream cannot go back: MP3 is then written
without that frame, and WAV is kept until it is whole.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream

from speechsite.audio import decode, formats, relay
from speechsite.audio.decode import Samples, Source
from speechsite.audio.formats import OutputFormat

# output codec: (FFmpeg's codec, FFmpeg's container)
_WRITERS = {
    "mp3": ("libmp3lame", "mp3"),
    "pcm": ("pcm_s16le", "s16le"),
    "wav": ("pcm_s16le", "wav"),
    "ulaw": ("pcm_mulaw", "mulaw"),
    "alaw": ("pcm_alaw", "alaw"),
    "opus": ("libopus", "ogg"),
    "flac": ("flac", "flac"),
}
# Above this the sizes in a plain WAV header overflow, and the 64-bit form is written.
_LARGE_WAV = 0xFFFFFFFF - 1_000_000
_MOST_SAMPLES = 65_536
_RICH = 96_000


@dataclass(frozen=True, slots=True)
class Encoded:
    """A written file."""

    duration_ms: int
    size: int


class Encoder:
    """Samples in, bytes out, a little at a time; all bytes together are one valid file."""

    def __init__(self, format_name: str, source_rate: int) -> None:
        self._format = formats.parse(format_name)
        self._outlet = _Outlet()
        # A WAV header can only be written when its size is known.
        self._whole = io.BytesIO() if self._format.codec == "wav" else None
        self._writer = _Writer(
            self._whole or self._outlet, self._format, source_rate, is_stream=not self._whole
        )

    def write(self, samples: Samples) -> bytes:
        """Take mono samples; answer the bytes that are ready, perhaps none."""
        self._writer.write(samples)
        return self._outlet.taken()

    def finish(self) -> bytes:
        """Close the stream and answer its last bytes."""
        self._writer.close()
        return self._whole.getvalue() if self._whole else self._outlet.taken()


def encode_file(
    blocks: Iterable[Samples],
    format_name: str,
    source_rate: int,
    path: str | Path,
    *,
    expected_ms: int = 0,
) -> Encoded:
    """Write a file in which lengths are true.

    With `expected_ms`, a WAV that would pass 4 GB is written in its 64-bit form.
    """
    wanted = formats.parse(format_name)
    is_large = expected_ms * wanted.rate * 2 // 1000 > _LARGE_WAV
    with (
        open(path, "wb") as file,
        _Writer(file, wanted, source_rate, is_large=is_large) as writer,
    ):
        for block in blocks:
            writer.write(block)
    return Encoded(writer.duration_ms, Path(path).stat().st_size)


def encode_bytes(blocks: Iterable[Samples], format_name: str, source_rate: int) -> bytes:
    """Like `encode_file`, in memory; for a segment."""
    whole = io.BytesIO()
    with _Writer(whole, formats.parse(format_name), source_rate) as writer:
        for block in blocks:
            writer.write(block)
    return whole.getvalue()


def transcode(source: Source, format_name: str, *, source_format: str | None = None) -> bytes:
    """The same sound in another format; raises NotAudio. Raw sound needs `source_format`."""
    rate = formats.parse(format_name).rate
    return encode_bytes(decode.decode(source, source_format, rate=rate), format_name, rate)


class _Writer:
    """An FFmpeg muxer and encoder for one mono stream."""

    def __init__(
        self,
        target: IO[bytes] | _Outlet,
        wanted: OutputFormat,
        source_rate: int,
        *,
        is_stream: bool = False,
        is_large: bool = False,
    ) -> None:
        codec, container = _WRITERS[wanted.codec]
        self._source_rate = source_rate
        self._samples = 0
        self._container = av.open(
            target,
            "w",
            format=container,
            container_options=_container_options(wanted, is_stream, is_large),
        )
        self._stream = cast(
            AudioStream,
            self._container.add_stream(
                codec, rate=wanted.rate, layout="mono", options=_codec_options(wanted)
            ),
        )
        if wanted.bitrate:
            self._stream.bit_rate = wanted.bitrate
        self._stream.codec_context.format = "s16p" if wanted.codec == "mp3" else "s16"
        is_plain = not is_stream and source_rate == wanted.rate
        self._relay = (
            relay.Relay(partial(_encoder, wanted)) if is_plain and _is_rich(wanted) else None
        )

    @property
    def duration_ms(self) -> int:
        return round(self._samples * 1000 / self._source_rate)

    def write(self, samples: Samples) -> None:
        if self._relay is not None:
            self._samples += len(samples)
            self._container.mux(self._relay.write(samples))
            return
        # Large frames make libav copy more than it encodes.
        for start in range(0, len(samples), _MOST_SAMPLES):
            block = np.ascontiguousarray(samples[start : start + _MOST_SAMPLES])
            frame = av.AudioFrame.from_ndarray(block[np.newaxis, :], format="s16", layout="mono")
            frame.sample_rate = self._source_rate
            frame.pts = self._samples
            self._samples += len(block)
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        # FFmpeg writes no header at all for a stream that never had a packet.
        last = self._stream.encode(None) if self._relay is None else self._relay.finish()
        self._container.mux(last)
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        if self._relay is not None:
            self._relay.drop()
        self._container.close()


class _Outlet:
    """Where a stream's bytes wait until they are taken; it cannot go back."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def taken(self) -> bytes:
        data = bytes(self._waiting)
        self._waiting.clear()
        return data


def _codec_options(wanted: OutputFormat) -> dict[str, str]:
    # Level 7 encodes nearly twice as fast as the default; speech sounds the same.
    return {"compression_level": "7"} if wanted.codec == "mp3" else {}


def _is_rich(wanted: OutputFormat) -> bool:
    """Whether this MP3 has bits enough for each frame to do without those that others spared."""
    return wanted.rate == relay.RATE and wanted.codec == "mp3" and (wanted.bitrate or 0) >= _RICH


def _encoder(wanted: OutputFormat) -> AudioCodecContext:
    encoder = av.CodecContext.create("libmp3lame", "w")
    encoder.rate, encoder.layout, encoder.format = wanted.rate, "mono", "s16p"
    encoder.time_base = Fraction(1, wanted.rate)
    encoder.bit_rate = wanted.bitrate
    encoder.options = _codec_options(wanted) | {"reservoir": "0"}
    return encoder


def _container_options(wanted: OutputFormat, is_stream: bool, is_large: bool) -> dict[str, str]:
    options = {"fflags": "+bitexact"}
    if is_stream:
        options["flush_packets"] = "1"
    if wanted.codec == "mp3":
        options |= {"id3v2_version": "0", "write_xing": "0" if is_stream else "1"}
    if wanted.codec == "opus":
        options["page_duration"] = "200000"
    if wanted.codec == "wav":
        options["rf64"] = "always" if is_large else "never"
    return options
