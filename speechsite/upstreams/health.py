"""The circuit breaker of a channel: closed, open, half open.

All moves are conditional updates on the row, so any number of workers agree.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from speechsite.providers.errors import (
    AccountEmpty,
    BadCredentials,
    RateLimited,
    TaskFailed,
    Unavailable,
)
from speechsite.upstreams.models import Channel

FAILURES_TO_OPEN = 5
REST = timedelta(seconds=30)
COUNTED = {error.code for error in (Unavailable, TaskFailed, AccountEmpty, BadCredentials)}
OPERATOR = {error.code for error in (AccountEmpty, BadCredentials)}
OPERATOR_REST = timedelta(minutes=5)  # a wrong key or an empty account does not heal by itself


def note_success(channel: Channel) -> None:
    """The channel works: forget its failures."""
    Channel.objects.filter(pk=channel.pk).exclude(
        breaker=Channel.Breaker.CLOSED, failures=0
    ).update(breaker=Channel.Breaker.CLOSED, failures=0, resting_until=None, last_error="")


def note_postponed(channel: Channel, code: str, reason: str, due_in: float) -> None:
    """The channel did not take the work, by the code of the provider's error.

    A request to slow down lets it rest; its own failures are counted, and too many
    of them, or one that only the operator can cure, open the breaker.
    """
    row = Channel.objects.filter(pk=channel.pk)
    now = timezone.now()
    if code == RateLimited.code:
        row.update(resting_until=now + timedelta(seconds=due_in), last_error=reason[:300])
        return
    if code not in COUNTED:
        return
    row.update(failures=F("failures") + 1, last_error=f"{code}: {reason}"[:300])
    if code in OPERATOR:
        row.update(breaker=Channel.Breaker.OPEN, resting_until=now + OPERATOR_REST)
        return
    tired = row.filter(failures__gte=FAILURES_TO_OPEN) | row.filter(
        breaker=Channel.Breaker.HALF_OPEN
    )
    tired.update(breaker=Channel.Breaker.OPEN, resting_until=now + REST)


def note_limit(channel: Channel, maximum: int) -> None:
    """The provider says how many calls it allows at once."""
    if channel.observed_concurrency != maximum and maximum > 0:
        Channel.objects.filter(pk=channel.pk).update(observed_concurrency=maximum)
        channel.observed_concurrency = maximum


def is_rested(channel: Channel) -> bool:
    """Whether a channel that failed has rested long enough to be tried once more."""
    is_open = channel.breaker == Channel.Breaker.OPEN
    return is_open and channel.resting_until is not None and channel.resting_until <= timezone.now()


def half_open_rested() -> None:
    """Let channels whose rest is over try once more."""
    Channel.objects.filter(breaker=Channel.Breaker.OPEN, resting_until__lte=timezone.now()).update(
        breaker=Channel.Breaker.HALF_OPEN
    )


def reset(channel: Channel) -> None:
    """An administrator says that it works again."""
    Channel.objects.filter(pk=channel.pk).update(
        breaker=Channel.Breaker.CLOSED, failures=0, resting_until=None, last_error=""
    )
