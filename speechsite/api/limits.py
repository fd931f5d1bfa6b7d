"""How much a caller may do: requests per second, jobs at once, and a key's caps.

Requests per second are counted in this process, or in Redis where several web
processes share the work. Limits that concern money are checked in the transaction
that places the order, behind the lock on the wallet, and read only the database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import spending
from jobs.models import Job
from jobs.states import LIVE_JOB
from speechsite.accounts import plans
from speechsite.api.auth import Caller
from speechsite.api.errors import CapReached, ConcurrencyLimited, RateLimited
from speechsite.credits.prices import format_credits

MOST_REMEMBERED = 10_000  # callers whose window this process keeps
UNLIMITED = 1_000_000
CONCURRENCY_RETRY = 2.0  # seconds

# One window a second and caller: the first to write it makes it run out by itself.
_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], 2) end
return n
"""


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
    limit = plans.plan_of(caller.user).requests_per_second or UNLIMITED
    now = time.time()
    used = _count(caller.user.pk, int(now))
    reset = int(now) + 1
    if used > limit:
        raise RateLimited(
            _("Your plan allows %s requests per second.") % limit,
            limit="plan_requests_per_second",
            retry_after=1,
            resets_at=datetime.fromtimestamp(reset, tz=timezone.get_default_timezone()),
        )
    return RateState(limit, max(limit - used, 0), reset)


def check_for(caller: Caller) -> Callable[[Job], None]:
    """The check that placing runs behind the wallet's lock."""

    def check(job: Job) -> None:
        check_concurrency(caller)
        check_caps(caller, job)

    return check


def check_concurrency(caller: Caller) -> None:
    """No more jobs at once than the plan allows, the new one included."""
    allowed = plans.plan_of(caller.user).concurrent_jobs
    if allowed is None:
        return
    under_way = running_jobs(caller)
    if under_way > allowed:
        raise ConcurrencyLimited(
            _("Your plan allows %s jobs at once.") % allowed,
            limit="plan_concurrent_jobs",
            retry_after=CONCURRENCY_RETRY,
        )


def running_jobs(caller: Caller) -> int:
    """The account's jobs under way that came through the API."""
    jobs = Job.objects.filter(user=caller.user, source=Job.Source.API, state__in=LIVE_JOB)
    return jobs.count()


def check_caps(caller: Caller, job: Job) -> None:
    """No more through this key than its caps allow, the new job included."""
    key, now = caller.key, spending.calendar()
    for name, cap, since, resets_at in (
        ("key_daily_cap", key.daily_cap, now.day, now.next_day),
        ("key_monthly_cap", key.monthly_cap, now.month, now.next_month),
        ("key_total_cap", key.total_cap, None, None),
    ):
        if cap is None:
            continue
        used = spending.of_key(key, since)
        if used > cap:
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


_windows: dict[int, tuple[int, int]] = {}
_lock = threading.Lock()


def _count(user_id: int, second: int) -> int:
    """The requests of this account in this second, this one included."""
    if settings.REDIS_URL:
        return int(_script()(keys=[f"speechsite:rate:{user_id}:{second}"]))
    with _lock:
        if len(_windows) > MOST_REMEMBERED:
            _windows.clear()
        at, used = _windows.get(user_id, (second, 0))
        used = used + 1 if at == second else 1
        _windows[user_id] = (second, used)
    return used


@lru_cache(maxsize=1)
def _script() -> Any:
    import redis

    return redis.Redis.from_url(settings.REDIS_URL).register_script(_COUNT)
