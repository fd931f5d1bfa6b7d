"""Take a backup of the whole site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from speechsite.credits import prices
from speechsite.management.backups import sealing, taking
from speechsite.management.backups.manifest import BadBackup, Manifest


class Command(BaseCommand):
    help = "Copy database, files and secret key into a new folder, while the site runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path)

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        try:
            made = taking.take(folder)
        except BadBackup as error:
            raise CommandError(str(error)) from error
        self._tell(made, folder)

    def _tell(self, made: Manifest, folder: Path) -> None:
        size = sum(kept.size for kept in made.files.values())
        credits = prices.format_credits(made.ledger["available"] + made.ledger["held"])
        self.stdout.write(
            f"{folder}: {len(list(made.media()))} files, {size / 1e6:.1f} MB, "
            f"{made.ledger['wallets']} wallets with {credits} credits"
        )
        if sealing.FILE not in made.files:
            self.stdout.write("SECRET_KEY is not in it: keep it where you keep your settings.")
        for name in made.missing:
            self.stderr.write(f"The site names {name}, and it is not there.")
        if made.ledger["differences"]:
            self.stderr.write("The ledger does not add up: see manage.py auditcredits.")
