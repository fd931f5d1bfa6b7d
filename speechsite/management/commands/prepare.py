"""`manage.py prepare`: what has to be there before the site's processes start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from speechsite.management import prepare


class Command(BaseCommand):
    help = "Brings database, static files and catalogue up to date; `up` does the same by itself."

    def handle(self, *args: Any, **options: Any) -> None:
        self.prepare()

    def prepare(self) -> None:
        """Prepare the site and say who its first administrator is. Raises CommandError."""
        try:
            administrator = prepare.prepare()
        except OperationalError as error:
            raise CommandError(f"The database cannot be used: {str(error).strip()}") from error
        if administrator is None:
            return
        self.stdout.write(f"Administrator: {administrator.email}")
        if administrator.password:
            self.stdout.write(f"Password:      {administrator.password}  (shown only this once)")
        self.stdout.flush()
