"""Puts a generation together: its row, the links to its files, how far it is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef

from jobs import files, progress
from jobs.models import Job, JobQuerySet, Segment
from jobs.states import JobState, SegmentState
from speechsite.api import worlds
from speechsite.api.auth import Caller
from speechsite.api.native import wire

CAPTIONS = ("srt", "vtt", "json")


def shown_to(caller: Caller) -> JobQuerySet:
    """The generations that a key may see: a test key only those of test keys, and vice versa."""
    failed = Segment.objects.filter(job=OuterRef("pk"), state=SegmentState.FAILED, audio="")
    jobs = worlds.jobs(caller)
    return jobs.select_related("model", "voice").annotate(is_partial=Exists(failed))


def generation(job: Job, *, origin: str, with_progress: bool = False) -> dict[str, Any]:
    """A generation with links that work without a key for a while."""
    wants = with_progress and job.state == JobState.PROCESSING
    return wire.generation(
        job,
        result=_result(job, origin) if job.audio else None,
        progress=progress.of(job) if wants else None,
    )


def message(job: Job) -> dict[str, Any]:
    """The generation as webhooks send it; links lead to this site's own address."""
    return generation(job, origin=settings.SITE_URL or f"http://localhost:{settings.PORT}")


def _result(job: Job, origin: str) -> dict[str, Any]:
    kinds = CAPTIONS if job.kind != Job.Kind.ISOLATION else ()
    return wire.result(
        job,
        url=origin + files.link(job, "audio"),
        captions={kind: origin + files.link(job, kind) for kind in kinds},
        is_partial=_is_partial(job),
    )


def _is_partial(job: Job) -> bool:
    known = vars(job).get("is_partial")
    if known is not None:
        return bool(known)
    return job.segments.filter(state=SegmentState.FAILED, audio="").exists()
