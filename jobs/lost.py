"""What became of an order whose answer was lost, and what to do about it.

A missing or broken-off answer may hide an order that was taken and billed, so it is never
repeated blindly. It is sent again under its own key where the provider has such keys; looked
up where lost orders can be found; and where neither is possible it is sent again a limited
number of times, at the operator's risk and listed as a possible cost. No database here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from jobs import attempts
from jobs.models import Segment
from jobs.outcomes import Delivered, Lost, Outcome, Postponed, StillRunning
from speechsite.providers.base import Adapter
from speechsite.providers.errors import ProviderError, Unsupported
from speechsite.providers.types import Feature, Order, UpstreamEvent

# Seconds from an answer's loss to the first look for the order, and from look to look.
LOOKS = (2.0, 10.0, 20.0)
NOT_MADE_TRIES = 3  # orders of one segment that may get lost on their way
CALLBACK_WAIT = 60.0  # seconds in which a provider that was asked to would have called back


@dataclass(slots=True)
class Lookups:
    """What one channel's history was searched for, one lost order at a time.

    Two identical orders that were both lost are two items there: each gets its own.
    """

    taken: set[str] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


async def resolve(
    adapter: Adapter,
    order: Order,
    segment: Segment,
    now: datetime,
    *,
    lookups: Lookups,
    known: Collection[str] = (),
) -> Outcome:
    """Find out what became of an order whose answer was lost; never send it twice blindly.

    `known` are upstream ids that belong to other segments.
    """
    try:
        if segment.upstream_id:
            event = await adapter.check(segment.upstream_id)
            outcome = await attempts.read(adapter, event, order, segment)
        elif Feature.REPEAT in adapter.features:
            outcome = await _repeat(adapter, order, segment)
        elif Feature.FIND in adapter.features:
            found = await _found(adapter, order, segment.submitted_at or now, lookups, known)
            if found is None:
                outcome = _missing(segment, now)
            else:
                outcome = await _taken_from(lookups, adapter, found, order, segment)
        else:
            outcome = _untold(order, segment, now)
    except Unsupported:
        outcome = _untold(order, segment, now)
    except ProviderError as error:
        outcome = attempts.asked_in_vain(error, segment)
    return attempts.in_time(outcome, segment, now)


async def _taken_from(
    lookups: Lookups, adapter: Adapter, found: UpstreamEvent, order: Order, segment: Segment
) -> Outcome:
    outcome = await attempts.read(adapter, found, order, segment)
    if not isinstance(outcome, Delivered):
        lookups.taken.discard(found.upstream_id)
    return outcome


def _missing(segment: Segment, now: datetime) -> Outcome:
    """It is not where lost orders are kept; what is still not there in the end was never made."""
    looks = segment.looks + 1
    if looks < len(LOOKS) or _since_lost(segment, now) < sum(LOOKS):
        return StillRunning(LOOKS[min(looks, len(LOOKS) - 1)], is_missing=True)
    if segment.attempts >= NOT_MADE_TRIES:
        return attempts.unclear()
    reason = "The provider never made the audio."
    return Postponed(reason, code="not_made", due_in=0, leave_out=True)


def _untold(order: Order, segment: Segment, now: datetime) -> Outcome:
    """Nobody can be asked: a callback may come, if one was asked for; then it is sent again."""
    passed = _since_lost(segment, now)
    if order.callback_url and passed < CALLBACK_WAIT:
        return StillRunning(CALLBACK_WAIT - passed)
    if segment.resends < settings.UNCLEAR_RESENDS:
        reason = "The provider's answer was lost; the order is sent again."
        return Postponed(reason, code="sent_again", due_in=0, at_risk=True)
    if segment.resends and not order.callback_url:
        return attempts.unclear()
    return StillRunning(attempts.interval(segment.polls))


def _since_lost(segment: Segment, now: datetime) -> float:
    since = segment.lost_at or segment.submitted_at
    return (now - since).total_seconds() if since else 0.0


async def _found(
    adapter: Adapter, order: Order, since: datetime, lookups: Lookups, known: Collection[str]
) -> UpstreamEvent | None:
    async with lookups.turn:
        others = lookups.taken.union(known)
        found = await adapter.find(order, since - timedelta(minutes=1), others)
        if found is not None:
            lookups.taken.add(found.upstream_id)
        return found


async def _repeat(adapter: Adapter, order: Order, segment: Segment) -> Outcome:
    """Send a lost order once more under its key: the first task comes back, or it is made now."""
    outcome = await attempts.submit(adapter, order, segment)
    if isinstance(outcome, Postponed | Lost):
        # Not taken this time says nothing about the first time, so it may not go elsewhere.
        wait = max(attempts.interval(segment.polls), getattr(outcome, "due_in", 0.0))
        return StillRunning(wait, is_answer=False)
    return outcome
