"""Put a backup back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from speechsite.management.backups import restoring
from speechsite.management.backups.manifest import BadBackup


class Command(BaseCommand):
    help = "Make a backup the site. Everything is verified first; on any error nothing changes."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path)
        parser.add_argument(
            "--replace", action="store_true", help="lose the accounts and jobs that are here"
        )
        parser.add_argument(
            "--moved",
            action="store_true",
            help="the old site was stopped before the backup: work goes on where it was",
        )
        parser.add_argument(
            "--new-key", action="store_true", help="go on with another SECRET_KEY than the backup's"
        )

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        try:
            done = restoring.restore(
                folder,
                replace=options["replace"],
                moved=options["moved"],
                new_key=options["new_key"],
            )
        except BadBackup as error:
            raise CommandError(str(error)) from error
        self._tell(done)

    def _tell(self, done: restoring.Done) -> None:
        made = done.manifest
        self.stdout.write(
            f"Restored the site of {made.taken_at}: {made.ledger['wallets']} wallets, "
            f"{made.ledger['entries']} entries, {len(list(made.media()))} files."
        )
        for name in (*made.gone, *made.missing):
            self.stdout.write(f"{name} was not in the backup.")
        if done.calmed is not None:
            self.stdout.write(
                f"{done.calmed.asked} pieces under way will be asked about, "
                f"{done.calmed.ended} that may have been sent since were ended, "
                f"{done.calmed.untold} messages to partners are not sent again."
            )
