"""The story of a job: the only code that moves jobs and segments between states.

Every final state is written in one transaction with the end of its hold, so a job
never ends twice and credits are never held by something that is over. Nothing here
waits for a network: `worker` does that, and brings an `Outcome`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import events, files, outbound, uploads
from jobs.models import Job, Segment
from jobs.outcomes import (
    Accepted,
    Delivered,
    Lost,
    Outcome,
    Postponed,
    Refused,
    StillRunning,
)
from jobs.placing import WORK, place, place_cleaning, place_dialogue, quote_for
from jobs.states import LIVE_JOB, LIVE_SEGMENT, JobState, SegmentState
from speechsite.core import queue
from speechsite.credits import ledger, prices
from speechsite.upstreams.models import Channel

__all__ = [
    "cancel",
    "delete",
    "deliver_late",
    "expire_waiting",
    "fail",
    "finish",
    "give_up_joining",
    "place",
    "place_cleaning",
    "place_dialogue",
    "quote_for",
    "record",
    "record_all",
    "start",
]

MAX_ATTEMPTS = 6
JOIN_ATTEMPTS = 3
LONGEST_WAIT = 3600.0  # seconds
MAX_COST = 10**12
NEXT_JOIN = timedelta(seconds=2)  # late pieces often come several at a time


def start(job_ids: Iterable[UUID]) -> None:
    """Work on these jobs has begun; those already under way are left alone."""
    queued = Job.objects.filter(pk__in=list(job_ids), state=JobState.QUEUED)
    if not queued.exists():
        return
    with transaction.atomic():
        begun = list(queued.order_by("pk").select_for_update().only("pk", "user_id"))
        queued.filter(pk__in=[job.pk for job in begun]).update(
            state=JobState.PROCESSING, started_at=timezone.now()
        )
        for job in begun:
            events.tell(job, "started")


def record(segment: Segment, outcome: Outcome) -> bool:
    """Apply what came of a segment. False when it came late or twice and changed nothing."""
    return record_all([(segment, outcome)])[0]


def record_all(batch: Sequence[tuple[Segment, Outcome]]) -> list[bool]:
    """Apply what came of many segments in one transaction; for each, whether it changed anything.

    All jobs are locked first and wallets are met in one order, so that two workers
    never wait for each other in a circle.
    """
    ended: dict[UUID, list[tuple[Segment, Delivered | Refused]]] = {}
    changed = []
    with transaction.atomic():
        # The job's row first, always: whoever ends the last segment sees all the others.
        rows = Job.objects.filter(pk__in={segment.job_id for segment, _ in batch}).order_by("pk")
        jobs = {job.pk: job for job in rows.select_for_update().defer("text", "peaks")}
        for segment, given in batch:
            outcome = _worn_out(segment, given)
            changed.append(_APPLY[type(outcome)](segment, outcome))
            if changed[-1] and isinstance(outcome, Delivered | Refused):
                ended.setdefault(segment.job_id, []).append((segment, outcome))
        for job in sorted((jobs[pk] for pk in ended), key=lambda job: (job.user_id, job.pk)):
            _note_ends(job, ended[job.pk])
    return changed


def deliver_late(segment: Segment, outcome: Delivered) -> bool:
    """Give a piece that came after it was given up to its person, who pays nothing for it.

    What is over stays over. False when the sound is there already or nobody is to have it
    any more; the caller then deletes its file.
    """
    with transaction.atomic():
        # The job's row first: a deletion either names this file too, or is seen here.
        rows = Job.objects.filter(pk=segment.job_id, deleted_at__isnull=True)
        rows = rows.exclude(state=JobState.CANCELED).defer("text", "peaks")
        job = rows.select_for_update().first()
        given_up = Segment.objects.filter(pk=segment.pk, state=SegmentState.FAILED, audio="")
        if job is None or not given_up.update(**_sound(segment, outcome)):
            return False
        events.tell(job, "audio_late", segment=segment, index=segment.index)
        if job.is_finished:
            rows.update(is_joinable=True, join_attempts=0)
            queue.enqueue(WORK)
    return True


def finish(job: Job, *, audio: str, size: int, duration_ms: int, peaks: list[int]) -> bool:
    """The pieces are joined: keep the result and, if the job is still open, charge for it.

    False when somebody else finished it first; the caller then deletes its file. A job
    that got a piece late is joined again, and its earlier file goes.
    """
    result = {"audio": audio, "audio_bytes": size, "duration_ms": duration_ms, "peaks": peaks}
    now = timezone.now()
    with transaction.atomic():
        lacks_sound = Q(audio="") & ~Q(state=JobState.FAILED)
        keepers = Job.objects.filter(lacks_sound | Q(is_joinable=True), deleted_at__isnull=True)
        before = keepers.filter(pk=job.pk).select_for_update().only("audio").first()
        if before is None:
            return False
        _keep(job, result)
        files.remove([before.audio] if before.audio else [])
        moved = Job.objects.filter(pk=job.pk, state=JobState.PROCESSING).update(
            state=JobState.SUCCEEDED, finished_at=now
        )
        if moved:
            charged = _settle(job)
            problems = job.segments.filter(state=SegmentState.FAILED, audio="").count()
            events.tell(job, "succeeded", charged=charged, problems=problems)
            outbound.announce(job, "generation.succeeded")
        else:
            events.tell(job, "audio_ready")
    return True


def fail(job: Job, *, code: str, message: str) -> bool:
    """End a job without a result: everything held goes back. False when it was over already."""
    now = timezone.now()
    with transaction.atomic():
        moved = Job.objects.filter(pk=job.pk, state__in=LIVE_JOB).update(
            state=JobState.FAILED,
            finished_at=now,
            failure_code=code[:40],
            failure_message=_printable(message)[:300],
            is_joinable=False,
        )
        if not moved:
            return False
        _close_segments(job, code, message)
        ledger.settle(job.user.wallet, job_id=job.pk, captured=0)
        events.tell(job, "failed", code=code, message=_printable(message)[:300])
        outbound.announce(job, "generation.failed")
    return True


def cancel(job: Job) -> Job:
    """Stop a job: finished pieces are kept and charged, the rest of the hold goes back.

    A job that is over stays as it is.
    """
    with transaction.atomic():
        moved = Job.objects.filter(pk=job.pk, state__in=LIVE_JOB).update(
            state=JobState.CANCELED, finished_at=timezone.now()
        )
        if moved:
            _close_segments(job, "canceled", _("Canceled."))
            _let_join(job)
            events.tell(job, "canceled", charged=_settle(job))
            outbound.announce(job, "generation.canceled")
            queue.enqueue(WORK)
    job.refresh_from_db()
    return job


def delete(job: Job) -> None:
    """Take a job out of History and remove its files; a live one is canceled first."""
    cancel(job)
    with transaction.atomic():
        # Read under the lock: a join that ends at this moment has its file named here or
        # finds the job deleted and removes the file itself.
        locked = Job.objects.select_for_update().only("audio").get(pk=job.pk)
        names = [locked.audio, *job.segments.exclude(audio="").values_list("audio", flat=True)]
        Job.objects.filter(pk=job.pk, deleted_at__isnull=True).update(
            deleted_at=timezone.now(), text="", audio="", peaks=[], is_joinable=False
        )
        job.segments.update(audio="", text="", words=[], lines=[])
        files.remove(name for name in names if name)
        # A partner's file lives until the partner deletes it; the portal's goes with its job.
        if job.upload is not None and job.source == Job.Source.PORTAL:
            uploads.discard(job.upload)


def give_up_joining(job: Job, reason: str) -> None:
    """A join failed: count it, and end the job when it will not come right."""
    message = _("The audio could not be put together: %s") % reason
    with transaction.atomic():
        Job.objects.filter(pk=job.pk).update(
            join_attempts=F("join_attempts") + 1, join_lease_until=None
        )
        job.refresh_from_db()
        if job.join_attempts >= JOIN_ATTEMPTS:
            # Together with its end: a job that is neither joinable nor over would keep its hold.
            Job.objects.filter(pk=job.pk).update(is_joinable=False)
            fail(job, code="joining_failed", message=message)


def expire_waiting() -> int:
    """End segments that no provider could take until their deadline; how many there were."""
    overdue = Segment.objects.filter(
        state=SegmentState.WAITING, deadline_at__lte=timezone.now()
    ).exclude(waiting_reason="")
    expired = 0
    for segment in overdue.iterator(chunk_size=200):
        message = _("No provider could take the work in time: %s") % segment.waiting_reason
        expired += record(segment, Refused("no_provider", message))
    return expired


# --- private ---------------------------------------------------------------------------------


def _live(segment: Segment, *states: SegmentState) -> Any:
    """The segment's row, if it is still where an outcome may find it and with the same owner."""
    return Segment.objects.filter(pk=segment.pk, state__in=states, worker=segment.worker)


