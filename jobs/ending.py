"""Ends a job whose pieces are all there: keeps the result and has it charged."""

from __future__ import annotations

import logging
from uuid import UUID

from jobs import claims, intake, joining, lifecycle
from jobs.models import Job, Segment
from jobs.outcomes import Delivered

logger = logging.getLogger(__name__)


def end(worker: str, pk: UUID) -> bool:
    """Join and finish one job here and now; False when it is not ours to end. Blocks.

    For the process that spoke a short job: waking a worker would take longer.
    """
    job = claims.claim_join(worker, pk)
    if job is None:
        return False
    try:
        return finish(job, joining.join(job, joining.parts_of(job), lambda: False))
    except Exception as error:
        logger.exception("job %s: joining failed", pk)
        lifecycle.give_up_joining(job, type(error).__name__)
        return False


def record(segment: Segment, outcome: Delivered) -> bool:
    """Record a stored piece, and say whether its job ended with it."""
    if not lifecycle.record(segment, outcome):
        intake.discard(outcome.audio)
        return False
    return lifecycle.is_result(segment.job, outcome)


def finish(job: Job, joined: joining.Joined) -> bool:
    """Keep what was joined; False when somebody else was first, and the file is gone again."""
    kept = lifecycle.finish(
        job,
        audio=joined.audio,
        size=joined.size,
        duration_ms=joined.duration_ms,
        peaks=joined.peaks,
    )
    if not kept:
        intake.discard(joined.audio)
    return kept
