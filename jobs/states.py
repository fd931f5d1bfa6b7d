"""Which states there are, and which moves between them are allowed. No database here."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class JobState(models.TextChoices):
    QUEUED = "queued", _("Queued")
    PROCESSING = "processing", _("Processing")
    SUCCEEDED = "succeeded", _("Done")
    FAILED = "failed", _("Failed")
    CANCELED = "canceled", _("Canceled")


class SegmentState(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    SUBMITTING = "submitting", _("Submitting")
    RUNNING = "running", _("Running")
    UNKNOWN = "unknown", _("Unclear")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


J = JobState
S = SegmentState

JOB_MOVES: dict[JobState, frozenset[JobState]] = {
    J.QUEUED: frozenset({J.PROCESSING, J.FAILED, J.CANCELED}),
    J.PROCESSING: frozenset({J.SUCCEEDED, J.FAILED, J.CANCELED}),
    J.SUCCEEDED: frozenset(),
    J.FAILED: frozenset(),
    J.CANCELED: frozenset(),
}

# A segment goes back to WAITING only where nothing was accepted upstream.
SEGMENT_MOVES: dict[SegmentState, frozenset[SegmentState]] = {
    S.WAITING: frozenset({S.SUBMITTING, S.FAILED}),
    S.SUBMITTING: frozenset({S.WAITING, S.RUNNING, S.UNKNOWN, S.DONE, S.FAILED}),
    S.RUNNING: frozenset({S.WAITING, S.UNKNOWN, S.DONE, S.FAILED}),
    S.UNKNOWN: frozenset({S.WAITING, S.RUNNING, S.DONE, S.FAILED}),
    S.DONE: frozenset(),
    S.FAILED: frozenset(),
}

FINAL_JOB = frozenset(state for state, moves in JOB_MOVES.items() if not moves)
LIVE_JOB = frozenset(JOB_MOVES) - FINAL_JOB
FINAL_SEGMENT = frozenset(state for state, moves in SEGMENT_MOVES.items() if not moves)
LIVE_SEGMENT = frozenset(SEGMENT_MOVES) - FINAL_SEGMENT


def job_can_move(current: str, target: str) -> bool:
    """Whether a job may go from one state to another."""
    return JobState(target) in JOB_MOVES[JobState(current)]


def segment_can_move(current: str, target: str) -> bool:
    """Whether a segment may go from one state to another."""
    return SegmentState(target) in SEGMENT_MOVES[SegmentState(current)]
