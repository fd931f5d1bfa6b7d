"""MP3 frame by frame: how much sound there is, as the header of each frame says it.

The headers are those of layer III in ISO/IEC 11172-3 and 13818-3; the note that encoders leave
in the first frame is the Xing tag with LAME's addition. A file that holds anything but whole
frames between its tags is left to somebody who looks closer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_MPEG_1, _MPEG_2, _MPEG_25 = 0b11, 0b10, 0b00
_RATES = {
    _MPEG_1: (44_100, 48_000, 32_000),
    _MPEG_2: (22_050, 24_000, 16_000),
    _MPEG_25: (11_025, 12_000, 8_000),
}
_KILOBITS_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KILOBITS_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)

_SYNC = 0xFF
_KIND = 0xFE0C  # the bits of a header that are the same in all frames: version, layer, rate
_TAG_HEAD, _OLD_TAG = 10, 128  # bytes of the head of an ID3v2 tag, and of an ID3v1 tag
# Where the note lies in its frame: behind the header and the side information, which is
# shorter in mono and in MPEG-2. Another encoder's note lies always in the same place.
_NOTE_AT = {(True, False): 36, (True, True): 21, (False, False): 21, (False, True): 13}
_OTHER_NOTE_AT = 36
_WHOLE_NOTE = 0b1111  # it has frames, bytes, a table of contents and a quality
_ENCODER_AT = 4 + 4 + 4 + 4 + 100 + 4
_DELAY_AT = _ENCODER_AT + 21
_ENCODERS = (b"LAME", b"Lavf", b"Lavc")
_DECODER_DELAY = 529  # samples that decoding adds in front


@dataclass(frozen=True, slots=True)
class Counted:
    """What the frames hold, without the silence that their encoder says it has added."""

    samples: int
    rate: int
    beginning: Sequence[bytes]  # the first frames, for whoever looks at them

    @property
    def duration_ms(self) -> int:
        return round(self.samples * 1000 / self.rate)


def counted(data: bytes, beginning: int) -> Counted | None:
    """Count the frames of a file; None where it is not plain MP3 from end to end.

    `beginning` is how many frames somebody wants to see.
    """
    first = _after_tag(data)
    end = len(data) - (_OLD_TAG if data[-_OLD_TAG:].startswith(b"TAG") else 0)
    places, at = [], first
    try:
        kind = _bits(data, first) & _KIND
        while at < end:
            bits = data[at + 1] << 8 | data[at + 2]
            if data[at] != _SYNC or bits & _KIND != kind:
                return None
            places.append(at)
            at += _SIZES[bits]
    except (KeyError, IndexError):
        return None
    if at != end or not places:
        return None
    places.append(end)
    seen = [data[start:stop] for start, stop in pairwise(places[: beginning + 1])]
    silent = _silence(seen[0], kind, len(places) - 1)
    if silent is None:
        return None
    samples, rate = _HELD[kind]
    return Counted((len(places) - 1) * samples - silent, rate, seen)


def _silence(frame: bytes, kind: int, frames: int) -> int | None:
    """Samples that are no sound, by the note in the first frame; None where it is not clear."""
    if frame[_OTHER_NOTE_AT:].startswith(b"VBRI"):
        return None
    is_mono = frame[3] >> 6 == 0b11
    note = frame[_NOTE_AT[kind >> 11 & 0b11 == _MPEG_1, is_mono] :]
    if not note.startswith((b"Xing", b"Info")):
        return 0
    # A frame with a note holds no sound itself.
    is_whole = _number(note, 4, 4) == _WHOLE_NOTE and _number(note, 8, 4) == frames - 1
    if not is_whole or not note[_ENCODER_AT:].startswith(_ENCODERS):
        return None
    both = _number(note, _DELAY_AT, 3)
    delay, padding = both >> 12, both & 0xFFF
    return _HELD[kind][0] + delay + _DECODER_DELAY + max(padding - _DECODER_DELAY, 0)


def _after_tag(data: bytes) -> int:
    """Where the frames begin: behind an ID3v2 tag, whose length has seven bits in a byte."""
    if not data.startswith(b"ID3") or len(data) < _TAG_HEAD:
        return 0
    size = 0
    for byte in data[6:_TAG_HEAD]:
        size = size << 7 | byte
    return _TAG_HEAD + size


def _bits(data: bytes, at: int) -> int:
    return data[at + 1] << 8 | data[at + 2]


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _described() -> tuple[dict[int, int], dict[int, tuple[int, int]]]:
    """Bytes of a frame by what follows its first byte; samples and rate of it by its kind."""
    sizes, held = {}, {}
    for version, rates in _RATES.items():
        samples, kilobits = (1152, _KILOBITS_1) if version == _MPEG_1 else (576, _KILOBITS_2)
        for place, rate in enumerate(rates):
            kind = 0xE2 << 8 | version << 11 | place << 2
            held[kind] = samples, rate
            for number, kilobit in enumerate(kilobits, 1):
                size = samples * kilobit * 125 // rate
                for padding in (0, 1):
                    # One bit says whether there is a checksum, another one nothing.
                    for other in (0x0000, 0x0001, 0x0100, 0x0101):
                        sizes[kind | number << 4 | padding << 1 | other] = size + padding
    return sizes, held


_SIZES, _HELD = _described()
