"""How one outcome moves one segment: a guarded UPDATE each, for `lifecycle` alone.

Every guard says in which states an outcome may find its segment, so what comes late or
twice changes nothing.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from jobs.models import Segment, SegmentQuerySet
from jobs.outcomes import (
    Accepted,
    Delivered,
    Lost,
    Outcome,
    Postponed,
    Refused,
    StillRunning,
)
from jobs.states import LIVE_SEGMENT, SegmentState
from speechsite.core import sql

MAX_ATTEMPTS = 6
LONGEST_WAIT = 3600.0  # seconds
MAX_COST = 10**12


def apply(segment: Segment, outcome: Outcome) -> bool:
    """Move a segment; False when the outcome came late or twice."""
    return bool(_APPLY[type(outcome)](segment, outcome))


def worn_out(segment: Segment, outcome: Outcome) -> Outcome:
    """After too many attempts, postponing becomes refusing."""
    if isinstance(outcome, Postponed) and outcome.counts and segment.attempts >= MAX_ATTEMPTS:
        return Refused(outcome.code, outcome.reason, outcome.raw)
    return outcome


def sound(segment: Segment, outcome: Delivered) -> dict[str, Any]:
    """The columns of a segment that say what its sound is."""
    return {
        "audio": outcome.audio,
        "audio_format": outcome.audio_format,
        "duration_ms": outcome.duration_ms,
        "words": [list(word) for word in outcome.words],
        "words_are_exact": outcome.words_are_exact,
        "upstream_cost": _plausible(outcome.cost),
        "upstream_id": (outcome.upstream_id or segment.upstream_id)[:200],
        "possible_cost": segment.resends > 0,
        "lease_until": None,
    }


def printable(text: str) -> str:
    """Without what a database refuses: a provider may say anything, but must not stop us."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


# --- private ---------------------------------------------------------------------------------


def _live(segment: Segment, *states: SegmentState) -> SegmentQuerySet:
    """The segment's row, if it is still where an outcome may find it and with the same owner."""
    return Segment.objects.filter(pk=segment.pk, state__in=states, worker=segment.worker)


def _accepted(segment: Segment, outcome: Accepted) -> int:
    now = timezone.now()
    return _live(segment, SegmentState.SUBMITTING, SegmentState.UNKNOWN).update(
        state=SegmentState.RUNNING,
        upstream_id=printable(outcome.upstream_id)[:200],
        submitted_at=now,
        due_at=now + _wait(outcome.due_in),
        lease_until=None,
        worker="",
        waiting_reason="",
    )


def _still_running(segment: Segment, outcome: StillRunning) -> int:
    return _live(segment, SegmentState.RUNNING, SegmentState.UNKNOWN).update(
        due_at=timezone.now() + _wait(outcome.due_in),
        polls=F("polls") + 1,
        fetches=F("fetches") + int(outcome.fetch_failed),
        looks=F("looks") + int(outcome.is_missing),
        lease_until=None,
        worker="",
    )


def _delivered(segment: Segment, outcome: Delivered) -> int:
    return sql.update(
        Segment,
        {"pk": segment.pk, "state": LIVE_SEGMENT - {SegmentState.WAITING}},
        **sound(segment, outcome),
        state=SegmentState.DONE,
        finished_at=timezone.now(),
        worker="",
        waiting_reason="",
    )


def _postponed(segment: Segment, outcome: Postponed) -> int:
    now = timezone.now()
    resends = segment.resends + int(outcome.at_risk)
    excluded = list(segment.excluded_channels)
    if outcome.leave_out and segment.channel_id is not None:
        excluded.append(segment.channel_id)
    return _live(
        segment, SegmentState.SUBMITTING, SegmentState.RUNNING, SegmentState.UNKNOWN
    ).update(
        state=SegmentState.WAITING,
        attempts=segment.attempts if outcome.counts else max(segment.attempts - 1, 0),
        excluded_channels=excluded,
        upstream_id="",
        due_at=now + _wait(outcome.due_in),
        lease_until=None,
        worker="",
        resends=resends,
        possible_cost=resends > 0,
        waiting_reason=printable(outcome.reason)[:200],
        **(_open_again(now) if segment.lost_at is not None else {}),
    )


def _open_again(now: datetime) -> dict[str, Any]:
    """The time in which a lost answer had to be found is over: that for a provider begins."""
    deadline = now + timedelta(seconds=settings.WAITING_DEADLINE_SECONDS)
    return {"lost_at": None, "looks": 0, "deadline_at": deadline}


def _lost(segment: Segment, outcome: Lost) -> int:
    now = timezone.now()
    # All in all: who waited for one answer that was lost waits half as long for the next.
    patience = settings.UNCLEAR_DEADLINE_SECONDS / (2 if segment.resends else 1)
    return _live(segment, SegmentState.SUBMITTING, SegmentState.RUNNING).update(
        state=SegmentState.UNKNOWN,
        submitted_at=segment.submitted_at or now,
        lost_at=now,
        looks=0,
        due_at=now + timedelta(seconds=2),
        deadline_at=now + timedelta(seconds=patience),
        lease_until=None,
        worker="",
        possible_cost=True,
        waiting_reason=printable(outcome.reason)[:200],
    )


def _refused(segment: Segment, outcome: Refused) -> int:
    changes: dict[str, Any] = {
        "state": SegmentState.FAILED,
        "failure_code": outcome.code[:40],
        "failure_message": printable(outcome.message)[:300],
        "finished_at": timezone.now(),
        "lease_until": None,
        "worker": "",
        "waiting_reason": "",
    }
    if outcome.possible_cost:
        changes["possible_cost"] = True
    return _live(segment, *LIVE_SEGMENT).update(**changes)


def _wait(seconds: float) -> timedelta:
    """A wait that a provider asked for, within reason."""
    if not math.isfinite(seconds):
        return timedelta(seconds=LONGEST_WAIT)
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_WAIT))


def _plausible(cost: Decimal | None) -> Decimal | None:
    """A provider's bill as it can be written down; nonsense is no bill."""
    return cost if cost is not None and cost.is_finite() and 0 <= cost < MAX_COST else None


_APPLY: dict[type[Outcome], Any] = {
    Accepted: _accepted,
    StillRunning: _still_running,
    Delivered: _delivered,
    Postponed: _postponed,
    Lost: _lost,
    Refused: _refused,
}