def _accepted(segment: Segment, outcome: Accepted) -> bool:
    now = timezone.now()
    return bool(
        _live(segment, SegmentState.SUBMITTING, SegmentState.UNKNOWN).update(
            state=SegmentState.RUNNING,
            upstream_id=_printable(outcome.upstream_id)[:200],
            submitted_at=now,
            due_at=now + _wait(outcome.due_in),
            lease_until=None,
            worker="",
            waiting_reason="",
        )
    )


def _still_running(segment: Segment, outcome: StillRunning) -> bool:
    return bool(
        _live(segment, SegmentState.RUNNING, SegmentState.UNKNOWN).update(
            due_at=timezone.now() + _wait(outcome.due_in),
            polls=F("polls") + 1,
            fetches=F("fetches") + int(outcome.fetch_failed),
            lease_until=None,
            worker="",
        )
    )


def _delivered(segment: Segment, outcome: Delivered) -> bool:
    return bool(
        Segment.objects.filter(
            pk=segment.pk, state__in=LIVE_SEGMENT - {SegmentState.WAITING}
        ).update(
            **_sound(segment, outcome),
            state=SegmentState.DONE,
            finished_at=timezone.now(),
            worker="",
            waiting_reason="",
        )
    )


def _sound(segment: Segment, outcome: Delivered) -> dict[str, Any]:
    return {
        "audio": outcome.audio,
        "audio_format": outcome.audio_format,
        "duration_ms": outcome.duration_ms,
        "words": [list(word) for word in outcome.words],
        "words_are_exact": outcome.words_are_exact,
        "upstream_cost": _plausible(outcome.cost),
        "upstream_id": (outcome.upstream_id or segment.upstream_id)[:200],
        "possible_cost": False,
        "lease_until": None,
    }


