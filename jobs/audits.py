"""Compares the ledger with the jobs, which live a floor above it, and remembers what came of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from uuid import UUID

from django.utils import timezone

from jobs import spending
from jobs.models import Job
from speechsite.credits import audit
from speechsite.credits.models import AuditRun, LedgerEntry, Wallet

logger = logging.getLogger(__name__)

SHOWN = 100
KEPT = 100  # nights


def run() -> AuditRun:
    """Add everything up and write down the result; a difference is an error in the log."""
    started_at = timezone.now()
    found, problems = 0, []
    for found, difference in enumerate(differences(), start=1):
        if found <= SHOWN:
            problems.append(str(difference))
    if found:
        logger.error("the ledger does not add up: %s differences, first %s", found, problems[0])
    made = AuditRun.objects.create(
        started_at=started_at,
        wallets=Wallet.objects.count(),
        entries=LedgerEntry.objects.count(),
        differences=found,
        problems=problems,
    )
    kept = AuditRun.objects.order_by("-pk").values_list("pk", flat=True)[:KEPT]
    AuditRun.objects.filter(pk__lt=min(kept)).delete()
    return made


def differences() -> Iterator[audit.Difference]:
    """All that does not add up: the ledger, the jobs' holds, and what keys spent."""
    return audit.differences(open_jobs, spending.differences)


def latest() -> AuditRun | None:
    """What the last run said; None before the first night."""
    return AuditRun.objects.order_by("-pk").first()


def open_jobs() -> Iterator[tuple[UUID, int]]:
    """Every unfinished job with its quote, in the order of ids."""
    rows = Job.objects.unfinished().order_by("pk").values_list("pk", "quoted")
    yield from rows.iterator()
