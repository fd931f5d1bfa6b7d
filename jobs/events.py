"""Writes what happened to a job; the live pages and webhooks read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.models import Job, JobEvent, Segment
from speechsite.core import sql

Told = tuple[str, Segment | None, dict[str, Any]]  # kind, segment, data


def tell(job: Job, kind: str, *, segment: Segment | None = None, **data: Any) -> None:
    """Add an event to the job's story, in the caller's transaction."""
    tell_all(job, [(kind, segment, data)])


def tell_all(job: Job, told: Sequence[Told]) -> None:
    """Add events of one job, in their order."""
    sql.insert_all(
        [
            JobEvent(job_id=job.pk, user_id=job.user_id, segment=segment, kind=kind, data=data)
            for kind, segment, data in told
        ]
    )
