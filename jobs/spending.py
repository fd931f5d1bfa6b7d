"""What the work placed with an API key has cost so far: for its caps and its owner.

A sum for each key and day, moved in the transaction that holds a job's price or ends its
hold, and behind the same lock on the wallet: it is exact whenever anybody may order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import (
    BigIntegerField,
    Case,
    DateTimeField,
    Exists,
    F,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from jobs.models import Job, KeyDay
from jobs.states import LIVE_JOB
from speechsite.accounts.models import ApiKey
from speechsite.core import sql
from speechsite.credits.audit import Difference
from speechsite.credits.models import LedgerEntry

# Charged where the work ended, held where it did not.
COST = Case(When(Q(state__in=LIVE_JOB), then=F("quoted")), default=F("charged"))

_REFUNDS = LedgerEntry.objects.filter(job_id=OuterRef("pk"), kind=LedgerEntry.Kind.REFUND)
# What was charged for a job and not given back since: summed up, what the ledger says.
NET = F("charged") - Coalesce(
    Subquery(_REFUNDS.order_by().values("available_delta")[:1]), 0, output_field=BigIntegerField()
)
_ADD = """
    UPDATE jobs_keyday SET millicredits = millicredits + %s
    WHERE since >= %s AND id = (
        SELECT id FROM jobs_keyday WHERE api_key_id = %s AND since <= %s
        ORDER BY since DESC LIMIT 1
    )
"""
_MOMENT = DateTimeField()
_ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)


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
    day = _day_of(timezone.now())
    month = day.replace(day=1)
    next_month = (month + timedelta(days=32)).replace(day=1)
    return Calendar(day, day + timedelta(days=1), month, next_month)


def held(job: Job) -> None:
    """A job's price was set aside. Belongs in that transaction, after the hold."""
    if job.api_key_id is None or not job.quoted:
        return
    if not _add(job, job.quoted, since=_day_of(job.created_at)):
        first = KeyDay(api_key_id=job.api_key_id, since=job.created_at, millicredits=job.quoted)
        sql.insert(first)


def ended(job: Job, charged: int) -> None:
    """A job's hold ended with this charge. Belongs in that transaction, after the ending."""
    if job.api_key_id is not None and charged != job.quoted:
        _add(job, charged - job.quoted, since=_ALWAYS)


def of_key(key: ApiKey) -> Spent:
    """What a key spent. One that was rotated goes on where the old one was."""
    found = ApiKey.objects.filter(user_id=key.user_id).order_by()
    older = dict(found.values_list("pk", "replaces_id"))
    heads = _heads(older)
    head = heads[key.pk]
    family = [pk for pk, first in heads.items() if first == head]
    return _sums(family, heads).get(head, Spent())


def by_key(keys: Iterable[ApiKey]) -> dict[int, Spent]:
    """What each of one account's keys spent. All keys of the account must be given."""
    heads = _heads({key.pk: key.replaces_id for key in keys})
    sums = _sums(heads, heads)
    return {pk: sums.get(head, Spent()) for pk, head in heads.items()}


def differences() -> Iterator[Difference]:
    """Where the sums are not those of the jobs, added up again by the database."""
    for day in _added_again().exclude(millicredits=F("added")).order_by("pk").iterator():
        subject = f"key {day.api_key_id} since {day.since:%Y-%m-%d %H:%M}"
        problem = "what it spent is not the sum of its jobs"
        yield Difference(subject, problem, int(day.added), day.millicredits)
    begun = KeyDay.objects.filter(api_key=OuterRef("api_key"), since__lte=OuterRef("created_at"))
    uncounted = Job.objects.filter(~Exists(begun), api_key__isnull=False).order_by("api_key")
    by_key = uncounted.values_list("api_key").annotate(total=Sum(COST)).exclude(total=0)
    for key, total in by_key.iterator():
        yield Difference(f"key {key}", "jobs of it are in no sum", 0, int(total))


# --- private ---------------------------------------------------------------------------------


def _day_of(moment: datetime) -> datetime:
    here = timezone.localtime(moment, timezone.get_default_timezone())
    return here.replace(hour=0, minute=0, second=0, microsecond=0)


def _add(job: Job, millicredits: int, *, since: datetime) -> int:
    """Add to the sum that a job is counted in, if it began by then; whether there was one."""
    first, last = (_MOMENT.get_db_prep_value(one, connection) for one in (since, job.created_at))
    return sql.changed(_ADD, (millicredits, first, job.api_key_id, last))


def _heads(older: Mapping[int, int | None]) -> dict[int, int]:
    """For each key the first of its family: those it replaces and those that replace it."""

    def head(pk: int) -> int:
        while (before := older.get(pk)) is not None:
            pk = before
        return pk

    return {pk: head(pk) for pk in older}


def _sums(keys: Collection[int], heads: dict[int, int]) -> dict[int, Spent]:
    """By the first of each family, what all of it spent."""
    now = calendar()
    rows = KeyDay.objects.filter(api_key__in=keys).values("api_key_id")
    sums: dict[int, Spent] = {}
    for row in rows.annotate(
        today=Sum("millicredits", filter=Q(since__gte=now.day), default=0),
        this_month=Sum("millicredits", filter=Q(since__gte=now.month), default=0),
        in_all=Sum("millicredits"),
    ):
        head = heads[row["api_key_id"]]
        before = sums.get(head, Spent())
        sums[head] = Spent(
            before.today + int(row["today"]),
            before.this_month + int(row["this_month"]),
            before.in_all + int(row["in_all"]),
        )
    return sums


def _added_again() -> Any:
    """Each sum beside that of the jobs from its moment to the next one's."""
    later = KeyDay.objects.filter(api_key=OuterRef("api_key"), since__gt=OuterRef("since"))
    until = Subquery(later.order_by("since").values("since")[:1])
    counted = Job.objects.filter(
        api_key=OuterRef("api_key"),
        created_at__gte=OuterRef("since"),
        created_at__lt=OuterRef("until"),
    )
    added = counted.order_by().values("api_key").annotate(total=Sum(COST)).values("total")
    return KeyDay.objects.annotate(
        until=Coalesce(until, Value(_NEVER), output_field=_MOMENT),
        added=Coalesce(Subquery(added), 0, output_field=BigIntegerField()),
    )
