"""`manage.py duties`: sees to the duties, for sites that do not run under `up`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from speechsite.management import processes


class Command(BaseCommand):
    help = (
        "Sends webhooks, callbacks and mails, deletes files and sweeps, until it is stopped. "
        "Beside qcluster and a web server; `up` does it by itself."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        processes.do_duties()