def _postponed(segment: Segment, outcome: Postponed) -> bool:
    excluded = list(segment.excluded_channels)
    if outcome.leave_out and segment.channel_id is not None:
        excluded.append(segment.channel_id)
    return bool(
        _live(segment, SegmentState.SUBMITTING, SegmentState.RUNNING, SegmentState.UNKNOWN).update(
            state=SegmentState.WAITING,
            attempts=segment.attempts if outcome.counts else max(segment.attempts - 1, 0),
            excluded_channels=excluded,
            upstream_id="",
            due_at=timezone.now() + _wait(outcome.due_in),
            lease_until=None,
            worker="",
            waiting_reason=_printable(outcome.reason)[:200],
        )
    )


def _lost(segment: Segment, outcome: Lost) -> bool:
    now = timezone.now()
    return bool(
        _live(segment, SegmentState.SUBMITTING, SegmentState.RUNNING).update(
            state=SegmentState.UNKNOWN,
            submitted_at=segment.submitted_at or now,
            due_at=now + timedelta(seconds=2),
            deadline_at=now + timedelta(seconds=settings.UNCLEAR_DEADLINE_SECONDS),
            lease_until=None,
            worker="",
            possible_cost=True,
            waiting_reason=_printable(outcome.reason)[:200],
        )
    )


def _refused(segment: Segment, outcome: Refused) -> bool:
    changes: dict[str, Any] = {
        "state": SegmentState.FAILED,
        "failure_code": outcome.code[:40],
        "failure_message": _printable(outcome.message)[:300],
        "finished_at": timezone.now(),
        "lease_until": None,
        "worker": "",
        "waiting_reason": "",
    }
    if outcome.possible_cost:
        changes["possible_cost"] = True
    return bool(_live(segment, *LIVE_SEGMENT).update(**changes))


