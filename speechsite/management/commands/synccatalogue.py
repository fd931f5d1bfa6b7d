"""`manage.py synccatalogue`: models, offers and voices from every channel."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from speechsite.credits import prices
from voices import sync


class Command(BaseCommand):
    help = "Brings models, offers and voices in line with what every channel lists."

    def handle(self, *args: Any, **options: Any) -> None:
        prices.load_default_prices()
        for report in sync.sync_all():
            self.stdout.write(self._line(report))

    def _line(self, report: sync.Report) -> str:
        if report.error:
            return f"{report.channel}: not synced, {report.error}"
        changes = report.difference
        counts = f"{len(changes.added)} new, {len(changes.returned)} back, {len(changes.retired)} retired"
        names = ", ".join([*changes.retired][:10])
        return f"{report.channel}: {counts}" + (f" ({names})" if names else "")
