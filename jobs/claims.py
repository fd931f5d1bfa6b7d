"""Who works on what: conditional updates with leases, fair between accounts.

A claim is one UPDATE that says "if nobody else has it"; two workers never get the
same row. A lease that is not renewed runs out, and the work is claimable again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from jobs import lifecycle
from jobs.models import Job, Segment
from jobs.states import LIVE_SEGMENT, SegmentState
from speechsite.core.ids import new_token
from speechsite.upstreams import routing
from speechsite.upstreams.models import Channel, Offer

LEASE = timedelta(seconds=30)
JOIN_LEASE = timedelta(seconds=60)
IN_FLIGHT = (SegmentState.SUBMITTING, SegmentState.RUNNING)
SCAN = 400  # accounts looked at in one round


@dataclass(frozen=True, slots=True)
class Claim:
    """A segment that is ours to submit, with the offer to submit it through."""

    segment: Segment
    offer: Offer


def worker_name() -> str:
    """Says which process on which machine holds a lease, so that its death can be seen."""
    return f"{socket.gethostname()[:24]}:{os.getpid()}:{_started(os.getpid())}:{new_token()[:6]}"


def claim_waiting(worker: str, *, limit: int) -> list[Claim]:
    """Take up to `limit` due segments, a turn each per account; `submitting` is now saved.

    Accounts with the least in flight come first, so ten thousand segments of one
    customer do not delay another's first.
    """
    if limit <= 0 or not _waiting().exists():
        return []
    now = timezone.now()
    with transaction.atomic():
        board = routing.board(_busy(), _recent(now))
        candidates = _candidates(_open_models(board), min(limit, sum(board.room.values())))
        chosen: list[tuple[Segment, Offer]] = []
        for row in candidates:
            offer = _choose(row, board, now) if len(chosen) < limit else None
            if offer is not None:
                chosen.append((row, offer))
        # In the order of their keys: two workers that lock the same rows never wait in a ring.
        chosen.sort(key=lambda pair: pair[0].pk)
        claims = [Claim(row, offer) for row, offer in chosen if _take(row, offer, worker, now)]
    lifecycle.start({claim.segment.job_id for claim in claims})
    return claims


def claim_due(worker: str, *, limit: int) -> list[Segment]:
    """Take accepted or unclear segments whose time to be asked about has come."""
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    due = Segment.objects.filter(
        free, state__in=(SegmentState.RUNNING, SegmentState.UNKNOWN), due_at__lte=now
    )
    ids = list(due.order_by("due_at").values_list("pk", flat=True)[:limit])
    if not ids:
        return []
    taken = [pk for pk in ids if due.filter(pk=pk).update(worker=worker, lease_until=now + LEASE)]
    return list(
        Segment.objects.filter(pk__in=taken).select_related("channel", "job", "voice", "job__model")
    )


def claim_joins(worker: str, *, limit: int) -> list[Job]:
    """Take jobs whose pieces are all final and whose audio is not yet put together."""
    if limit <= 0:
        return []
    now = timezone.now()
    ready = Job.objects.filter(
        Q(join_lease_until__isnull=True) | Q(join_lease_until__lte=now), is_joinable=True
    )
    ids = list(ready.order_by("segment_count").values_list("pk", flat=True)[:limit])
    taken = [
        pk
        for pk in ids
        if ready.filter(pk=pk).update(joiner=worker, join_lease_until=now + JOIN_LEASE)
    ]
    return list(Job.objects.filter(pk__in=taken).select_related("user", "price", "model", "voice"))


def renew(worker: str, segments: Iterable[int], joins: Iterable[object]) -> set[int]:
    """Lengthen our leases; returns the segments that are no longer ours to work on."""
    now = timezone.now()
    segments = set(segments)
    ours = Segment.objects.filter(pk__in=segments, worker=worker, state__in=LIVE_SEGMENT)
    ours.update(lease_until=now + LEASE)
    Job.objects.filter(pk__in=list(joins), joiner=worker).update(join_lease_until=now + JOIN_LEASE)
    return segments - set(ours.values_list("pk", flat=True))


def expired() -> list[Segment]:
    """Segments whose worker died in the middle of a call."""
    now = timezone.now()
    return list(
        Segment.objects.filter(state=SegmentState.SUBMITTING, lease_until__lte=now)
        .select_related("channel", "job")
        .order_by("pk")[:SCAN]
    )


def release_dead() -> int:
    """End the leases of processes of this machine that no longer live; how many there were.

    A killed worker's pieces are taken up at once instead of after the lease.
    """
    now = timezone.now()
    held = Segment.objects.filter(state__in=LIVE_SEGMENT, lease_until__gt=now).exclude(worker="")
    joining = Job.objects.filter(join_lease_until__gt=now, is_joinable=True)
    names = set(held.order_by().values_list("worker", flat=True).distinct())
    names |= set(joining.order_by().values_list("joiner", flat=True).distinct())
    dead = [name for name in names if _is_dead(name)]
    if not dead:
        return 0
    freed = held.filter(worker__in=dead).update(lease_until=now)
    return freed + joining.filter(joiner__in=dead).update(join_lease_until=None)


def anything_under_way() -> bool:
    """Whether anything is under way anywhere: a worker stays while there is."""
    return (
        Segment.objects.filter(state__in=LIVE_SEGMENT).exists()
        or Job.objects.filter(is_joinable=True).exists()
    )


# --- private ---------------------------------------------------------------------------------


def _waiting() -> QuerySet[Segment]:
    return Segment.objects.filter(state=SegmentState.WAITING, due_at__lte=timezone.now())


def _open_models(board: routing.Board) -> list[str]:
    """Waiting models that somebody can take now; the others are told why they wait."""
    models = set(_waiting().order_by().values_list("model_slug", flat=True).distinct())
    open_models = []
    for model in models:
        reason = board.why_not(model)
        if reason is None:
            open_models.append(model)
        elif not reason.is_busy:
            told = _waiting().filter(model_slug=model).exclude(waiting_reason=reason.text[:200])
            told.update(waiting_reason=reason.text[:200])
    return open_models


def _candidates(models: list[str], limit: int) -> list[Segment]:
    """Due segments of these models in the order of their turns."""
    waiting = _waiting().filter(model_slug__in=models)
    accounts = list(waiting.order_by().values_list("user_id", flat=True).distinct()[:SCAN])
    if not accounts or limit <= 0:
        return []
    flying = _in_flight(accounts)
    accounts.sort(key=lambda account: flying.get(account, 0))
    share = -(-limit // len(accounts)) + 1
    turns: list[tuple[int, int, Segment]] = []
    for account in accounts[: limit + 1]:
        rows = (
            waiting.filter(user_id=account)
            .select_related("channel", "job", "voice", "job__model")
            .defer("job__text", "job__peaks")
            .order_by("pk")[: max(share, limit // 2)]
        )
        base = flying.get(account, 0)
        turns += [(base + turn, row.pk, row) for turn, row in enumerate(rows)]
    turns.sort(key=lambda item: item[:2])
    return [row for _, _, row in turns]


def _in_flight(accounts: list[int]) -> dict[int, int]:
    rows = Segment.objects.filter(state__in=IN_FLIGHT, user_id__in=accounts).order_by()
    return dict(rows.values_list("user_id").annotate(Count("pk")))


def _choose(row: Segment, board: routing.Board, now: datetime) -> Offer | None:
    try:
        return board.take(row.model_slug, excluded=_unable(row, board))
    except routing.NoChannel as none:
        if none.is_busy:
            return None
        waiting = Segment.objects.filter(pk=row.pk, state=SegmentState.WAITING)
        pause = timedelta(seconds=2 ** min(row.attempts, 6))
        # Everybody failed once: forget who, wait a little longer, and let the attempts decide.
        waiting.update(waiting_reason=none.reason[:200], due_at=now + pause, excluded_channels=[])
        return None


def _unable(row: Segment, board: routing.Board) -> set[int]:
    """Channels that failed this segment before, or that do not have its voice."""
    unable = set(row.excluded_channels)
    if row.voice is None or not row.voice.listed_by:
        return unable
    offers = board.offers.get(row.model_slug, [])
    lacking = {o.channel_id for o in offers if o.channel.slug not in row.voice.listed_by}
    # A test order is spoken by a built-in voice in its place.
    return unable if row.job.is_test else unable | lacking


def _take(row: Segment, offer: Offer, worker: str, now: datetime) -> bool:
    changes = {
        "state": SegmentState.SUBMITTING,
        "channel": offer.channel,
        "worker": worker,
        "lease_until": now + LEASE,
        "submitted_at": now,
        "waiting_reason": "",
    }
    waiting = Segment.objects.filter(pk=row.pk, state=SegmentState.WAITING)
    if not waiting.update(attempts=F("attempts") + 1, **changes):
        return False
    for name, value in changes.items():
        setattr(row, name, value)
    row.attempts += 1
    return True


def _busy() -> dict[int, int]:
    rows = Segment.objects.filter(state__in=IN_FLIGHT, channel__isnull=False).order_by()
    return dict(rows.values_list("channel_id").annotate(Count("pk")))


def _recent(now: datetime) -> dict[int, int]:
    """Calls begun inside each limited channel's window."""
    counts: dict[int, int] = {}
    for channel in Channel.objects.filter(rate_count__isnull=False, is_enabled=True):
        since = now - timedelta(seconds=channel.rate_seconds)
        counts[channel.pk] = Segment.objects.filter(channel=channel, submitted_at__gt=since).count()
    return counts


def _is_dead(name: str) -> bool:
    host, _, rest = name.partition(":")
    pid, _, rest = rest.partition(":")
    started = rest.partition(":")[0]
    if host != socket.gethostname()[:24] or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _started.__wrapped__(int(pid)) != started


@lru_cache(maxsize=2)
def _started(pid: int) -> str:
    """When a process began, in clock ticks since boot; empty where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19]
