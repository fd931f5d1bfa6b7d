"""How far a job is: percent, place in the queue, and when it will be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q, Sum
from django.utils import timezone

from jobs.models import Job
from jobs.states import FINAL_SEGMENT, JobState, SegmentState

SPOKEN = 90  # percent when all pieces are spoken; joining is the rest


@dataclass(frozen=True, slots=True)
class Progress:
    """A snapshot. `position` counts the jobs ahead of a queued one."""

    state: str
    percent: int
    done: int
    total: int
    failed: int
    position: int | None
    eta_seconds: int | None
    waiting_reason: str

    @property
    def is_joining(self) -> bool:
        """All pieces are there and the file is being put together."""
        return self.state == JobState.PROCESSING and self.done + self.failed == self.total


def of(job: Job, now: datetime | None = None) -> Progress:
    """Where a job stands now: two queries at most."""
    counts = job.segments.aggregate(
        done=Count("pk", filter=Q(state=SegmentState.DONE)),
        failed=Count("pk", filter=Q(state=SegmentState.FAILED)),
        spoken=Sum("units", filter=Q(state__in=FINAL_SEGMENT)),
        reason=Max("waiting_reason"),
    )
    spoken = counts["spoken"] or 0
    percent = 100 if job.is_finished else spoken * SPOKEN // max(job.units, 1)
    return Progress(
        state=job.state,
        percent=min(percent, 100),
        done=counts["done"],
        total=job.segment_count,
        failed=counts["failed"],
        position=_ahead(job) if job.state == JobState.QUEUED else None,
        eta_seconds=_eta(job, spoken, now or timezone.now()),
        waiting_reason="" if job.is_finished else counts["reason"] or "",
    )


def _ahead(job: Job) -> int:
    before = Job.objects.unfinished().filter(state=JobState.QUEUED)
    return before.filter(created_at__lt=job.created_at).count()


def _eta(job: Job, spoken: int, now: datetime) -> int | None:
    if job.state != JobState.PROCESSING or job.started_at is None or spoken * 10 < job.units:
        return None
    elapsed = (now - job.started_at).total_seconds()
    if spoken >= job.units:
        return None
    return round(elapsed * (job.units - spoken) / spoken)
