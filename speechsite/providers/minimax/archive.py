"""What a finished task leaves: an archive with sound and times, or bare sound.

The archive comes from outside, so nothing in it is believed: only regular
files count, their folders are ignored, nothing is written under their names,
and their number and total size are bounded before a byte is read.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

from speechsite.providers.errors import Garbled, Unsupported

MOST_MEMBERS = 3000
MOST_BYTES = 512 * 1024 * 1024
LONGEST_TITLES = 16 * 1024 * 1024
PIECE = 256 * 1024
CODECS = frozenset({"mp3", "wav", "flac", "pcm"})
JOINABLE = frozenset({"mp3", "pcm"})
_MAGIC_AT = 257
_MAGIC = b"ustar"
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)


@dataclass(frozen=True, slots=True)
class Sound:
    """Where the sound lies in the file, how it is coded, and what the notes beside it say."""

    codec: str
    spans: tuple[tuple[int, int], ...]  # offset and length, in the order of listening
    titles: Any = None
    notes: Any = None


def open_sound(file: IO[bytes], expected: str) -> Sound:
    """Find the sound in a downloaded result; `expected` is the codec that was ordered."""
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(512)
    if not size:
        raise Garbled("the result is empty")
    if start[_MAGIC_AT:].startswith(_MAGIC):
        return _unpack(file)
    codec = sniff(start) or _raw(start, expected)
    return Sound(codec, ((0, size),))


def read(file: IO[bytes], sound: Sound) -> Iterator[bytes]:
    """The sound's bytes, a piece at a time."""
    for offset, length in sound.spans:
        file.seek(offset)
        left = length
        while left:
            piece = file.read(min(PIECE, left))
            if not piece:
                raise Garbled("the result ends too early")
            left -= len(piece)
            yield piece


def sniff(start: bytes) -> str:
    """The codec of bare sound, by its first bytes; empty where they say nothing."""
    if start.startswith(b"ID3") or (start[:1] == b"\xff" and start[1:2] and start[1] >= 0xE0):
        return "mp3"
    if start.startswith(b"RIFF") and start[8:12] == b"WAVE":
        return "wav"
    return "flac" if start.startswith(b"fLaC") else ""


def _raw(start: bytes, expected: str) -> str:
    # Raw samples have no mark of their own; text is told by its first character.
    if expected == "pcm" and not start.lstrip().startswith((b"<", b"{", b"[")):
        return expected
    raise Garbled("the result is neither sound nor an archive")


def _unpack(file: IO[bytes]) -> Sound:
    try:
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            members = list(_regular(archive))
            return _sound(archive, members)
    except tarfile.TarError as error:
        raise Garbled(f"the archive cannot be read: {error}") from error


def _regular(archive: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    total = 0
    for count, member in enumerate(archive, start=1):
        total += max(member.size, 0)
        if count > MOST_MEMBERS or total > MOST_BYTES:
            raise Garbled("the archive holds too much")
        if member.type in _REGULAR and not member.sparse:
            yield PurePosixPath(member.name).name, member


def _sound(archive: tarfile.TarFile, members: list[tuple[str, tarfile.TarInfo]]) -> Sound:
    found = [(name, member) for name, member in members if _suffix(name) in CODECS]
    if not found or not all(member.size for _, member in found):
        raise Garbled("the archive holds no sound")
    codecs = {_suffix(name) for name, _ in found}
    if len(found) > 1 and not (len(codecs) == 1 and codecs <= JOINABLE):
        raise Unsupported("several recordings can only be joined as mp3 or pcm")
    return Sound(
        codec=_suffix(found[0][0]),
        spans=tuple((member.offset_data, member.size) for _, member in found),
        # Times of several recordings would each start at nought.
        titles=_json(archive, members, "titles") if len(found) == 1 else None,
        notes=_json(archive, members, "extra"),
    )


def _json(archive: tarfile.TarFile, members: list[tuple[str, tarfile.TarInfo]], suffix: str) -> Any:
    for name, member in members:
        if _suffix(name) == suffix and member.size <= LONGEST_TITLES:
            file = archive.extractfile(member)
            try:
                return json.loads(file.read()) if file else None
            except (ValueError, RecursionError):
                return None
    return None


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower().removeprefix(".")
