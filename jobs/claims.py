"""Who works on what: conditional updates with leases, fair between accounts.

A claim is an UPDATE that says "if nobody else has it"; two workers never get the
same row. A lease that is not renewed runs out, and the work is claimable again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Count, F, Min, Prefetch, Q, QuerySet, Value, When, Window
from django.db.models.functions import Length, RowNumber
from django.utils import timezone

from jobs import lifecycle, room, turns
from jobs.models import BULKY, Job, Segment
from jobs.states import LIVE_SEGMENT, SegmentState
from speechsite.core import holders
from speechsite.core.holders import LEASE
from speechsite.upstreams import routing
from speechsite.upstreams.models import Offer

LEFT = timedelta(seconds=2)  # a living worker takes what is due sooner, if there is room
JOIN_LEASE = timedelta(seconds=60)
BATCH = 400  # pieces of dead workers that are looked at in one go
SPARE = 32  # pieces looked at beyond those that are wanted: some may have to wait


@dataclass(frozen=True, slots=True)
class Claim:
    """A segment that is ours to submit, with the offer to submit it through."""

    segment: Segment
    offer: Offer


def worker_name() -> str:
    """Says which process on which machine holds a lease, so that its death can be seen."""
    return holders.new_name()


def claim_waiting(worker: str, *, limit: int, over: Collection[int] = ()) -> list[Claim]:
    """Take up to `limit` due segments, a turn each per account; `submitting` is now saved.

    `over` are the worker's own whose calls have ended: they take no room any more.

    Accounts with the least in flight come first, so ten thousand segments of one
    customer do not delay another's first.
    """
    if limit <= 0 or not _waiting().exists():
        return []
    now = timezone.now()
    with transaction.atomic():
        board = room.board(routing.sold(), now, over)
        chosen = _chosen(board, min(limit, sum(board.room.values())), now)
        claims = _take(chosen, worker, now)
    lifecycle.start({claim.segment.job_id for claim in claims})
    return claims


def claim_one(worker: str, pk: int, able: Callable[[Offer], bool]) -> Claim | None:
    """Take one waiting segment, due or not, through an offer that is able; None if we cannot.

    For the process that placed it and speaks it itself.
    """
    now = timezone.now()
    waiting = Segment.objects.filter(pk=pk, state=SegmentState.WAITING)
    with transaction.atomic():
        # The job's row first, as whoever ends it does: so nobody waits in a circle.
        room.lock(Job.objects.filter(pk__in=waiting.values("job_id")))
        row = waiting.select_related("voice").first()
        if row is None:
            return None
        fit = [offer for offer in routing.sold(row.model_slug) if able(offer)]
        board = room.board(fit, now)
        try:
            need = routing.Need(len(row.text), row.voice.listed_by if row.voice else ())
            offer = board.take(row.model_slug, excluded=row.excluded_channels, need=need)
        except routing.NoChannel:
            return None
        claims = _take({pk: offer}, worker, now)
        lifecycle.start({claim.segment.job_id for claim in claims})
    return claims[0] if claims else None


def claim_due(worker: str, *, limit: int) -> list[Segment]:
    """Take accepted or unclear segments whose time to be asked about has come."""
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    due = Segment.objects.unfinished().filter(
        free, state__in=(SegmentState.RUNNING, SegmentState.UNKNOWN), due_at__lte=now
    )
    ids = list(due.order_by("due_at").values_list("pk", flat=True)[:limit])
    if not ids:
        return []
    taken = [pk for pk in ids if due.filter(pk=pk).update(worker=worker, lease_until=now + LEASE)]
    return list(_for_work(taken).order_by("due_at"))


def claim_joins(worker: str, *, limit: int) -> list[Job]:
    """Take jobs whose pieces are all final and whose audio is not yet put together.

    In their turn: what waits is passed by short ones for a while only.
    """
    if limit <= 0:
        return []
    turn = F("join_turn").asc(nulls_first=True)
    ids = _joinable().order_by(turn).values_list("pk", flat=True)[:limit]
    return _take_joins(worker, ids)


def claim_join(worker: str, pk: UUID) -> Job | None:
    """Take one job whose pieces are all final; None when it is not so far or somebody has it."""
    return next(iter(_take_joins(worker, [pk])), None)


def renew(worker: str, segments: Iterable[int], joins: Iterable[UUID]) -> set[int]:
    """Lengthen our leases; returns the segments that are no longer ours to work on."""
    now = timezone.now()
    segments = set(segments)
    ours = Segment.objects.filter(pk__in=segments, worker=worker, state__in=LIVE_SEGMENT)
    with transaction.atomic():
        # A row that somebody is writing keeps its lease until the next beat: who holds
        # many rows and never waits for one cannot be part of a deadlock.
        free = list(ours.select_for_update(skip_locked=True).values_list("pk", flat=True))
        ours.filter(pk__in=free).update(lease_until=now + LEASE)
    Job.objects.filter(pk__in=list(joins), joiner=worker).update(join_lease_until=now + JOIN_LEASE)
    return segments - set(ours.values_list("pk", flat=True))


def expired() -> list[Segment]:
    """Segments whose worker died in the middle of a call."""
    now = timezone.now()
    return list(
        Segment.objects.unfinished()
        .filter(state=SegmentState.SUBMITTING, lease_until__lte=now)
        .select_related("channel", "job")
        .order_by("pk")[:BATCH]
    )


def release_dead() -> int:
    """End the leases of processes of this machine that no longer live; how many there were.

    A killed worker's pieces are taken up at once instead of after the lease, and so is what
    a killed web process had reserved for itself.
    """
    now = timezone.now()
    named = Segment.objects.unfinished().exclude(worker="")
    held = named.filter(lease_until__gt=now)
    reserved = named.filter(state=SegmentState.WAITING, due_at__gt=now)
    joining = Job.objects.filter(join_lease_until__gt=now, is_joinable=True)
    names = set(named.order_by().values_list("worker", flat=True).distinct())
    names |= set(joining.order_by().values_list("joiner", flat=True).distinct())
    dead = [name for name in names if holders.is_dead(name)]
    if not dead:
        return 0
    freed = held.filter(worker__in=dead).update(lease_until=now)
    freed += reserved.filter(worker__in=dead).update(due_at=now, worker="")
    return freed + joining.filter(joiner__in=dead).update(join_lease_until=None)


def let_go(worker: str) -> None:
    """End the leases of a run that is over, though its process lives on."""
    now = timezone.now()
    Segment.objects.unfinished().filter(worker=worker, lease_until__gt=now).update(lease_until=now)
    Job.objects.filter(joiner=worker, join_lease_until__gt=now).update(join_lease_until=None)


def anything_left() -> bool:
    """Whether something is due that nobody has taken for a while, or may be joined by anybody."""
    since = timezone.now() - LEFT
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=since)
    waits = Q(state=SegmentState.WAITING, due_at__lte=since)
    is_to_be_asked = Q(state__in=(SegmentState.RUNNING, SegmentState.UNKNOWN), due_at__lte=since)
    was_being_sent = Q(state=SegmentState.SUBMITTING, lease_until__lte=since)
    left = Segment.objects.unfinished().filter(waits | (is_to_be_asked & free) | was_being_sent)
    return left.exists() or _joinable().exists()


def anything_under_way() -> bool:
    """Whether anything is under way anywhere: a worker stays while there is."""
    return Segment.objects.unfinished().exists() or Job.objects.filter(is_joinable=True).exists()


# --- private ---------------------------------------------------------------------------------


def _joinable() -> QuerySet[Job]:
    return Job.objects.joined_by_nobody().filter(is_joinable=True)


def _take_joins(worker: str, ids: Iterable[UUID]) -> list[Job]:
    until = timezone.now() + JOIN_LEASE
    ours = {"joiner": worker, "join_lease_until": until}
    taken = [pk for pk in list(ids) if _joinable().filter(pk=pk).update(**ours)]
    if not taken:
        return []
    return list(Job.objects.filter(pk__in=taken).select_related("user", "price", "model", "voice"))


def _waiting() -> QuerySet[Segment]:
    rows = Segment.objects.unfinished()
    return rows.filter(state=SegmentState.WAITING, due_at__lte=timezone.now())


def _chosen(board: routing.Board, limit: int, now: datetime) -> dict[int, Offer]:
    """Which segment goes through which offer, at most `limit` of them."""
    models = _open_models(board, now)
    if limit <= 0 or not models:
        return {}
    waiting = _waiting().filter(model_slug__in=models)
    order = list(islice(turns.order(_lines(waiting), _in_flight()), limit + SPARE))
    rows = _first_rows(waiting, order)
    chosen: dict[int, Offer] = {}
    for job in order:
        if len(chosen) == limit:
            break
        row = next(rows[job], None)
        offer = _offer_for(row, board, now) if row is not None else None
        if row is not None and offer is not None:
            chosen[row["pk"]] = offer
    return chosen


def _open_models(board: routing.Board, now: datetime) -> list[str]:
    """Waiting models that somebody can take now; the others are told why they wait."""
    models = set(_waiting().order_by().values_list("model_slug", flat=True).distinct())
    open_models = []
    for model in models:
        reason = board.why_not(model)
        if reason is None:
            open_models.append(model)
        elif not reason.is_busy:
            _tell(_waiting().filter(model_slug=model), reason.text, now)
    return open_models


def _tell(waiting: QuerySet[Segment], reason: str, now: datetime) -> None:
    """Say why these wait. The time in which they may find a provider begins with the first word."""
    deadline = now + timedelta(seconds=settings.WAITING_DEADLINE_SECONDS)
    unaware = waiting.filter(waiting_reason="", submitted_at__isnull=True)
    unaware.update(waiting_reason=reason[:200], deadline_at=deadline)
    waiting.exclude(waiting_reason=reason[:200]).update(waiting_reason=reason[:200])


def _lines(waiting: QuerySet[Segment]) -> list[turns.Line]:
    rows = waiting.order_by().values_list("user_id", "job_id")
    return [turns.Line(*row) for row in rows.annotate(Min("pk"), Count("pk"))]


def _in_flight() -> dict[tuple[int, UUID], int]:
    rows = Segment.objects.unfinished().filter(state__in=room.IN_FLIGHT).order_by()
    counted = rows.values_list("user_id", "job_id").annotate(Count("pk"))
    return {(user, job): count for user, job, count in counted}


def _first_rows(waiting: QuerySet[Segment], order: list[UUID]) -> Any:
    """By job, its first due rows: enough for all the turns it got."""
    wanted = max((order.count(job) for job in set(order)), default=0)
    place = Window(RowNumber(), partition_by=F("job_id"), order_by=F("index").asc())
    rows = waiting.filter(job_id__in=set(order)).annotate(place=place).filter(place__lte=wanted)
    found = defaultdict(list)
    columns = ("pk", "job_id", "model_slug", "excluded_channels", "attempts", "voice__listed_by")
    sized = rows.annotate(characters=Length("text")).order_by("job_id", "index")
    for row in sized.values(*columns, "characters"):
        found[row["job_id"]].append(row)
    return defaultdict(lambda: iter(()), {job: iter(rows) for job, rows in found.items()})


def _offer_for(row: dict[str, Any], board: routing.Board, now: datetime) -> Offer | None:
    need = routing.Need(row["characters"], row["voice__listed_by"] or ())
    try:
        return board.take(row["model_slug"], excluded=row["excluded_channels"], need=need)
    except routing.NoChannel as none:
        if none.is_busy:
            return None
        waiting = Segment.objects.filter(pk=row["pk"], state=SegmentState.WAITING)
        pause = timedelta(seconds=2 ** min(row["attempts"], 6))
        # Everybody failed once: forget who, wait a little longer, and let the attempts decide.
        waiting.update(waiting_reason=none.reason[:200], due_at=now + pause, excluded_channels=[])
        return None


def _take(chosen: dict[int, Offer], worker: str, now: datetime) -> list[Claim]:
    """Make them ours, one UPDATE for each channel; what somebody is writing is left alone."""
    # Waiting for a turn is no trouble: the time for trouble begins with the first attempt.
    deadline = now + timedelta(seconds=settings.WAITING_DEADLINE_SECONDS)
    waiting = Segment.objects.filter(pk__in=chosen, state=SegmentState.WAITING)
    free = waiting.order_by("pk").select_for_update(skip_locked=True)
    parts: dict[int, list[int]] = defaultdict(list)
    for pk in list(free.values_list("pk", flat=True)):
        parts[chosen[pk].channel_id].append(pk)
    for channel, keys in parts.items():
        waiting.filter(pk__in=keys).update(
            state=SegmentState.SUBMITTING,
            channel=channel,
            worker=worker,
            attempts=F("attempts") + 1,
            lease_until=now + LEASE,
            deadline_at=Case(
                When(submitted_at__isnull=True, then=Value(deadline)), default=F("deadline_at")
            ),
            submitted_at=now,
            waiting_reason="",
        )
    keys = [pk for keys in parts.values() for pk in keys]
    return [Claim(row, chosen[row.pk]) for row in _for_work(keys).order_by("pk")]


def _for_work(keys: Iterable[int]) -> QuerySet[Segment]:
    """Pieces with all that their orders are made of; pieces of one job share it."""
    jobs = Job.objects.select_related("model", "upload").defer(*BULKY)
    rows = Segment.objects.filter(pk__in=list(keys))
    return rows.prefetch_related(Prefetch("job", jobs), "channel", "voice")
