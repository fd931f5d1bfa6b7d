"""The ledger in a few figures, to be the same before and after."""

from __future__ import annotations

from django.db.models import Sum

from jobs import audits
from speechsite.credits.models import LedgerEntry, Wallet


def of_ledger() -> dict[str, int]:
    """Millicredits and counts of rows, read at one moment by the caller's connection."""
    wallets = Wallet.objects.aggregate(available=Sum("available"), held=Sum("held"))
    entries = LedgerEntry.objects.aggregate(
        available=Sum("available_delta"), held=Sum("held_delta")
    )
    return {
        "wallets": Wallet.objects.count(),
        "entries": LedgerEntry.objects.count(),
        "available": int(wallets["available"] or 0),
        "held": int(wallets["held"] or 0),
        "moved_available": int(entries["available"] or 0),
        "moved_held": int(entries["held"] or 0),
        "differences": sum(1 for _ in audits.differences()),
    }
