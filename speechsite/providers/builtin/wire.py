"""Frames between an engine's child process and its parent, seen from the child.

A frame is one kind byte, a four-byte length and the payload.

    in    J  a job, as JSON
    out   A  samples, 16-bit little-endian mono
          W  words, four u32 each: step, character of its text, first and last sample of the job
          E  end of the job
          R  the order is refused, with the reason
          X  the job failed, with the reason

Standard library only: the children start with nothing else. They end when the
parent closes the socket or leaves them idle.
"""

from __future__ import annotations

import json
import os
import select
import struct
import sys
from collections.abc import Iterator
from typing import Any

IDLE = 3  # exit status: nobody asked for anything
NEXT_FRAME = 32 * 1024  # bytes of sound in a frame after a job's first, which is short


class Wire:
    """Frames on one socket."""

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target

    def jobs(self, idle_seconds: float) -> Iterator[list[dict[str, Any]]]:
        while True:
            if not select.select([self._source], [], [], idle_seconds)[0]:
                sys.exit(IDLE)
            head = self._read(5)
            if len(head) < 5:
                return
            yield json.loads(self._read(struct.unpack(">cI", head)[1]))

    def send(self, kind: bytes, payload: bytes | bytearray = b"") -> None:
        rest = memoryview(struct.pack(">cI", kind, len(payload)) + payload)
        try:
            while rest:
                rest = rest[os.write(self._target, rest) :]
        except OSError:
            os._exit(0)  # nobody listens; an exception would not pass through espeak-ng

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = os.read(self._source, size - len(parts))
            if not part:
                break
            parts += part
        return bytes(parts)


class Outlet:
    """Collects a job's samples and words: a small frame first, then larger ones."""

    def __init__(self, wire: Wire, rate: int) -> None:
        self.samples = 0
        self._wire = wire
        self._audio = bytearray()
        self._words = bytearray()
        self._limit = rate * 2 // 8

    def audio(self, samples: bytes) -> None:
        self._audio += samples
        self.samples += len(samples) // 2
        if len(self._audio) >= self._limit:
            self.flush()

    def word(self, step: int, position: int, start: int, end: int) -> None:
        """A word of a step: the character it begins at, its first and last sample of the job."""
        self._words += struct.pack(">4I", step, position, start, end)

    def flush(self) -> None:
        if self._words:
            self._wire.send(b"W", self._words)
        if self._audio:
            self._wire.send(b"A", self._audio)
            self._limit = NEXT_FRAME
        self._words.clear()
        self._audio.clear()
