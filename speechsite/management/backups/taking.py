"""Takes a backup while the site runs: the database at one moment, then the files it names."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from speechsite.management.backups import figures, manifest, postgres, sealing, sqlite, stored
from speechsite.management.backups.manifest import BadBackup, Manifest

DATABASES = {"sqlite": sqlite, "postgresql": postgres}


def take(folder: Path) -> Manifest:
    """Make a backup in a folder that is not there yet, or empty. Raises BadBackup.

    It appears under its name when it is whole; only its owner can read it.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadBackup(f"{folder} is not empty: every backup has a folder of its own.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    before = os.umask(0o077)
    try:
        made = _fill(draft)
        draft.rename(folder)
        return made
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        os.umask(before)


def _fill(folder: Path) -> Manifest:
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    database = DATABASES[connection.vendor]
    with database.snapshot(folder):
        made = Manifest(
            version=settings.VERSION,
            taken_at=taken_at,
            vendor=connection.vendor,
            migrations=[list(key) for key in MigrationRecorder(connection).applied_migrations()],
            ledger=figures.of_ledger(),
            key_fingerprint=sealing.fingerprint(),
        )
        database.describe(made)
        names = stored.named()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                made.files[path.relative_to(folder).as_posix()] = manifest.hashed(file)
    copied, absent = stored.copy_out(names, folder)
    # Deleted since the database was copied, or lost before: only the latter is damage.
    made.missing = sorted(stored.still_named(absent))
    made.gone = sorted(absent.difference(made.missing))
    made.files |= copied | sealing.copy_out(folder)
    manifest.write(made, folder)
    return made
