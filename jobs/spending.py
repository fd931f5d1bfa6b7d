"""What the work placed with an API key has cost so far: for its caps and its owner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import BigIntegerField, Case, F, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from jobs.models import Job
from jobs.states import LIVE_JOB
from speechsite.accounts.models import ApiKey
from speechsite.credits.models import LedgerEntry

# Charged where the work ended, held where it did not.
COST = Case(When(Q(state__in=LIVE_JOB), then=F("quoted")), default=F("charged"))

_REFUNDS = LedgerEntry.objects.filter(job_id=OuterRef("pk"), kind=LedgerEntry.Kind.REFUND)
# What was charged for a job and not given back since: summed up, what the ledger says.
NET = F("charged") - Coalesce(
    Subquery(_REFUNDS.order_by().values("available_delta")[:1]), 0, output_field=BigIntegerField()
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Millicredits of one key, and of all that it replaced or was replaced by."""

    today: int = 0
    this_month: int = 0
    in_all: int = 0


@dataclass(frozen=True, slots=True)
class Calendar:
    """When the running day and month began, and when they end."""

    day: datetime
    next_day: datetime
    month: datetime
    next_month: datetime


def calendar() -> Calendar:
    """Days and months of the site's own time zone, whoever asks."""
    now = timezone.localtime(timezone=timezone.get_default_timezone())
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = day.replace(day=1)
    next_month = (month + timedelta(days=32)).replace(day=1)
    return Calendar(day, day + timedelta(days=1), month, next_month)


def of_key(key: ApiKey, since: datetime | None = None) -> int:
    """What a key spent since then. A key that was rotated goes on where the old one was."""
    jobs = Job.objects.filter(api_key_id__in=family_of(key))
    if since is not None:
        jobs = jobs.filter(created_at__gte=since)
    return jobs.aggregate(total=Sum(COST))["total"] or 0


def family_of(key: ApiKey) -> set[int]:
    """The key, those it replaces and those that replace it: one cap counts for all."""
    family: set[int] = set()
    fresh = {key.pk}
    while fresh:
        family |= fresh
        older = ApiKey.objects.filter(pk__in=fresh, replaces__isnull=False)
        younger = ApiKey.objects.filter(replaces__in=fresh)
        pairs = (older | younger).values_list("pk", "replaces_id")
        fresh = {pk for pair in pairs for pk in pair if pk is not None} - family
    return family


def by_key(keys: Iterable[ApiKey]) -> dict[int, Spent]:
    """What each of one account's keys spent, in one look at its jobs."""
    keys = list(keys)
    heads = _heads(keys)
    now = calendar()
    rows = (
        Job.objects.filter(api_key_id__in=heads)
        .values("api_key_id")
        .annotate(
            today=Sum(COST, filter=Q(created_at__gte=now.day), default=0),
            this_month=Sum(COST, filter=Q(created_at__gte=now.month), default=0),
            in_all=Sum(COST, default=0),
        )
        .order_by()
    )
    sums: dict[int, Spent] = {}
    for row in rows:
        head = heads[row["api_key_id"]]
        before = sums.get(head, Spent())
        sums[head] = Spent(
            before.today + row["today"],
            before.this_month + row["this_month"],
            before.in_all + row["in_all"],
        )
    return {key.pk: sums.get(heads[key.pk], Spent()) for key in keys}


def _heads(keys: Iterable[ApiKey]) -> dict[int, int]:
    """For each key the first of its family. All keys of the account must be given."""
    older = {key.pk: key.replaces_id for key in keys}

    def head(pk: int) -> int:
        while (before := older.get(pk)) is not None and before in older:
            pk = before
        return pk

    return {pk: head(pk) for pk in older}
