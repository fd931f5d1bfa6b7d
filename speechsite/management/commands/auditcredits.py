"""Re-add the ledger and compare it with the jobs."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from jobs import audits
from speechsite.credits import audit
from speechsite.credits.models import LedgerEntry, Wallet

SHOWN = 100


class Command(BaseCommand):
    """Exits 1 on any difference, so that a nightly run can raise the alarm."""

    help = "Add up every wallet and every job again; exit 1 if anything differs."

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        for found, difference in enumerate(audit.differences(audits.open_jobs), start=1):
            if found <= SHOWN:
                self.stdout.write(str(difference))
        if found > SHOWN:
            self.stdout.write(f"and {found - SHOWN} more")
        wallets, entries = Wallet.objects.count(), LedgerEntry.objects.count()
        self.stdout.write(f"{wallets} wallets, {entries} entries, {found} differences")
        if found:
            sys.exit(1)
