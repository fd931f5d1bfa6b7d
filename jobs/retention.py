"""Sweeps up the rows that nobody needs any more."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from jobs.models import JobEvent
from jobs.states import FINAL_JOB

EVENTS_KEPT = timedelta(days=30)
BATCH = 2000


def sweep() -> int:
    """Delete a batch of old events of finished jobs; how many went."""
    limit = timezone.now() - EVENTS_KEPT
    # The oldest come first: where the first is too young, none is old enough.
    first = JobEvent.objects.order_by("pk").first()
    if first is None or first.created_at >= limit:
        return 0
    oldest = JobEvent.objects.order_by("pk").values_list("pk", "created_at", "job__state")[:BATCH]
    ids = [pk for pk, at, state in oldest if at < limit and state in FINAL_JOB]
    deleted, _ = JobEvent.objects.filter(pk__in=ids).delete()
    return deleted
