"""Read sound: any container that we know, as blocks of 16-bit mono samples.

Nothing here trusts a file: only demuxers that cannot open other files or
addresses are let in, and text sent in place of sound is told apart.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from speechsite.audio import formats

Samples = NDArray[np.int16]
Source = str | Path | bytes | IO[bytes]

# Playlists (HLS, DASH, concat) name other files and addresses to open, so only these may read.
_READERS = (
    "mp3,wav,w64,ogg,flac,aac,mov,mp4,m4a,matroska,webm,aiff,caf,au,amr,asf,avi,mpegts,mpeg,ac3,"
    "s16le,mulaw,alaw"
)
_LAYOUTS = {1: "mono", 2: "stereo"}
_RAW_READERS = {"pcm": "s16le", "ulaw": "mulaw", "alaw": "alaw"}
_HEADERS = (b"RIFF", b"RF64", b"OggS", b"fLaC", b"ID3")
_CONTROLS = frozenset(map(chr, range(0x20))) - set("\t\n\r")
_HEAD = 512


class NotAudio(ValueError):
    """What was given holds no sound that can be decoded."""


class TooLong(NotAudio):
    """There is more sound than the caller is willing to decode."""


@contextmanager
def opened(source: Source, format: str | None = None) -> Iterator[AudioStream]:
    """The first audio stream of a source; raises NotAudio.

    Raw sound needs the name of its output format; any other name is ignored,
    because a header is better evidence than what a provider calls its bytes.
    """
    head = head_of(source, _HEAD)
    _refuse_text(head)
    raw = formats.parse(format) if format else None
    if raw is not None and (not raw.is_raw or head.startswith(_HEADERS)):
        raw = None
    try:
        container = _container(source, raw)
    except (av.FFmpegError, ValueError) as error:
        raise NotAudio("the sound could not be recognised") from error
    with container:
        if not container.streams.audio:
            raise NotAudio("there is no sound in the file")
        stream = container.streams.audio[0]
        # Sound decodes far faster than real time; more threads only cost memory.
        stream.codec_context.thread_count = 1
        yield stream


class Decoding:
    """One pass through a sound, which afterwards knows how long the sound really was.

    A resampler rounds at the end, so the samples that came out are not a measure.
    """

    def __init__(self, source: Source, format: str | None = None, rate: int | None = None) -> None:
        self._source = source
        self._format = format
        self._rate = rate
        self.seconds = Fraction(0)

    def blocks(self) -> Iterator[Samples]:
        with opened(self._source, self._format) as stream:
            own_rate = stream.codec_context.sample_rate
            resampler = av.AudioResampler(format="s16", layout="mono", rate=self._rate or own_rate)
            samples = 0
            for frame in frames(stream):
                samples += frame.samples
                for block in resampler.resample(frame):
                    yield block.to_ndarray()[0]
            self.seconds = Fraction(samples, own_rate)
            for block in resampler.resample(None):
                yield block.to_ndarray()[0]


def decode(source: Source, format: str | None = None, rate: int | None = None) -> Iterator[Samples]:
    """Blocks of mono samples, at the sound's own rate unless another is wanted."""
    return Decoding(source, format, rate).blocks()


def frames(stream: AudioStream) -> Iterator[av.AudioFrame]:
    """The decoded frames; a damaged packet is left out, a ruined file raises NotAudio."""
    good = bad = 0
    for packet in packets(stream):
        try:
            decoded = stream.codec_context.decode(packet)
        except av.FFmpegError:
            bad += 1
            continue
        good += len(decoded)
        yield from decoded
    if good == 0 or bad > good:
        raise NotAudio("the sound cannot be decoded")


def duration_ms(source: Source, format: str | None = None) -> int:
    """How long the sound lasts, by the samples that come out of the decoder."""
    with opened(source, format) as stream:
        return decoded_ms(stream)


def decoded_ms(stream: AudioStream) -> int:
    """`duration_ms` of a stream that is open."""
    rate = stream.codec_context.sample_rate
    return round(sum(frame.samples for frame in frames(stream)) * 1000 / rate)


def packets(stream: AudioStream) -> Iterator[av.Packet[Any]]:
    """What the container holds, not decoded; a file that breaks off raises NotAudio."""
    container = cast(InputContainer, stream.container)
    try:
        yield from container.demux(stream)
    except av.EOFError:
        return
    except av.FFmpegError as error:
        raise NotAudio("the file breaks off") from error


def _container(source: Source, raw: formats.OutputFormat | None) -> InputContainer:
    options = {"format_whitelist": _READERS, "protocol_whitelist": "file"}
    reader = None
    if raw is not None:
        reader = _RAW_READERS[raw.codec]
        options |= {"sample_rate": str(raw.rate), "ch_layout": _LAYOUTS[raw.channels]}
    return av.open(_readable(source), "r", format=reader, container_options=options)


def _readable(source: Source) -> str | IO[bytes]:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, str | Path):
        # Said as a file, a path cannot name another protocol.
        return f"file:{Path(source).absolute()}"
    return source


def head_of(source: Source, size: int) -> bytes:
    """The first bytes of a source, which is left at its beginning."""
    if isinstance(source, bytes):
        return source[:size]
    if isinstance(source, str | Path):
        with open(source, "rb") as file:
            return file.read(size)
    head = source.read(size)
    source.seek(0)
    return head


def _refuse_text(head: bytes) -> None:
    if not head:
        raise NotAudio("the file is empty")
    try:
        # The head may end inside a character, which only the final step would refuse.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return
    if len(text) >= 8 and _CONTROLS.isdisjoint(text):
        raise NotAudio("this is text, not sound")
