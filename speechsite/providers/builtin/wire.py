"""Frames between an engine's child process and its parent, seen from the child.

A frame is one kind byte, a four-byte length and the payload.

    in    J  a job, as JSON
    out   A  samples, 16-bit little-endian mono
          W  words
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
