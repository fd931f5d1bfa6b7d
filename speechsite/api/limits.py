"""How much a caller may do: requests per second, jobs at once, and a key's caps.

How requests are counted is the business of `rates`. Limits that concern money are
checked in the transaction that places the order, behind the lock on the wallet, and
read only the database.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import concurrency, spending
from jobs.models import Job
from speechsite.accounts import plans, rates
from speechsite.api.auth import Caller
from speechsite.api.errors import CapReached, ConcurrencyLimited, RateLimited
from speechsite.credits.prices import format_credits

UNLIMITED = 1_000_000
CONCURRENCY_RETRY = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class RateState:
    """What the X-RateLimit headers say; `reset` is in Unix seconds."""

    limit: int
    remaining: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


def admit(caller: Caller) -> RateState:
    """Count one request. Raises RateLimited when the plan's second is used up."""
    limit = plans.plan_of(caller.user).requests_per_second
    if limit is None:
        return RateState(UNLIMITED, UNLIMITED, int(time.time()) + 1)
    taken = rates.take(caller.user.pk, limit)
    # Whole again at this moment; headers know only whole seconds.
    reset = math.ceil(max(taken.used_until, taken.now) / rates.SECOND)
    if not taken.is_admitted:
        raise RateLimited(
            _("Your plan allows %s requests per second.") % limit,
            limit="plan_requests_per_second",
            retry_after=taken.wait,
            resets_at=datetime.fromtimestamp(reset, tz=UTC),
        )
    return RateState(limit, taken.remaining, reset)


def check_for(caller: Caller) -> Callable[[Job], None]:
    """The check that placing runs behind the wallet's lock."""

    def check(job: Job) -> None:
        job.under_way = check_concurrency(caller)
        check_caps(caller, job)

    return check


def check_concurrency(caller: Caller) -> int:
    """How many jobs are under way, the new one included; no more than the plan allows."""
    try:
        return concurrency.check(caller.user)
    except concurrency.TooManyAtOnce as error:
        raise ConcurrencyLimited(
            error.message, limit="plan_concurrent_jobs", retry_after=CONCURRENCY_RETRY
        ) from error


def check_caps(caller: Caller, job: Job) -> None:
    """No more through this key than its caps allow, the new job included."""
    key = caller.key
    if key.daily_cap is None and key.monthly_cap is None and key.total_cap is None:
        return
    now, spent = spending.calendar(), spending.of_key(key)
    for name, cap, used, resets_at in (
        ("key_daily_cap", key.daily_cap, spent.today, now.next_day),
        ("key_monthly_cap", key.monthly_cap, spent.this_month, now.next_month),
        ("key_total_cap", key.total_cap, spent.in_all, None),
    ):
        if cap is not None and used > cap:
            raise _cap_reached(name, cap, used - job.quoted, job.quoted, resets_at)


def _cap_reached(
    name: str, cap: int, used: int, needed: int, resets_at: datetime | None
) -> CapReached:
    message = _("This key may spend %(cap)s credits; %(used)s are used and %(needed)s are needed.")
    figures = {"cap": cap, "used": used, "needed": needed}
    wait = (resets_at - timezone.now()).total_seconds() if resets_at is not None else None
    return CapReached(
        message % {key: format_credits(value) for key, value in figures.items()},
        limit=name,
        needed=needed,
        available=max(cap - used, 0),
        retry_after=wait,
        resets_at=resets_at,
    )
