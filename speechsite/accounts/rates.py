"""Requests per second: one number per account says until when its allowance is used.

A request moves the number on by its share of a second; it may run at most one second
ahead of the clock, so a burst of a second's worth passes and the rest has to wait. The
number is kept in this process, in Redis where there is one, and in the database where
several web processes run without Redis. It decides nothing about money.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db.models import F, Q

from speechsite.accounts.models import Allowance

logger = logging.getLogger(__name__)

SECOND = 1_000_000  # microseconds, in which everything here is counted
AHEAD = SECOND  # how far an account may run ahead of the clock
MOST_REMEMBERED = 10_000  # accounts whose number this process keeps
REDIS_PATIENCE = 1.0  # seconds
PREFIX = "speechsite:allowance"  # of the names in Redis

# KEYS: the account's number. ARGV: a request's share, the longest run ahead.
# A number further ahead was written before the clock was set back: it counts for nothing.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local share, ahead = tonumber(ARGV[1]), tonumber(ARGV[2])
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if used < now or used > now + ahead then used = now end
if used + share > now + ahead then return {0, used, now} end
redis.call('SET', KEYS[1], string.format('%.0f', used + share), 'PX', 2000)
return {1, used + share, now}
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of one request; all times are microseconds."""

    is_admitted: bool
    used_until: int
    now: int
    share: int

    @property
    def remaining(self) -> int:
        """How many more requests would pass at this moment."""
        return max(self.now + AHEAD - self.used_until, 0) // self.share

    @property
    def wait(self) -> float:
        """Seconds until the next request passes."""
        return max(self.used_until + self.share - self.now - AHEAD, 0) / SECOND


def take(account: int, per_second: int) -> Taken:
    """Count one request of an account, if its allowance still has room for it."""
    # Nothing at all, where nothing is allowed: such a share never fits.
    share = max(SECOND // per_second, 1) if per_second else AHEAD + 1
    if settings.REDIS_URL:
        return _from_redis(account, share)
    if settings.WEB_PROCESSES > 1:
        return _from_database(account, share)
    return _from_memory(account, share)


_used: dict[int, int] = {}
_lock = threading.Lock()


def _from_memory(account: int, share: int) -> Taken:
    now = _now()
    with _lock:
        if len(_used) > MOST_REMEMBERED:
            _forget(now)
        used = _sane(_used.get(account, 0), now)
        if used + share > now + AHEAD:
            return Taken(False, used, now, share)
        _used[account] = used + share
    return Taken(True, used + share, now, share)


def _forget(now: int) -> None:
    """Drop those who have their whole allowance again: forgetting them changes nothing."""
    for account in [account for account, used in _used.items() if _sane(used, now) == now]:
        del _used[account]


def _from_database(account: int, share: int) -> Taken:
    now = _now()
    row = Allowance.objects.filter(pk=account)
    # Two guarded UPDATEs, of which at most one finds the row: no lock, no lost request.
    stale = Q(used_until__lt=now) | Q(used_until__gt=now + AHEAD)
    is_admitted = share <= AHEAD and bool(
        row.filter(stale).update(used_until=now + share)
        or row.filter(used_until__gte=now, used_until__lte=now + AHEAD - share).update(
            used_until=F("used_until") + share
        )
    )
    used = row.values_list("used_until", flat=True).first()
    if used is None:
        Allowance.objects.bulk_create([Allowance(user_id=account)], ignore_conflicts=True)
        return _from_database(account, share)
    return Taken(is_admitted, _sane(used, now), now, share)


def _from_redis(account: int, share: int) -> Taken:
    import redis

    try:
        admitted, used, now = _script(settings.REDIS_URL)(
            keys=[f"{PREFIX}:{account}"], args=[share, AHEAD]
        )
    except redis.RedisError as error:
        # Whoever waits for a counter serves nobody: this process counts alone for a while.
        logger.warning("Redis does not count requests: %s", type(error).__name__)
        return _from_memory(account, share)
    return Taken(bool(admitted), int(used), int(now), share)


def _sane(used: int, now: int) -> int:
    """An allowance as it counts now: one too far ahead dates from before a clock was set back."""
    return used if now <= used <= now + AHEAD else now


@lru_cache(maxsize=2)
def _script(url: str) -> Any:
    import redis

    client = redis.Redis.from_url(
        url, socket_timeout=REDIS_PATIENCE, socket_connect_timeout=REDIS_PATIENCE
    )
    return client.register_script(_TAKE)


def _now() -> int:
    return int(time.time() * SECOND)
