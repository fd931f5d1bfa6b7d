"""Whether a sound from outside is whole, and how long it lasts: decoded from end to end.

Decoders are made to be lenient: what is damaged is left out or smoothed over, and the rest
is played. What somebody pays for must not be damaged, so here every sign of it counts. What
any player passes over stays allowed: tags and a bad packet at either end of a file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream

from speechsite.audio import decode
from speechsite.audio.decode import NotAudio, Source

EDGE_PACKETS = 2  # that may be bad at an end: a cut frame, or a tag taken for one
# Bytes behind the last packet, for tags and the head of its Ogg page. Of AAC the demuxer
# counts there what it passed over before, and its frames have no checksums.
EDGE_BYTES = {"ogg": 4096, "flac": 4096, "mp3": 4096, "aac": 128}
GAP_MS = 10  # between two packets of a container whose packets have a place each
TOLERANCE_MS = 200  # by which a sound may be shorter than its own header says

_STRICT = {"err_detect": "crccheck+explode"}  # a decoder's own doubts become errors
# In these a packet says where it belongs and where it lies; elsewhere both are a guess.
_PLACED = ("ogg", "flac")
_HEAD = 4096
_NOTES = (b"Xing", b"Info")  # an encoder's count of the frames of an MP3
_LIVE = 0x7FFF_0000  # bytes: the sizes from here on stand for "not known yet"


@dataclass(slots=True)
class _Seen:
    """What a pass through the packets has found so far."""

    samples: int = 0
    good: int = 0
    bad: int = 0  # in a row
    place: int | None = None  # where the next packet belongs, in ticks of the stream
    begun_at: int = -1  # where the packets that share a place in the file begin
    sizes: int = 0  # bytes of these


def duration_ms(source: Source, format: str | None = None) -> int:
    """How long a sound lasts, by the samples that come out of the decoder.

    Raises NotAudio where it is none, is damaged between its ends, or breaks off.
    """
    size, head = _size(source), decode.head_of(source, _HEAD)
    with decode.opened(source, format) as stream:
        stream.codec_context.options = _STRICT
        seen = _Seen()
        for packet in decode.packets(stream):
            _take(stream, packet, seen)
        if not seen.good or seen.bad > EDGE_PACKETS:
            raise NotAudio("the sound cannot be decoded")
        edge = EDGE_BYTES.get(stream.container.format.name, size)
        if size > seen.begun_at + seen.sizes + edge:
            raise NotAudio("what follows the sound is not sound")
        heard = Fraction(seen.samples * 1000, stream.codec_context.sample_rate)
        if heard + TOLERANCE_MS < _claimed_ms(stream, head, size):
            raise NotAudio("the sound breaks off")
        return round(heard)


def _take(stream: AudioStream, packet: av.Packet[Any], seen: _Seen) -> None:
    """Decode one packet. Bad ones are at an end as long as none, or nothing more, is good."""
    try:
        frames = stream.codec_context.decode(packet)
    except av.FFmpegError:
        frames = None
    if frames is None or any(frame.is_corrupt for frame in frames):
        seen.bad += 1
        return
    if not packet.size:  # the last, which only lets out what the decoder held back
        seen.samples += sum(frame.samples for frame in frames)
        return
    if seen.bad > EDGE_PACKETS or (seen.bad and seen.good):
        raise NotAudio("the sound is damaged")
    seen.samples += sum(frame.samples for frame in frames)
    seen.good, seen.bad = seen.good + 1, 0
    _follow(stream, packet, seen)


def _follow(stream: AudioStream, packet: av.Packet[Any], seen: _Seen) -> None:
    """Note where a packet lies, and that nothing is missing before it."""
    kind = stream.container.format.name
    if packet.pos is not None and packet.pos != seen.begun_at:
        seen.begun_at, seen.sizes = packet.pos, 0
    seen.sizes += packet.size
    if packet.pts is None or kind not in _PLACED:
        return
    if seen.place is not None and stream.time_base is not None:
        gap = (packet.pts - seen.place) * stream.time_base * 1000
        if gap > GAP_MS:
            raise NotAudio("a part of the sound is missing")
    seen.place = packet.pts + (packet.duration or 0)


def _claimed_ms(stream: AudioStream, head: bytes, size: int) -> Fraction:
    """How long the file itself says that it is; 0 where it does not say, or nobody knew yet."""
    kind = stream.container.format.name
    if kind == "wav":
        return _claimed_by_wav(stream, head, size)
    is_counted = kind == "mp3" and any(note in head for note in _NOTES)
    if not (is_counted or kind == "flac" or stream.frames):
        return Fraction(0)
    return (stream.duration or 0) * (stream.time_base or Fraction(0)) * 1000


def _claimed_by_wav(stream: AudioStream, head: bytes, size: int) -> Fraction:
    at = head.find(b"data")
    if at < 0:
        return Fraction(0)
    claimed = int.from_bytes(head[at + 4 : at + 8], "little")
    there = size - at - 8
    if claimed >= _LIVE or claimed <= there or there <= 0:
        return Fraction(0)
    return Fraction(claimed, there) * (stream.duration or 0) * (stream.time_base or 0) * 1000


def _size(source: Source) -> int:
    if isinstance(source, bytes):
        return len(source)
    if isinstance(source, str | Path):
        return Path(source).stat().st_size
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    return size
