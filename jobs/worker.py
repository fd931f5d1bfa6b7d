"""The worker: many segments at once on one asyncio loop.

It claims what is due, lets the adapters work side by side, and writes what came of
it. Adapters run on the loop; the database and the codecs run in threads, the
database in one only, so claims and records go out in small batches.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections
from django.utils import timezone

from jobs import ahead, attempts, batches, briefs, claims, ending, joining, lifecycle, lost
from jobs.adapters import Adapters
from jobs.models import Job, Segment
from jobs.outcomes import Delivered, Outcome, Postponed, Refused, StillRunning
from jobs.states import SegmentState
from speechsite.providers.errors import ProviderError, Unsupported
from speechsite.providers.types import Order
from speechsite.upstreams import channels, health
from speechsite.upstreams.models import Channel, Offer

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

MAX_IN_FLIGHT = 256
MAX_HELD = MAX_IN_FLIGHT + 64  # with those whose sound is being stored
MAX_JOINS = 2
BATCH = 64
CROWD = 32  # calls under way from which on results are gathered for a moment
GATHER = 0.03  # seconds in which results are gathered, among many calls
TICK = 0.1  # seconds between looks for new work while some is under way
BEAT = 1.0  # seconds between renewals of our leases; also how fast a cancel is seen
SWEEP = 5.0  # seconds between looks for dead workers and expired leases
SLICE = 300.0  # seconds after which a run stops claiming and hands over to a fresh one
LONGER = 3  # times the slice, for a run that joins a book while it is being spoken
MISSES = 5  # times that results are kept back when they cannot be written
DRAIN = 10.0  # seconds that calls in flight get when the site stops


class Worker:
    """One run: from the first claim until nothing is under way."""

    def __init__(self, stop: Callable[[], bool], seconds: float = SLICE) -> None:
        self.name = claims.worker_name()
        self.stop = stop
        self.seconds = seconds
        self.adapters = Adapters()
        self.lookups: dict[int, lost.Lookups] = {}
        self.calls: dict[int, asyncio.Task[None]] = {}
        self.joins: dict[UUID, asyncio.Task[None]] = {}
        self.results: list[tuple[Segment, Outcome]] = []
        # Pieces whose calls have ended, until that is written: their places are free already.
        self.over: set[int] = set()
        self.ahead = ahead.Room(self.name, stop)
        self.misses = 0
        self.changed = asyncio.Event()
        self.clerk = ThreadPoolExecutor(1, thread_name_prefix="clerk")

    async def run(self) -> None:
        """Work until nothing is under way, the slice is over, or the site stops."""
        begun = time.monotonic()
        beat = sweep = 0.0
        try:
            while True:
                now = time.monotonic()
                if now - sweep >= SWEEP:
                    sweep = now
                    await self._db(self._sweep)
                if now - beat >= BEAT:
                    beat = now
                    await self._renew()
                await self._record()
                await self._look_ahead(may_begin=now - begun <= self.seconds)
                is_over = self.stop() or self._is_late(now - begun)
                claimed = 0 if is_over else await self._claim()
                if self.stop():
                    await self._drain()
                    return
                if self._is_idle() and (is_over or not await self._db(claims.anything_under_way)):
                    return
                if not claimed:
                    await self._pause()
                elif len(self.calls) >= CROWD and claimed < BATCH // 2:
                    # Among many calls one always ends soon: a few at a time cost far less.
                    await asyncio.sleep(GATHER)
        finally:
            await self._close()

    def _is_late(self, seconds: float) -> bool:
        # While a book is put together the others are not kept waiting.
        is_long = bool(self.ahead.jobs) and seconds <= self.seconds * LONGER
        return seconds > self.seconds and not self.joins and not is_long

    def _is_idle(self) -> bool:
        return not self.calls and not self.joins and not self.results

    # --- claiming ----------------------------------------------------------------------------

    async def _claim(self) -> int:
        speaking = len(self.calls.keys() - self.over)
        room = min(MAX_IN_FLIGHT - speaking, MAX_HELD - len(self.calls), BATCH)
        found = await self._db(self._claim_rows, room, MAX_JOINS - len(self.joins), set(self.over))
        submissions, due, joins = found
        for segment, order in submissions:
            self._start(segment, self._submit(segment, order))
        for segment, order in due:
            self._start(segment, self._follow(segment, order))
        for job in joins:
            self.joins[job.pk] = asyncio.create_task(self._join(job))
        return len(submissions) + len(due) + len(joins)

    def _claim_rows(
        self, room: int, joins: int, over: set[int]
    ) -> tuple[list[Any], list[Any], list[Job]]:
        # What is under way comes first: it is paid for, and new work must not crowd it out.
        taken = claims.claim_due(self.name, limit=room)
        offers = briefs.offers_of(taken)
        gone = Refused("channel_gone", "The provider was removed.", possible_cost=True)
        lifecycle.record_all([(one, gone) for one in taken if one.pk not in offers])
        due = _orders([(one, offers[one.pk]) for one in taken if one.pk in offers])
        begun = claims.claim_waiting(self.name, limit=max(room - len(due), 0), over=over)
        waiting = _orders([(claim.segment, claim.offer) for claim in begun])
        return waiting, due, claims.claim_joins(self.name, limit=joins)

    def _start(self, segment: Segment, work: Coroutine[Any, Any, Outcome]) -> None:
        self.calls[segment.pk] = asyncio.create_task(self._finish_call(segment, work))

    async def _finish_call(self, segment: Segment, work: Coroutine[Any, Any, Outcome]) -> None:
        outcome: Outcome | None = None
        try:
            outcome = await work
        except Exception:
            # Its lease runs out, and it is taken up again by the rules for a dead worker.
            logger.exception("segment %s: an attempt failed in our own code", segment.pk)
        finally:
            if self.calls.get(segment.pk) is asyncio.current_task():
                del self.calls[segment.pk]
            if outcome is None:
                self.over.discard(segment.pk)
        if outcome is None:
            return
        self.results.append((segment, outcome))
        if isinstance(outcome, Delivered):
            self.ahead.note(segment.job)
        self.changed.set()

    # --- calling -----------------------------------------------------------------------------

    async def _submit(self, segment: Segment, order: Any) -> Outcome:
        try:
            adapter = self.adapters.of(segment.channel)
        except ProviderError as error:
            return Postponed(error.message, code=error.code, leave_out=True, due_in=0.2)
        return await attempts.submit(adapter, order, segment, partial(self.over.add, segment.pk))

    async def _follow(self, segment: Segment, order: Any) -> Outcome:
        try:
            adapter = self.adapters.of(segment.channel)
        except ProviderError as error:
            # A channel that cannot be opened any more must not hold credits for ever.
            unasked = StillRunning(
                attempts.LONGEST_WAIT, is_answer=False, raw={"error": str(error)}
            )
            return attempts.in_time(unasked, segment, timezone.now())
        if segment.state == SegmentState.UNKNOWN:
            known = await self._db(briefs.known_items, segment)
            lookups = self.lookups.setdefault(segment.channel_id or 0, lost.Lookups())
            return await lost.resolve(
                adapter, order, segment, timezone.now(), lookups=lookups, known=known
            )
        return await attempts.look(adapter, order, segment, timezone.now())

    # --- recording ---------------------------------------------------------------------------

    async def _record(self) -> None:
        if not self.results:
            return
        batch, self.results = self.results, []
        try:
            await self._db(self._record_rows, batch)
            self.over.difference_update(segment.pk for segment, _ in batch)
            self.misses = 0
        except batches.DATABASE_IS_AWAY:
            # It is paid for: a deadlock or a database that restarts must not throw it away.
            self.results = batch + self.results
            self.misses += 1
            if self.misses > MISSES:
                raise
            await self._db(connections.close_all)
            await asyncio.sleep(BEAT)

    def _record_rows(self, batch: list[tuple[Segment, Outcome]]) -> None:
        batches.record(batch)
        for channel in {segment.channel for segment, _ in batch}:
            self._note_limit(channel)

    def _note_limit(self, channel: Channel | None) -> None:
        """Obey what the provider's own headers allow."""
        known = self.adapters.known(channel)
        if channel is not None and known is not None and known.concurrency is not None:
            health.note_limit(channel, known.concurrency[1])

    async def _renew(self) -> None:
        joins = [*self.joins, *self.ahead.jobs]
        if not self.calls and not joins:
            return
        gone = await self._db(claims.renew, self.name, list(self.calls), joins)
        for pk in gone:
            task = self.calls.get(pk)
            if task is not None:
                task.cancel()

    def _sweep(self) -> None:
        claims.release_dead()
        lifecycle.expire_waiting()
        for segment in claims.expired():
            if segment.pk not in self.calls:
                lifecycle.record(segment, _after_death(segment.channel))

    # --- joining -----------------------------------------------------------------------------

    async def _look_ahead(self, *, may_begin: bool) -> None:
        # A crowd of calls needs the processor more than a book that is not spoken yet.
        if self.stop() or len(self.calls) >= CROWD or not self.ahead.is_due():
            return
        try:
            whole = await self._db(partial(self.ahead.look, may_begin=may_begin))
        except Exception:
            logger.exception("long jobs are not joined ahead now")
            return
        for job in whole:
            self.joins[job.pk] = asyncio.create_task(self._join(job))

    async def _join(self, job: Job) -> None:
        try:
            parts = await self._db(joining.parts_of, job)
            joined = await self._begun_ahead(job, parts)
            if joined is None:
                stopped = self._stopped(job.pk)
                joined = await asyncio.to_thread(joining.join, job, parts, stopped)
            await self._db(ending.finish, job, joined)
        except joining.Interrupted:
            await self._db(joining.hand_back, job)
        except Exception as error:
            logger.exception("job %s: joining failed", job.pk)
            await self._db(lifecycle.give_up_joining, job, type(error).__name__)
        finally:
            self.ahead.forget(job.pk)
            self.joins.pop(job.pk, None)
            self.changed.set()

    async def _begun_ahead(
        self, job: Job, parts: Sequence[joining.StoredPart]
    ) -> joining.Joined | None:
        """The result of a join that was begun ahead; None when it has to begin now."""
        begun = await self._db(self.ahead.take, job.pk, parts)
        if begun is None:
            return None
        try:
            return await asyncio.wrap_future(begun.future)
        except asyncio.CancelledError:
            begun.drop()
            raise
        except joining.Interrupted:
            raise
        except Exception:
            return None

    def _stopped(self, job_id: UUID) -> Callable[[], bool]:
        return lambda: self.stop() or job_id not in self.joins

    # --- waiting and ending ------------------------------------------------------------------

    async def _pause(self) -> None:
        self.changed.clear()
        if self.results:
            return
        try:
            await asyncio.wait_for(self.changed.wait(), TICK)
        except TimeoutError:
            return

    async def _drain(self) -> None:
        """The site stops: calls in flight get a moment to answer and to be recorded.

        What is cut off then is taken up again by the rules for a dead worker.
        """
        deadline = time.monotonic() + DRAIN
        while (self.calls or self.joins or self.results) and time.monotonic() < deadline:
            await self._record()
            await self._pause()
        await self._record()

    async def _close(self) -> None:
        tasks = [*self.calls.values(), *self.joins.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.adapters.aclose()
        await self._db(self.ahead.close)
        if tasks or self.results:
            await self._db(self._let_go)
        await self._db(connections.close_all)
        self.clerk.shutdown(wait=False)

    def _let_go(self) -> None:
        """What was cut off need not wait until its lease has run out: this process may live on."""
        try:
            claims.let_go(self.name)
        except DatabaseError:
            logger.warning("leases of a run that broke off have to run out", exc_info=True)

    async def _db(self, function: Callable[..., Result], *args: Any) -> Result:
        return await sync_to_async(function, thread_sensitive=False, executor=self.clerk)(*args)


def _orders(pairs: Sequence[tuple[Segment, Offer]]) -> list[tuple[Segment, Order]]:
    """What the adapters get."""
    context = briefs.context_of([segment for segment, _ in pairs])
    made = [(segment, _order(segment, offer, context)) for segment, offer in pairs]
    return [(segment, order) for segment, order in made if order is not None]


def _order(segment: Segment, offer: Offer, context: briefs.Context) -> Order | None:
    """What its adapter gets; a piece that cannot be told fails and stops nobody else."""
    try:
        return briefs.brief(segment, offer, context)
    except batches.DATABASE_IS_AWAY:
        raise
    except Unsupported as error:
        lifecycle.record(segment, attempts.not_here(error))
        return None
    except Exception:
        logger.exception("segment %s: no order could be made of it", segment.pk)
        lifecycle.record(segment, Refused("internal_error", "The order could not be read."))
        return None


def _after_death(channel: Channel | None) -> Outcome:
    # Nobody can say any more what became of it when its channel was removed.
    features = channels.features_of(channel) if channel is not None else frozenset()
    return attempts.after_death(features)
