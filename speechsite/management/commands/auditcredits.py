"""Re-add the ledger and compare it with the jobs."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from jobs import audits


class Command(BaseCommand):
    """Exits 1 on any difference. The site runs the same each night by itself."""

    help = "Add up every wallet and every job again; exit 1 if anything differs."

    def handle(self, *args: Any, **options: Any) -> None:
        made = audits.run()
        for problem in made.problems:
            self.stdout.write(problem)
        if made.differences > len(made.problems):
            self.stdout.write(f"and {made.differences - len(made.problems)} more")
        self.stdout.write(
            f"{made.wallets} wallets, {made.entries} entries, {made.differences} differences"
        )
        if made.differences:
            sys.exit(1)
