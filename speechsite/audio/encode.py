"""Write sound: samples in, bytes of a named output format out.

A file gets a true header at its end (WAV sizes, the MP3 frame that tells players
how much silence the encoder added). A stream cannot go back: its header leaves the
length open, in the container's own way. MP4 has its contents in front, so that it is
kept until it is whole.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream

from speechsite.audio import decode, formats, note, relay
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
    "aac": ("aac", "adts"),
    "m4a": ("aac", "mp4"),
}
_SAMPLES = {"mp3": "s16p", "aac": "fltp", "m4a": "fltp"}  # what the codec takes, if not s16
# Above this the sizes in a plain WAV header overflow, and the 64-bit form is written.
_LARGE_WAV = 0xFFFFFFFF - 1_000_000
_MOST_SAMPLES = 65_536
_RICH = 96_000
_MOST_PADDING_MS = 17  # a last packet that holds more, and less sound, is left out


@dataclass(frozen=True, slots=True)
class Encoded:
    """A written file."""

    duration_ms: int
    size: int


class Encoder:
    """Samples in, bytes out, a little at a time; all bytes together are one valid file.

    A stream hands out what it can at once; otherwise all comes at the end, with true lengths.
    """

    def __init__(
        self,
        format_name: str,
        source_rate: int,
        *,
        is_stream: bool = True,
        is_first: bool = True,  # nothing of the same stream was sent before
    ) -> None:
        self._format = formats.parse(format_name)
        self._outlet = _Outlet()
        is_stream = is_stream and self._format.codec != "m4a"
        self._whole = None if is_stream else io.BytesIO()
        self._writer = _Writer(
            self._whole or self._outlet,
            self._format,
            source_rate,
            is_stream=is_stream,
            is_first=is_first,
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
    is_large = expected_ms * wanted.rate * 2 * wanted.channels // 1000 > _LARGE_WAV
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
    """An FFmpeg muxer and encoder for one voice, in as many channels as are wanted."""

    def __init__(
        self,
        target: IO[bytes] | _Outlet,
        wanted: OutputFormat,
        source_rate: int,
        *,
        is_stream: bool = False,
        is_first: bool = True,
        is_large: bool = False,
    ) -> None:
        codec, container = _WRITERS[wanted.codec]
        self._target, self._wanted = target, wanted
        self._needs_note = is_stream and is_first and wanted.codec == "mp3"
        self._begins_early = wanted.codec == "aac"
        self._is_empty = True
        self._frame = _open_frame(wanted, is_stream)
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
                codec, rate=wanted.rate, layout=self._layout, options=_codec_options(wanted)
            ),
        )
        if wanted.bitrate:
            self._stream.bit_rate = wanted.bitrate
        self._stream.codec_context.format = _SAMPLES.get(wanted.codec, "s16")
        is_plain = not is_stream and source_rate == wanted.rate
        self._relay = (
            relay.Relay(partial(_encoder, wanted)) if is_plain and _is_rich(wanted) else None
        )

    @property
    def _layout(self) -> str:
        return "mono" if self._wanted.channels == 1 else "stereo"

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
            # FFmpeg makes a second channel quieter than the first one was; a copy is as loud.
            whole = np.repeat(block, self._wanted.channels)[np.newaxis, :]
            frame = av.AudioFrame.from_ndarray(whole, format="s16", layout=self._layout)
            frame.sample_rate = self._source_rate
            frame.pts = self._samples
            self._samples += len(block)
            self._mux(self._stream.encode(frame))

    def close(self) -> None:
        # FFmpeg writes no header at all for a stream that never had a packet.
        if self._relay is None:
            self._mux(self._within(self._stream.encode(None)))
        else:
            self._container.mux(self._relay.finish())
        self._container.close()

    def _mux(self, packets: list[av.Packet[Any]]) -> None:
        if packets and self._needs_note:
            self._needs_note = False
            self._target.write(note.written(bytes(packets[0])))
        if packets and self._begins_early:
            # Bare AAC has no place to say that its first packet is before the sound.
            self._begins_early = False
            packets = packets[1:]
        self._is_empty = self._is_empty and not packets
        self._container.mux(packets)

    def _within(self, packets: list[av.Packet[Any]]) -> list[av.Packet[Any]]:
        """The last packets, without one that is hardly more than padding.

        Where a file cannot say how much of its last packet is sound, all of it is heard.
        """
        if not packets or self._frame is None or self._is_empty:
            return packets
        sound = packets[-1].duration or 0
        padding_ms = (self._frame - sound) * 1000 / self._wanted.rate
        is_padding = padding_ms > _MOST_PADDING_MS and 2 * sound < self._frame
        return packets[:-1] if is_padding else packets

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


def _open_frame(wanted: OutputFormat, is_stream: bool) -> int | None:
    """Samples of a packet, where readers cannot be told how many of the last one are sound."""
    if wanted.codec in ("aac", "m4a"):
        return 1024
    if wanted.codec == "mp3" and is_stream:
        return 1152 if wanted.rate >= 32_000 else 576
    return None


def _codec_options(wanted: OutputFormat) -> dict[str, str]:
    # Level 7 encodes nearly twice as fast as the default; speech sounds the same.
    return {"compression_level": "7"} if wanted.codec == "mp3" else {}


def _is_rich(wanted: OutputFormat) -> bool:
    """Whether this MP3 has bits enough for each frame to do without those that others spared."""
    is_mono_mp3 = wanted.codec == "mp3" and wanted.channels == 1
    return is_mono_mp3 and wanted.rate == relay.RATE and (wanted.bitrate or 0) >= _RICH


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
        options["page_duration"] = "60000" if is_stream else "200000"
    if wanted.codec == "wav":
        options["rf64"] = "always" if is_large else "never"
    return options
