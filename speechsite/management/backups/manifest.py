"""What a backup says of itself: its files with their hashes, its schema, its credits, its key.

The manifest is written last, so a folder without one is a backup that never ended.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

NAME = "manifest.json"
FORMAT = 1
MEDIA = "media"
BLOCK = 1024 * 1024


class BadBackup(Exception):
    """This folder cannot be restored; the text says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of the backup."""

    sha256: str
    size: int  # bytes


@dataclass(slots=True)
class Manifest:
    """All that has to be known before anything is put back."""

    version: str
    taken_at: str  # ISO 8601
    vendor: str  # sqlite or postgresql
    migrations: list[list[str]]  # [app, name]
    ledger: dict[str, int]  # millicredits, and counts of rows
    key_fingerprint: str
    files: dict[str, Kept] = field(default_factory=dict)  # by path inside the backup
    tables: dict[str, list[str]] = field(default_factory=dict)  # PostgreSQL: columns in order
    sequences: dict[str, int] = field(default_factory=dict)  # "table.column": last value
    gone: list[str] = field(default_factory=list)  # deleted while the backup was taken
    missing: list[str] = field(default_factory=list)  # named by the site, and not there
    format: int = FORMAT

    def media(self) -> Iterator[tuple[str, Kept]]:
        """Files of the media storage, by the names that it knows them by."""
        for path, kept in self.files.items():
            if path.startswith(f"{MEDIA}/"):
                yield path.removeprefix(f"{MEDIA}/"), kept


def write(manifest: Manifest, folder: Path) -> None:
    """Write it where it can be read after a power cut, or not at all."""
    draft = folder / f"{NAME}.draft"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(asdict(manifest), file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / NAME)


def read(folder: Path) -> Manifest:
    """The manifest of a backup. Raises BadBackup."""
    try:
        found: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadBackup(f"{folder} has no {NAME}: no backup, or one that never ended.") from error
    except (OSError, ValueError) as error:
        raise BadBackup(f"{folder / NAME} cannot be read.") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadBackup(f"{folder / NAME} is of a kind that this version does not know.")
    try:
        files = {_safe(path): Kept(**kept) for path, kept in found.pop("files").items()}
        return Manifest(files=files, **found)
    except (AttributeError, KeyError, TypeError) as error:
        raise BadBackup(f"{folder / NAME} is damaged.") from error


def verify(manifest: Manifest, folder: Path) -> None:
    """Read every file again. Raises BadBackup naming the first that is not as it was."""
    for path, kept in manifest.files.items():
        try:
            with (folder / path).open("rb") as file:
                found = hashed(file)
        except OSError as error:
            raise BadBackup(f"{path} is not there or cannot be read: {error.strerror}.") from error
        if found != kept:
            raise BadBackup(f"{path} is damaged: it is not what was backed up.")


def hashed(source: IO[bytes], target: IO[bytes] | None = None) -> Kept:
    """Read a file to its end, copying it if there is a target."""
    digest, size = hashlib.sha256(), 0
    while block := source.read(BLOCK):
        digest.update(block)
        size += len(block)
        if target is not None:
            target.write(block)
    return Kept(digest.hexdigest(), size)


def _safe(path: str) -> str:
    """A path that stays inside its folder, whoever wrote the manifest."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise BadBackup(f"{path!r} is no path of a backup.")
    return path
