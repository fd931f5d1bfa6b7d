"""One attempt at a segment: call the adapter, take in the audio, say what came of it.

No database here. Every way in which an attempt can end becomes an `Outcome`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta

from jobs import disk, intake
from jobs.models import Segment
from jobs.outcomes import Accepted, Lost, Outcome, Postponed, Refused, StillRunning
from jobs.states import SegmentState
from speechsite.audio import markup
from speechsite.providers.base import Adapter
from speechsite.providers.errors import (
    Garbled,
    ProviderError,
    RateLimited,
    TaskFailed,
    Unavailable,
    Unclear,
)
from speechsite.providers.types import (
    CleaningOrder,
    Feature,
    Order,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
)

logger = logging.getLogger(__name__)

FIRST_LOOK = 2.0  # seconds until a task is first asked about
LONGEST_WAIT = 30.0
TASK_LIMIT = timedelta(minutes=30)  # a task that runs longer is given up
FETCH_TRIES = 4
GARBLED_TRIES = 2


async def submit(
    adapter: Adapter, order: Order, segment: Segment, over: Callable[[], None] = lambda: None
) -> Outcome:
    """Send an order: at once with its audio, or as a task to be asked about.

    `over` is called when the provider has no more to do for audio that came at once.
    """
    try:
        with ExitStack() as stack:
            if isinstance(order, CleaningOrder):
                path = await asyncio.to_thread(disk.on_disk, str(order.path), stack)
                order = replace(order, path=path)
            return await _send(adapter, order, segment, over)
    except ProviderError as error:
        return outcome_of(error, adapter, segment)
    except Exception as error:
        logger.exception("segment %s: an attempt failed in our own code", segment.pk)
        return outcome_of(Unclear(f"internal error: {type(error).__name__}"), adapter, segment)


def in_time(outcome: Outcome, segment: Segment, now: datetime) -> Outcome:
    """What was asked about a task or a lost order, unless that has had its time.

    The time may have run out while nobody looked, so nothing is given up before one
    question that was due after it, or one that was answered.
    """
    limit = _limit(segment)
    if limit is None or now < limit or not isinstance(outcome, StillRunning):
        return outcome
    if outcome.fetch_failed or not (outcome.is_answer or segment.due_at >= limit):
        return outcome
    if segment.state == SegmentState.UNKNOWN:
        return unclear()
    return Refused("timed_out", "The provider did not finish in time.", possible_cost=True)


def _limit(segment: Segment) -> datetime | None:
    if segment.state == SegmentState.UNKNOWN:
        return segment.deadline_at
    return segment.submitted_at and segment.submitted_at + TASK_LIMIT


def unclear() -> Refused:
    message = "The provider's answer was lost and could not be found again."
    return Refused(Unclear.code, message, possible_cost=True)


async def look(adapter: Adapter, order: Order, segment: Segment, now: datetime) -> Outcome:
    """Ask about an accepted task, and fetch its audio when it is done."""
    try:
        event = await adapter.check(segment.upstream_id)
        outcome = await read(adapter, event, order, segment)
    except ProviderError as error:
        outcome = asked_in_vain(error, segment)
    except Exception:
        logger.exception("segment %s: asking failed in our own code", segment.pk)
        outcome = StillRunning(LONGEST_WAIT, is_answer=False)
    return in_time(outcome, segment, now)


def after_death(adapter_features: frozenset[Feature]) -> Outcome:
    """What becomes of a segment whose worker died while it was submitting."""
    if Feature.REPEAT in adapter_features and Feature.SPEAK in adapter_features:
        return Postponed("The worker was interrupted.", code="interrupted", due_in=0)
    return Lost("The worker was interrupted before the provider answered.")


def outcome_of(error: ProviderError, adapter: Adapter, segment: Segment) -> Outcome:
    """What an error means for the segment: again, elsewhere, later, or never."""
    raw = {"error": str(error), **error.raw}
    if isinstance(error, Unclear):
        if Feature.REPEAT in adapter.features and Feature.SPEAK in adapter.features:
            return Postponed("The engine was interrupted.", code=error.code, raw=raw)
        return Lost("The provider's answer was lost.", raw)
    if isinstance(error, RateLimited):
        wait = error.retry_after or 2.0
        reason = "The provider asks us to slow down."
        return Postponed(reason, code=error.code, due_in=wait, counts=False, raw=raw)
    if isinstance(error, Garbled):
        if Feature.FIND in adapter.features:
            # It was made and billed: the good copy may be found where lost orders are.
            return Lost("The audio was damaged on its way.", raw)
        if segment.attempts < GARBLED_TRIES:
            is_free = Feature.REPEAT in adapter.features or not adapter.bills
            reason = "The audio was damaged."
            return Postponed(reason, code=error.code, raw=raw, at_risk=not is_free)
        return Refused(error.code, "The provider's audio was damaged.", raw, possible_cost=True)
    if error.retryable:
        return not_here(error)
    return Refused(error.code, error.message, raw)


def not_here(error: ProviderError) -> Postponed:
    """This channel did not take it, and nothing was accepted: another one may."""
    reason = _REASONS.get(error.code, "The provider did not take the work.")
    raw = {"error": str(error), **error.raw}
    return Postponed(reason, code=error.code, due_in=0.2, leave_out=True, raw=raw)


_REASONS = {
    "unavailable": "The provider is not available.",
    "account_empty": "The provider's account needs attention.",
    "bad_credentials": "The provider's account needs attention.",
    "unsupported": "The provider cannot do this.",
    "generation_failed": "The provider failed to make the audio.",
}


async def _send(
    adapter: Adapter, order: Order, segment: Segment, over: Callable[[], None]
) -> Outcome:
    if isinstance(order, SpeechOrder) and not markup.is_speakable(order.text):
        # A long run of dashes between two paragraphs: nobody is paid for saying nothing.
        return await asyncio.to_thread(intake.silence, segment)
    if Feature.SUBMIT in adapter.features:
        return _taken(await adapter.submit(order))
    stream = adapter.clean(order) if isinstance(order, CleaningOrder) else adapter.speak(order)
    return await intake.receive(stream, segment, over=over)


def _taken(event: UpstreamEvent) -> Outcome:
    if event.error is not None:
        raise event.error
    return Accepted(event.upstream_id, FIRST_LOOK, event.raw)


async def read(adapter: Adapter, event: UpstreamEvent, order: Order, segment: Segment) -> Outcome:
    if event.state == UpstreamState.SUCCEEDED:
        return await _fetch(adapter, event, order, segment)
    if event.state == UpstreamState.FAILED:
        return outcome_of(event.error or TaskFailed(), adapter, segment)
    if event.state == UpstreamState.UNKNOWN:
        logger.warning("segment %s: unknown word from %s: %s", segment.pk, adapter.name, event.raw)
    return StillRunning(interval(segment.polls), raw=event.raw)


async def _fetch(adapter: Adapter, event: UpstreamEvent, order: Order, segment: Segment) -> Outcome:
    """Get the audio of a finished task; it is paid for, so a failed download is tried again."""
    try:
        return await intake.receive(
            adapter.fetch(event, order), segment, cost=event.cost, upstream_id=event.upstream_id
        )
    except ProviderError as error:
        if segment.fetches < FETCH_TRIES and isinstance(error, Garbled | Unavailable | Unclear):
            wait = interval(segment.fetches)
            return StillRunning(wait, fetch_failed=True, raw={"error": str(error)})
        message = "The provider's audio was damaged or gone."
        return Refused(Garbled.code, message, error.raw, possible_cost=True)


def asked_in_vain(error: ProviderError, segment: Segment) -> Outcome:
    """The task exists; only our question failed, so the task is never sent again."""
    passing = isinstance(error, RateLimited | Unavailable | Garbled | Unclear) or error.operator
    if not passing:
        return Refused(error.code, error.message, error.raw, possible_cost=True)
    wait = getattr(error, "retry_after", None) or interval(segment.polls)
    return StillRunning(wait, is_answer=False, raw={"error": str(error)})


def interval(polls: int) -> float:
    """2, 3, 4.5 … 30 seconds."""
    return min(FIRST_LOOK * 1.5 ** min(polls, 12), LONGEST_WAIT)