_APPLY: dict[type[Outcome], Any] = {
    Accepted: _accepted,
    StillRunning: _still_running,
    Delivered: _delivered,
    Postponed: _postponed,
    Lost: _lost,
    Refused: _refused,
}


def _worn_out(segment: Segment, outcome: Outcome) -> Outcome:
    """After too many attempts, postponing becomes refusing."""
    if isinstance(outcome, Postponed) and outcome.counts and segment.attempts >= MAX_ATTEMPTS:
        return Refused(outcome.code, outcome.reason, outcome.raw)
    return outcome


def _note_ends(job: Job, ended: Sequence[tuple[Segment, Delivered | Refused]]) -> None:
    """Tell which segments of a job ended, and go on to its own end when they were the last."""
    if job.state == JobState.QUEUED:
        start([job.pk])
    events.tell_all(job, [_end_of(segment, outcome) for segment, outcome in ended])
    if job.segments.filter(state__in=LIVE_SEGMENT).exists():
        return
    if job.segments.filter(state=SegmentState.DONE).exists():
        Job.objects.filter(pk=job.pk).update(is_joinable=True)
        return
    last = ended[-1][1]
    if isinstance(last, Refused):
        fail(job, code=last.code, message=last.message)
        _let_join(job)


def _let_join(job: Job) -> None:
    """A job that is over: what can be heard of it, if anything, is put together."""
    heard = job.segments.with_sound()
    Job.objects.filter(pk=job.pk).update(is_joinable=heard.exists())


def _keep(job: Job, result: dict[str, Any]) -> None:
    """Write a joined result; with a piece that came while it was made, it is joined again."""
    is_whole = job.joined_pieces in (None, job.segments.with_sound().count())
    again = None if is_whole else timezone.now() + NEXT_JOIN
    rows = Job.objects.filter(pk=job.pk)
    rows.update(**result, is_joinable=not is_whole, join_lease_until=again)


def _end_of(segment: Segment, outcome: Delivered | Refused) -> tuple[str, Segment, dict[str, Any]]:
    if isinstance(outcome, Delivered):
        return "segment_done", segment, {"index": segment.index}
    message = _printable(outcome.message)[:300]
    data = {"index": segment.index, "code": outcome.code, "message": message}
    return "segment_failed", segment, data


def _close_segments(job: Job, code: str, message: str) -> None:
    """Nothing more will be accepted for these; what a provider may still bill is marked."""
    live = job.segments.filter(state__in=LIVE_SEGMENT)
    live.filter(
        state__in=(SegmentState.SUBMITTING, SegmentState.RUNNING, SegmentState.UNKNOWN)
    ).exclude(channel__origin=Channel.Origin.BUILTIN).update(possible_cost=True)
    live.update(
        state=SegmentState.FAILED,
        failure_code=code[:40],
        failure_message=_printable(message)[:300],
        finished_at=timezone.now(),
        lease_until=None,
        waiting_reason="",
    )


def _printable(text: str) -> str:
    """Without what a database refuses: a provider may say anything, but must not stop us."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _wait(seconds: float) -> timedelta:
    """A wait that a provider asked for, within reason."""
    if not math.isfinite(seconds):
        return timedelta(seconds=LONGEST_WAIT)
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_WAIT))


def _plausible(cost: Decimal | None) -> Decimal | None:
    """A provider's bill as it can be written down; nonsense is no bill."""
    return cost if cost is not None and cost.is_finite() and 0 <= cost < MAX_COST else None


def _settle(job: Job) -> int:
    """Charge for what was delivered, give the rest back; returns the charge."""
    done = job.segments.filter(state=SegmentState.DONE)
    delivered = done.aggregate(units=Sum("units"))["units"] or 0
    charged = 0  # without a price nothing was agreed on, so nothing is owed
    if job.price is not None:
        charged = prices.settled(
            job.price, quoted_units=job.units, delivered_units=delivered, quoted=job.quoted
        )
    ledger.settle(job.user.wallet, job_id=job.pk, captured=charged)
    Job.objects.filter(pk=job.pk).update(charged=charged)
    return charged
