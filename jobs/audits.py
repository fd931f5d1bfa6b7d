"""Compares the ledger with the jobs, which live a floor above it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from jobs.models import Job


def open_jobs() -> Iterator[tuple[UUID, int]]:
    """Every unfinished job with its quote, in the order of ids."""
    rows = Job.objects.unfinished().order_by("pk").values_list("pk", "quoted")
    yield from rows.iterator()
