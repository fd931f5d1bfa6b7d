"""Puts a backup back: everything is proved first, and one rename at the end makes it the site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from jobs import restored
from speechsite.accounts.models import User
from speechsite.management.backups import figures, manifest, sealing, stored
from speechsite.management.backups.manifest import BadBackup, Manifest
from speechsite.management.backups.taking import DATABASES


@dataclass(frozen=True, slots=True)
class Done:
    """What was put back, and what was done with work that was under way."""

    manifest: Manifest
    calmed: restored.Calmed | None


def restore(folder: Path, *, replace: bool, moved: bool, new_key: bool) -> Done:
    """Make a backup the site. Raises BadBackup, and then the site is what it was.

    `replace` allows a site that has accounts to be lost. `moved` says that the old site did
    nothing after the backup: then work goes on where it was.
    """
    folder = folder.absolute()
    found = manifest.read(folder)
    manifest.verify(found, folder)
    _check_versions(found)
    sealing.check(found, new_key=new_key)
    _check_target(replace=replace)
    calmed = None
    # The stack is outside, so that files and key go again when the last step fails.
    with ExitStack() as undone_on_error, DATABASES[connection.vendor].staged(folder, found):
        call_command("migrate", interactive=False, verbosity=0)
        _prove(found)
        if not moved:
            calmed = restored.calm_down()
        undone_on_error.enter_context(_files_and_key(found, folder, new_key=new_key))
    return Done(found, calmed)


@contextmanager
def _files_and_key(found: Manifest, folder: Path, *, new_key: bool) -> Iterator[None]:
    with stored.put_back(found, folder):
        sealing.put_back(found, folder, new_key=new_key)
        try:
            yield
        except BaseException:
            sealing.take_out()
            raise


def _check_versions(found: Manifest) -> None:
    if found.vendor != connection.vendor:
        raise BadBackup(
            f"The backup is of {found.vendor} and DATABASE_URL leads to {connection.vendor}."
        )
    known = MigrationLoader(None).disk_migrations
    strange = [f"{app}.{name}" for app, name in found.migrations if (app, name) not in known]
    if strange:
        raise BadBackup(
            f"The backup is of version {found.version}, which is newer than this one "
            f"({settings.VERSION}) or another: {strange[0]} is not known here."
        )


def _check_target(*, replace: bool) -> None:
    if problem := DATABASES[connection.vendor].in_use():
        raise BadBackup(f"Stop the site first: {problem}.")
    tables = connection.introspection.table_names()
    is_empty = User._meta.db_table not in tables or not User.objects.exists()
    connection.close()
    if not is_empty and not replace:
        raise BadBackup("There is a site here already. Say --replace to lose it for the backup.")


def _prove(found: Manifest) -> None:
    ledger = figures.of_ledger()
    if ledger != found.ledger:
        raise BadBackup(f"The ledger is not what was backed up: {ledger}, not {found.ledger}.")
