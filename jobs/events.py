"""Writes what happened to a job; the live pages and webhooks read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.models import Job, JobEvent, Segment
from speechsite.core import sql

Told = tuple[str, Segment | None, dict[str, Any]]  # kind, segment, data


def tell(job: Job, kind: str, *, segment: Segment | None = None, **data: Any) -> JobEvent:
    """Add an event to the job's story, in the caller's transaction."""
    event = JobEvent(job_id=job.pk, user_id=job.user_id, segment=segment, kind=kind, data=data)
    sql.insert(event)
    return event


def tell_all(job: Job, told: Sequence[Told]) -> None:
    """Add events of one job, in their order."""
    for kind, segment, data in told:
        tell(job, kind, segment=segment, **data)
