"""Writes what came of many calls at once, and what that says about their channels.

In one transaction where it can be; where that fails, one outcome by one, so that none takes
the others with it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import InterfaceError, OperationalError

from jobs import intake, lifecycle
from jobs.models import Segment
from jobs.outcomes import Accepted, Delivered, Outcome, Postponed, Refused
from speechsite.upstreams import health

logger = logging.getLogger(__name__)

DATABASE_IS_AWAY = (OperationalError, InterfaceError)
Batch = Sequence[tuple[Segment, Outcome]]


def record(batch: Batch) -> None:
    """Apply outcomes, and remove the sounds that changed nothing. Safe to repeat.

    Raises what `DATABASE_IS_AWAY` names; then nothing is known to be written.
    """
    try:
        changed = lifecycle.record_all(batch)
    except DATABASE_IS_AWAY:
        raise
    except Exception:
        logger.exception("a batch of %s outcomes is recorded one by one", len(batch))
        changed = [_written(segment, outcome) for segment, outcome in batch]
    for (segment, outcome), kept in zip(batch, changed, strict=True):
        if not kept and isinstance(outcome, Delivered):
            _discard(segment, outcome)
    _note_health(batch)


def _written(segment: Segment, outcome: Outcome) -> bool:
    """Record an outcome; one that cannot be written must not take the others with it."""
    try:
        return lifecycle.record(segment, outcome)
    except DATABASE_IS_AWAY:
        raise
    except Exception:
        logger.exception("segment %s: the outcome could not be recorded", segment.pk)
        reason = "The result could not be recorded."
        lifecycle.record(segment, Refused("internal_error", reason, possible_cost=True))
        return False


def _discard(segment: Segment, outcome: Delivered) -> None:
    """Remove a sound that changed nothing, unless it did: a batch may be written twice."""
    if not Segment.objects.filter(pk=segment.pk, audio=outcome.audio).exists():
        intake.discard(outcome.audio)


def _note_health(batch: Batch) -> None:
    """Count what channels did; a success is told once for each channel."""
    working = set()
    for segment, outcome in batch:
        channel = segment.channel
        if channel is None:
            continue
        if isinstance(outcome, Delivered | Accepted):
            working.add(channel)
        elif isinstance(outcome, Postponed):
            health.note_postponed(channel, outcome.code, outcome.reason, outcome.due_in)
    for channel in working:
        health.note_success(channel)
