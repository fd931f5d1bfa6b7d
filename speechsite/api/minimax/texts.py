"""Texts that come as files: a TXT with one text, a ZIP with many. No database, no clock."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from speechsite.api.minimax.answers import INVALID, Refusal
from speechsite.audio import markup
from speechsite.core import encodings

LONGEST_TEXT = 1_000_000
MOST_MEMBERS = 200
MOST_BYTES = 16 * 1024 * 1024
KEYS = ("title", "content", "extra")
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """One text with a recording of its own; `name` is the folder and file it will lie in."""

    name: str
    text: str


def read(file: IO[bytes]) -> tuple[Part, ...]:
    """The texts of a file; one without a name where the file is a plain text."""
    if zipfile.is_zipfile(file):
        parts = tuple(_unpacked(file))
    else:
        file.seek(0)
        parts = (Part("", _decoded(file.read(MOST_BYTES + 1))),)
    if not any(part.text.strip() for part in parts):
        raise Refusal(INVALID, "invalid params, the file holds no text")
    if sum(len(markup.countable(part.text)) for part in parts) > LONGEST_TEXT:
        raise Refusal(INVALID, f"invalid params, the text must not exceed {LONGEST_TEXT}")
    return parts


def _unpacked(file: IO[bytes]) -> Iterator[Part]:
    try:
        with zipfile.ZipFile(file) as archive:
            for number, kind, content in _members(archive):
                if kind == ".txt":
                    yield Part(f"{number}/content", _decoded(content))
                else:
                    yield from _fields(number, content)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise _bad() from error


def _members(archive: zipfile.ZipFile) -> list[tuple[int, str, bytes]]:
    """(number, kind, content), by number; all are of one kind."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    names = [PurePosixPath(info.filename) for info in infos]
    kinds = {name.suffix.lower() for name in names}
    if not 0 < len(infos) <= MOST_MEMBERS or len(kinds) != 1 or not kinds <= {".txt", ".json"}:
        raise _bad()
    if not all(NUMBER.fullmatch(name.stem) for name in names):
        raise _bad()
    left = MOST_BYTES
    found = []
    for info, name in zip(infos, names, strict=True):
        # What an archive says of its sizes is not believed.
        with archive.open(info) as member:
            content = member.read(left + 1)
        left -= len(content)
        if left < 0:
            raise Refusal(INVALID, "invalid params, the file in zip is too large")
        found.append((int(name.stem), name.suffix.lower(), content))
    return sorted(found)


def _fields(number: int, content: bytes) -> Iterator[Part]:
    try:
        fields = json.loads(_decoded(content))
    except (ValueError, RecursionError) as error:
        raise _bad() from error
    if not isinstance(fields, dict):
        raise _bad()
    for key in KEYS:
        text = fields.get(key) or ""
        if not isinstance(text, str):
            raise _bad()
        if text:
            yield Part(f"{number}/{key}", text)


def _decoded(content: bytes) -> str:
    """The text, where its bytes leave no doubt which letters they mean."""
    if len(content) > MOST_BYTES:
        raise Refusal(INVALID, "invalid params, the file is too large")
    try:
        guess = encodings.guess(content)
        if guess.is_certain:
            return encodings.decode(content, guess.best)
    except encodings.NotText as error:
        raise Refusal(INVALID, "invalid params, the file is not a text") from error
    perhaps = ", ".join(guess.encodings[:3])
    raise Refusal(
        INVALID,
        f"invalid params, the encoding of the text is uncertain ({perhaps}?), send it as UTF-8",
    )


def _bad() -> Refusal:
    return Refusal(INVALID, "invalid params, check file in zip error")
