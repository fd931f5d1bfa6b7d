"""Writes what happened to a job; the live pages and webhooks read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from jobs.models import Job, JobEvent, Segment
from speechsite.core import sql

Told = tuple[str, Segment | None, dict[str, Any]]  # kind, segment, data


@dataclass(frozen=True, slots=True)
class _Row:
    """A JobEvent as it is written: a model would weigh every column."""

    job_id: UUID
    user_id: int
    segment_id: int | None
    kind: str
    data: dict[str, Any]
    created_at: datetime = field(default_factory=timezone.now)


def tell(job: Job, kind: str, *, segment: Segment | None = None, **data: Any) -> None:
    """Add an event to the job's story, in the caller's transaction."""
    tell_all(job, [(kind, segment, data)])


def tell_all(job: Job, told: Sequence[Told]) -> None:
    """Add events of one job, in their order."""
    rows = [
        _Row(job.pk, job.user_id, None if segment is None else segment.pk, kind, data)
        for kind, segment, data in told
    ]
    sql.insert_all(JobEvent, rows)
