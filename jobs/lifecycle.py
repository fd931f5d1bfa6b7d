"""The story of a job: the only code that moves jobs and segments between states.

Every final state is written in one transaction with the end of its hold, so a job
never ends twice and credits are never held by something that is over. Nothing here
waits for a network: `worker` does that, and brings an `Outcome`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, Sum, UUIDField
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import events, files, moves, outbound, room, spending, uploads
from jobs.models import BULKY, BULKY_OF_JOB, Job, Segment
from jobs.outcomes import Delivered, Outcome, Refused
from jobs.placing import WORK, place, place_cleaning, place_dialogue, quote_for
from jobs.states import LIVE_JOB, LIVE_SEGMENT, JobState, SegmentState
from speechsite.core import queue, sql
from speechsite.credits import ledger, prices
from speechsite.upstreams import routing
from speechsite.upstreams.models import Channel

__all__ = [
    "cancel",
    "delete",
    "deliver_late",
    "expire_waiting",
    "fail",
    "finish",
    "give_up_joining",
    "is_result",
    "place",
    "place_cleaning",
    "place_dialogue",
    "quote_for",
    "record",
    "record_all",
    "start",
]

JOIN_ATTEMPTS = 3
SHORT_MS = 120_000
_ONE_LOCKED = sql.Query(
    lambda pk: Job.objects.filter(pk=pk).order_by().only("pk", "state").select_for_update(),
    UUIDField(),
)
# What a piece takes to be joined, about, and how long others may go before a job at most.
JOIN_PIECE = timedelta(seconds=1)
LONGEST_HANDICAP = timedelta(seconds=60)
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
        states = _locked({segment.job_id for segment, _ in batch})
        for segment, given in batch:
            outcome = moves.worn_out(segment, given)
            changed.append(moves.apply(segment, outcome))
            if changed[-1] and isinstance(outcome, Delivered | Refused):
                ended.setdefault(segment.job_id, []).append((segment, outcome))
        # Of these only what was ordered is read, and that never changes.
        jobs = {segment.job_id: segment.job for segment, _ in batch if segment.job_id in ended}
        for job in sorted(jobs.values(), key=lambda job: (job.user_id, job.pk)):
            _note_ends(job, states[job.pk], ended[job.pk])
    return changed


def deliver_late(segment: Segment, outcome: Delivered) -> bool:
    """Give a piece that came after it was given up to its person, who pays nothing for it.

    What is over stays over. False when the sound is there already or nobody is to have it
    any more; the caller then deletes its file.
    """
    with transaction.atomic():
        # The job's row first: a deletion either names this file too, or is seen here.
        rows = Job.objects.filter(pk=segment.job_id, deleted_at__isnull=True)
        rows = rows.exclude(state=JobState.CANCELED).defer(*BULKY)
        job = rows.select_for_update().first()
        given_up = Segment.objects.filter(pk=segment.pk, state=SegmentState.FAILED, audio="")
        if job is None or not given_up.update(**moves.sound(segment, outcome)):
            return False
        events.tell(job, "audio_late", segment=segment, index=segment.index)
        if job.is_finished:
            rows.update(**_in_turn(job), join_attempts=0)
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
        files.remove(_of_no_piece(job, before.audio))
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


def is_result(job: Job, outcome: Delivered) -> bool:
    """Whether a piece is all of its job, as it was ordered: then there is nothing to join."""
    is_as_ordered = bool(outcome.size) and outcome.audio_format == job.output_format
    # Its waveform is made when somebody looks at it: that may not take long.
    return job.segment_count == 1 and is_as_ordered and outcome.duration_ms <= SHORT_MS


def fail(job: Job, *, code: str, message: str) -> bool:
    """End a job without a result: everything held goes back. False when it was over already."""
    now = timezone.now()
    with transaction.atomic():
        moved = Job.objects.filter(pk=job.pk, state__in=LIVE_JOB).update(
            state=JobState.FAILED,
            finished_at=now,
            failure_code=code[:40],
            failure_message=moves.printable(message)[:300],
            is_joinable=False,
        )
        if not moved:
            return False
        _close_segments(job, code, message)
        _charge(job, 0)
        events.tell(job, "failed", code=code, message=moves.printable(message)[:300])
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
        names = [locked.audio, *job.segments.values_list("audio", flat=True)]
        Job.objects.filter(pk=job.pk, deleted_at__isnull=True).update(
            deleted_at=timezone.now(),
            text="",
            changes=[],
            audio="",
            peaks=[],
            is_joinable=False,
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
    """End segments that no provider could take until their deadline; how many there were.

    The deadline may have passed while nobody looked: what a provider has room for, or soon
    will, is tried once more before.
    """
    now = timezone.now()
    overdue = (
        Segment.objects.unfinished()
        .filter(state=SegmentState.WAITING, deadline_at__lte=now)
        .exclude(waiting_reason="")
    )
    due = overdue.filter(due_at__lte=now).order_by()
    models = set(due.values_list("model_slug", flat=True).distinct())
    overdue = overdue.exclude(due_at__lte=now, model_slug__in=_not_closed(models))
    overdue = overdue.select_related("job").defer(*BULKY_OF_JOB)
    expired = 0
    for segment in overdue.iterator(chunk_size=200):
        message = _("No provider could take the work in time: %s") % segment.waiting_reason
        expired += record(segment, Refused("no_provider", message))
    return expired


# --- private ---------------------------------------------------------------------------------


def _not_closed(models: Collection[str]) -> list[str]:
    """Those of these models that some channel takes now, or as soon as it has a place."""
    if not models:
        return []
    with transaction.atomic():
        board = room.board(routing.sold(), timezone.now())
    reasons = {model: board.why_not(model) for model in models}
    return [model for model, reason in reasons.items() if reason is None or reason.is_busy]


def _locked(job_ids: Collection[UUID]) -> dict[UUID, str]:
    """The states of jobs whose rows are ours until the transaction ends."""
    if len(job_ids) == 1:
        return {job.pk: job.state for job in _ONE_LOCKED(*job_ids)}
    rows = Job.objects.filter(pk__in=job_ids).order_by("pk")
    return dict(rows.select_for_update().values_list("pk", "state"))


def _note_ends(job: Job, state: str, ended: Sequence[tuple[Segment, Delivered | Refused]]) -> None:
    """Tell which segments of a job ended, and go on to its own end when they were the last."""
    if state == JobState.QUEUED:
        start([job.pk])
    segment, last = ended[-1]
    if isinstance(last, Delivered) and is_result(job, last):
        _succeed(job, segment, last)
        return
    events.tell_all(job, [_end_of(*one) for one in ended])
    if job.segments.filter(state__in=LIVE_SEGMENT).exists():
        return
    if isinstance(last, Delivered) or job.segments.filter(state=SegmentState.DONE).exists():
        Job.objects.filter(pk=job.pk).update(**_in_turn(job))
        return
    fail(job, code=last.code, message=last.message)
    _let_join(job)


def _succeed(job: Job, segment: Segment, outcome: Delivered) -> None:
    """The only piece is the result: nothing is left to join, and the job ends with it."""
    charged = _share_of_quote(job, segment.units)
    moved = sql.update(
        Job,
        {"pk": job.pk, "state": JobState.PROCESSING},
        state=JobState.SUCCEEDED,
        finished_at=timezone.now(),
        audio=outcome.audio,
        audio_bytes=outcome.size,
        duration_ms=outcome.duration_ms,
        charged=charged,
    )
    if not moved:
        raise RuntimeError(f"job {job.pk} is over, but its only piece was not")
    _charge(job, charged)
    ended: events.Told = ("succeeded", None, {"charged": charged, "problems": 0})
    events.tell_all(job, [_end_of(segment, outcome), ended])
    outbound.announce(job, "generation.succeeded")


def _in_turn(job: Job) -> dict[str, Any]:
    """It may be joined: short jobs at once, before longer ones, but not for ever."""
    handicap = min(JOIN_PIECE * job.segment_count, LONGEST_HANDICAP)
    return {"is_joinable": True, "join_turn": timezone.now() + handicap}


def _let_join(job: Job) -> None:
    """A job that is over: what can be heard of it, if anything, is put together."""
    if job.segments.with_sound().exists():
        Job.objects.filter(pk=job.pk).update(**_in_turn(job))


def _of_no_piece(job: Job, audio: str) -> list[str]:
    """An earlier result that may go: a piece that was the whole result keeps its file."""
    if not audio or job.segments.filter(audio=audio).exists():
        return []
    return [audio]


def _keep(job: Job, result: dict[str, Any]) -> None:
    """Write a joined result; with a piece that came while it was made, it is joined again."""
    is_whole = job.joined_pieces in (None, job.segments.with_sound().count())
    again = None if is_whole else timezone.now() + NEXT_JOIN
    rows = Job.objects.filter(pk=job.pk)
    rows.update(**result, is_joinable=not is_whole, join_lease_until=again)


def _end_of(segment: Segment, outcome: Delivered | Refused) -> events.Told:
    if isinstance(outcome, Delivered):
        return "segment_done", segment, {"index": segment.index}
    message = moves.printable(outcome.message)[:300]
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
        failure_message=moves.printable(message)[:300],
        finished_at=timezone.now(),
        lease_until=None,
        waiting_reason="",
    )


def _settle(job: Job) -> int:
    """Charge for what was delivered, give the rest back; returns the charge."""
    done = job.segments.filter(state=SegmentState.DONE)
    charged = _share_of_quote(job, done.aggregate(units=Sum("units"))["units"] or 0)
    _charge(job, charged)
    Job.objects.filter(pk=job.pk).update(charged=charged)
    return charged


def _charge(job: Job, millicredits: int) -> None:
    """End the hold, and what its key is taken to have spent; the wallet is locked by the first."""
    ledger.settle(job.user.wallet, job_id=job.pk, captured=millicredits)
    spending.ended(job, millicredits)


def _share_of_quote(job: Job, delivered_units: int) -> int:
    if job.price is None:
        return 0  # nothing was agreed on, so nothing is owed
    return prices.settled(
        job.price, quoted_units=job.units, delivered_units=delivered_units, quoted=job.quoted
    )
