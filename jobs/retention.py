"""Sweeps up: stored files that no row refers to, and rows that nobody needs."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from jobs.models import JobEvent
from jobs.states import FINAL_JOB

EVENTS_KEPT = timedelta(days=30)
BATCH = 2000


def sweep() -> int:
    """Delete a batch of old events of finished jobs; how many went."""
    old = JobEvent.objects.filter(
        created_at__lt=timezone.now() - EVENTS_KEPT, job__state__in=FINAL_JOB
    )
    ids = list(old.values_list("pk", flat=True)[:BATCH])
    deleted, _ = JobEvent.objects.filter(pk__in=ids).delete()
    return deleted
