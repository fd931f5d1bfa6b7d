"""The note in front of an MP3 that says how much silence its encoder put before the sound.

The note is the Xing tag with LAME's addition, in a frame that holds no sound. A stream gets
one as well: how many frames follow is left open there, where the sound begins is not.
"""

from __future__ import annotations

from dataclasses import dataclass

ENCODER_DELAY = 576  # samples that LAME puts in front
DECODER_DELAY = 529  # samples that decoding adds in front

_MARKS = (b"Xing", b"Info")
_ENCODERS = (b"LAME", b"Lavf", b"Lavc")
_FRAMES, _SIZE, _CONTENTS, _QUALITY = 0b0001, 0b0010, 0b0100, 0b1000
_LENGTHS = {_FRAMES: 4, _SIZE: 4, _CONTENTS: 100, _QUALITY: 4}  # bytes of each part
_UNKNOWN = b"\xff\xff\xff\xff"
_DELAY_AT = 21  # behind the name of the encoder


@dataclass(frozen=True, slots=True)
class Note:
    """Samples of silence in front, as a decoder gives them out, and behind."""

    delay: int
    padding: int


def read(frame: bytes) -> Note | None:
    """The note in a frame; None where the frame holds sound."""
    at = _place(frame)
    if frame[at : at + 4] not in _MARKS:
        return None
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    encoder = at + 8 + sum(size for flag, size in _LENGTHS.items() if flags & flag)
    if frame[encoder : encoder + 4] not in _ENCODERS:
        return Note(0, 0)
    both = int.from_bytes(frame[encoder + _DELAY_AT : encoder + _DELAY_AT + 3], "big")
    return Note((both >> 12) + DECODER_DELAY, max((both & 0xFFF) - DECODER_DELAY, 0))


def written(frame: bytes) -> bytes:
    """A note to stand before this frame, the first of a stream."""
    at = _place(frame)
    # Without a size, even an unknown one, FFmpeg takes the note for sound.
    told = b"Info" + _SIZE.to_bytes(4, "big") + _UNKNOWN
    told += b"LAME".ljust(_DELAY_AT, b"\0") + (ENCODER_DELAY << 12).to_bytes(3, "big")
    return (frame[:4].ljust(at, b"\0") + told).ljust(len(frame), b"\0")


def _place(frame: bytes) -> int:
    """Where a note lies: behind the header and the side information of the frame."""
    is_first_version, is_mono = frame[1] >> 3 & 0b11 == 0b11, frame[3] >> 6 == 0b11
    if is_first_version:
        return 21 if is_mono else 36
    return 13 if is_mono else 21
