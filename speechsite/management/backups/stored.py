"""Files of the media storage, on this disk or in a bucket: out, one at a time, and back in.

What a row names was stored whole before the row was written and is never changed, so a file
that is there is the right one. What no row names can be made again or is to be swept up.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.apps import apps
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import models

from speechsite.management.backups.manifest import MEDIA, BadBackup, Kept, Manifest, hashed

# Every column that names a stored file; a test finds the ones that are not here.
COLUMNS = (
    ("jobs", "Job", "audio"),
    ("jobs", "Segment", "audio"),
    ("jobs", "Upload", "file"),
    ("jobs", "NumberedFile", "file"),
    ("voices", "Sample", "file"),
)


def named() -> set[str]:
    """The names of all files that the database speaks of."""
    names: set[str] = set()
    for model, column in _columns():
        names.update(_rows(model, column).values_list(column, flat=True).distinct().iterator())
    return names


def still_named(names: set[str]) -> set[str]:
    """Those of them that the database speaks of now."""
    found: set[str] = set()
    for model, column in _columns():
        rows = _rows(model, column).filter(**{f"{column}__in": sorted(names)})
        found.update(rows.values_list(column, flat=True))
    return found


def copy_out(names: set[str], folder: Path) -> tuple[dict[str, Kept], set[str]]:
    """Copy files into a folder; what was copied, by its path there, and what was not found."""
    kept: dict[str, Kept] = {}
    absent = set()
    for name in sorted(names):
        target = folder / MEDIA / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _opened(name) as source, target.open("wb") as copy:
                kept[f"{MEDIA}/{name}"] = hashed(source, copy)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
            absent.add(name)
    return kept, absent


@contextmanager
def put_back(manifest: Manifest, folder: Path) -> Iterator[None]:
    """Store the backup's files under their names; an error in the block takes them out again."""
    added: list[str] = []
    with tempfile.TemporaryDirectory(prefix="speechsite-restore-") as aside:
        replaced: dict[str, Path] = {}
        try:
            for name, kept in manifest.media():
                if not default_storage.exists(name):
                    added.append(name)
                elif _hash_of(name) == kept:
                    continue
                else:
                    replaced[name] = _lay_aside(name, Path(aside, str(len(replaced))))
                    added.append(name)
                _store(name, folder / MEDIA / name, kept)
            yield
        except BaseException:
            for name in added:
                default_storage.delete(name)
            for name, path in replaced.items():
                with path.open("rb") as file:
                    default_storage.save(name, File(file))
            raise


def _columns() -> Iterator[tuple[type[models.Model], str]]:
    for app, model, column in COLUMNS:
        yield apps.get_model(app, model), column


def _rows(model: type[models.Model], column: str) -> models.QuerySet[models.Model]:
    rows = model._default_manager.exclude(**{column: ""}).order_by()
    # A recording keeps the name of its file after the file was deleted.
    has_end = any(field.name == "deleted_at" for field in model._meta.fields)
    return rows.filter(deleted_at__isnull=True) if has_end else rows


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    with default_storage.open(name) as file:
        yield file


def _hash_of(name: str) -> Kept:
    with _opened(name) as file:
        return hashed(file)


def _lay_aside(name: str, path: Path) -> Path:
    with _opened(name) as source, path.open("wb") as copy:
        hashed(source, copy)
    default_storage.delete(name)
    return path


def _store(name: str, path: Path, kept: Kept) -> None:
    with path.open("rb") as file:
        stored = default_storage.save(name, File(file))
    if stored != name:
        default_storage.delete(stored)
        raise BadBackup(f"The storage did not take {name} under its name.")
    if _hash_of(name) != kept:
        raise BadBackup(f"The storage did not keep {name} as it is.")
