"""SQLite: one file, copied by SQLite itself, and put back by one rename."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.db import connection

from speechsite.management.backups.manifest import BadBackup, Manifest

FILE = "database.sqlite3"


@contextmanager
def snapshot(folder: Path) -> Iterator[None]:
    """Copy the database; inside the block Django reads the copy."""
    target = folder / FILE
    with closing(_opened(_live())) as source, closing(sqlite3.connect(target)) as copy:
        # All pages in one step: it reads one moment, and nobody who writes waits for it. In
        # several steps it would begin again whenever somebody wrote in between.
        source.backup(copy)
    with _looking_at(target):
        yield
    _in_one_file(target)


def describe(manifest: Manifest) -> None:
    """Nothing more has to be known of a file."""


@contextmanager
def staged(folder: Path, manifest: Manifest) -> Iterator[None]:
    """Lay the database beside the live one; inside the block Django works on it.

    Leaving the block puts it into the other's place; an error leaves that as it was.
    """
    live = _live()
    live.parent.mkdir(parents=True, exist_ok=True)
    draft = live.with_name(f"{live.name}.restoring")
    try:
        _remove(draft)
        shutil.copyfile(folder / FILE, draft)
        draft.chmod(0o600)
        _check(draft)
        with _looking_at(draft):
            yield
        _in_one_file(draft)
        _swap(draft, live)
    finally:
        _remove(draft)


def in_use() -> str:
    """Why the live database cannot be replaced now; empty when nobody has it open."""
    live = _live()
    if not live.exists():
        return ""
    connection.close()
    try:
        _in_one_file(live)
    except sqlite3.OperationalError:
        return "the site is running"
    return ""


def _live() -> Path:
    return Path(connection.settings_dict["NAME"])


def _opened(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise BadBackup(f"There is no database at {path}.")
    return sqlite3.connect(path, timeout=20)


@contextmanager
def _looking_at(path: Path) -> Iterator[None]:
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(path)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def _in_one_file(path: Path) -> None:
    """End the write-ahead log. Refused by SQLite while anybody else has the database open."""
    with closing(sqlite3.connect(path, timeout=1)) as database:
        (mode,) = database.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode != "delete":
        raise sqlite3.OperationalError("the write-ahead log is in use")


def _check(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        try:
            found = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise BadBackup(f"The database of the backup cannot be read: {error}.") from error
    if found != "ok":
        raise BadBackup(f"The database of the backup is damaged: {found}.")


def _swap(draft: Path, live: Path) -> None:
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    if live.exists() and in_use():
        raise BadBackup("The site was started meanwhile: nothing was changed.")
    draft.replace(live)
    folder = os.open(live.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
