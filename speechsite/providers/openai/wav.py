"""A WAV that is read while it comes: what its header says, and the samples behind it."""

from __future__ import annotations

import struct

from speechsite.providers.errors import Garbled

LONGEST_HEADER = 64 * 1024
RATES = range(8000, 48_001)
PCM, EXTENSIBLE = 1, 0xFFFE
# Who streams does not know the length: zero, or as much as fits, stands in its place.
OPEN_FROM = 0x7FFF_0000


class Wav:
    """Fed with bytes, gives 16-bit mono samples; `format` is known once some came."""

    def __init__(self) -> None:
        self.format = ""
        self._header = b""
        self._found = ""
        self._left: int | None = None  # bytes of samples to come; None where nobody knows
        self._given = 0

    def feed(self, piece: bytes) -> bytes:
        """The samples among these bytes. Raises Garbled for a header that is none."""
        if not self.format:
            self._header += piece
            piece = self._opened()
        if self._left is not None:
            piece, rest = piece[: self._left], piece[self._left :]
            self._left -= len(piece)
            if rest.startswith(b"RIFF"):
                raise Garbled("several WAVs came in one answer")
        self._given += len(piece)
        return piece

    def end(self) -> None:
        """Nothing more comes. Raises Garbled when that is too early."""
        if not self._given:
            raise Garbled("the WAV holds no sound")
        if self._left or self._given % 2:
            raise Garbled("the WAV ends before the length that its header says")

    def _opened(self) -> bytes:
        """The bytes behind the header once it is whole; nothing before."""
        at, header = 12, self._header
        if len(header) >= at and header[8:at] != b"WAVE":
            raise Garbled("the answer is no WAV")
        while len(header) >= at + 8:
            name, size = struct.unpack_from("<4sI", header, at)
            if name == b"data":
                if not self._found:
                    raise Garbled("a WAV without a format")
                self.format = self._found
                self._left = None if size == 0 or size >= OPEN_FROM else size
                self._header = b""
                return header[at + 8 :]
            if size > LONGEST_HEADER or at > LONGEST_HEADER:
                raise Garbled("a WAV without samples")
            if name == b"fmt " and len(header) >= at + 8 + 16:
                self._found = _format(header, at + 8)
            at += 8 + size + size % 2
        return b""


def _format(header: bytes, at: int) -> str:
    codec, channels, rate = struct.unpack_from("<HHI", header, at)
    (bits,) = struct.unpack_from("<H", header, at + 14)
    if codec not in (PCM, EXTENSIBLE) or channels != 1 or bits != 16 or rate not in RATES:
        raise Garbled(f"a WAV of codec {codec} with {channels} channels, {bits} bits, {rate} Hz")
    return f"pcm_{rate}"
