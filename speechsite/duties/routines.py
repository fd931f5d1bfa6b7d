"""What comes again and again: each minute, each hour, each night.

When it is due is a row: whoever runs it writes the next time only once it is over, so a
night's work that dies is done again within a minute.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from speechsite.duties import leases
from speechsite.duties.models import Routine

logger = logging.getLogger(__name__)

TRY_AGAIN = timedelta(minutes=10)  # what failed is not left until the next night


@dataclass(frozen=True, slots=True)
class Plan:
    """How a routine is called and when it comes next after a moment."""

    function: str
    following: Callable[[datetime], datetime]
    is_now_at_first: bool


PLANS: dict[str, Plan] = {}


def every(function: str, pause: timedelta) -> None:
    """Have a function, by its dotted name, called again and again; called when the site loads.

    What it returns, numbers by name if anything, is added up: see `counts`.
    """
    PLANS[function] = Plan(function, lambda now: now + pause, is_now_at_first=True)


def nightly(function: str, hour: int = 3, minute: int = 0) -> None:
    """Have a function called each night, at an hour of TIME_ZONE; called when the site loads."""

    def following(now: datetime) -> datetime:
        local = timezone.localtime(now)
        then = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return then if then > local else then + timedelta(days=1)

    PLANS[function] = Plan(function, following, is_now_at_first=False)


def due() -> list[str]:
    """The routines that can be begun now."""
    rows = {row.name: row for row in Routine.objects.filter(name__in=PLANS)}
    for name in PLANS.keys() - rows.keys():
        rows[name] = _begin_with(PLANS[name])
    now = timezone.now()
    return [name for name, row in rows.items() if row.due_at <= now and _is_free(row, now)]


def run(name: str) -> None:
    """Do a routine, unless somebody else is doing it or it is not due."""
    now = timezone.now()
    row = Routine.objects.filter(pk=name)
    is_due = Q(due_at__lte=now)
    if not row.filter(leases.free() & is_due).update(lease_until=now + leases.LEASE, began_at=now):
        return
    error, counted = "", None
    with leases.kept(row):
        try:
            counted = import_string(PLANS[name].function)()
        except Exception as failed:
            logger.exception("%s failed", name)
            error = f"{type(failed).__name__}: {failed}"[:200].replace("\x00", "")
    ended = timezone.now()
    following = PLANS[name].following(ended)
    if counted:
        _add_up(name, counted)
    row.update(
        ended_at=ended,
        lease_until=None,
        error=error,
        due_at=min(following, ended + TRY_AGAIN) if error else following,
    )


def counts(name: str) -> dict[str, int]:
    """What a routine has counted in all, by what it calls it."""
    return Routine.objects.filter(pk=name).values_list("counts", flat=True).first() or {}


def lateness(since: datetime) -> dict[str, float]:
    """For each routine, by how many seconds it is late; one under way is late until it ends.

    What was due before `since` counts from then: while nobody could look, nobody was late.
    """
    now = timezone.now()
    due_at = dict(Routine.objects.filter(name__in=PLANS).values_list("name", "due_at"))
    for name, plan in PLANS.items():
        due_at.setdefault(name, since if plan.is_now_at_first else now)
    return {name: max((now - max(due_at[name], since)).total_seconds(), 0.0) for name in PLANS}


def _add_up(name: str, counted: dict[str, int]) -> None:
    """Keep what a routine has counted; its lease is ours, so nobody else writes it."""
    before = counts(name)
    total = {kind: before.get(kind, 0) + number for kind, number in counted.items()}
    Routine.objects.filter(pk=name).update(counts={**before, **total})


def _begin_with(plan: Plan) -> Routine:
    now = timezone.now()
    first = now if plan.is_now_at_first else plan.following(now)
    return Routine.objects.get_or_create(name=plan.function, defaults={"due_at": first})[0]


def _is_free(row: Routine, now: datetime) -> bool:
    return row.lease_until is None or row.lease_until <= now
