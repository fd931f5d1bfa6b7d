"""Writes what happened to a job; the live pages and webhooks read it."""

from __future__ import annotations

from typing import Any

from jobs.models import Job, JobEvent, Segment


def tell(job: Job, kind: str, *, segment: Segment | None = None, **data: Any) -> JobEvent:
    """Add an event to the job's story, in the caller's transaction."""
    return JobEvent.objects.create(
        job_id=job.pk, user_id=job.user_id, segment=segment, kind=kind, data=data
    )
