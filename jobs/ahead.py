"""Joins begun ahead: of a long job, the finished beginning is encoded while the rest is spoken.

All of it is a guess that may be thrown away at any moment, and nothing but time is lost
then: who joins a job is decided by `claims`, how it ends by `lifecycle`. The state lives
in one worker; what the others see of it is the lease by which they leave the job alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from uuid import UUID

from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone

from jobs import claims, intake, joining
from jobs.joining import Joined, StoredPart
from jobs.models import Job, Segment
from jobs.states import LIVE_JOB, LIVE_SEGMENT
from speechsite.audio.join import can_grow

logger = logging.getLogger(__name__)

# One keeps the codec's cores busy, and the engine needs them too.
MOST = 1
# Shorter ones are encoded in a moment.
LEAST_CHARACTERS = 20_000
LEAST_PIECES = 6
PATIENCE = 120.0  # seconds without a next piece after which the place is given to another job
BATCH = 100  # pieces that are looked at in one go
LOOK = 1.0  # seconds between looks for pieces that other workers spoke


class Begun:
    """The join of one job, fed piece by piece; a thread encodes them as they come."""

    def __init__(self, job: Job, hands: ThreadPoolExecutor, stop: Callable[[], bool]) -> None:
        self.job = job
        self.given: list[StoredPart] = []
        self.next_index = 0
        self.fed_at = time.monotonic()
        self._stop = stop
        self._dropped = threading.Event()
        self._coming: SimpleQueue[StoredPart | None] = SimpleQueue()
        self.future: Future[Joined] = hands.submit(
            joining.join_growing, job, self._parts(), self._is_over
        )
        self.future.add_done_callback(partial(_tell, job.pk))

    def give(self, part: StoredPart) -> None:
        self.given.append(part)
        self._coming.put(part)
        self.fed_at = time.monotonic()

    def complete(self, parts: Sequence[StoredPart]) -> bool:
        """Give the rest, after which nothing comes; False if these are not what we began with."""
        begun = len(self.given)
        # One piece alone may be copied as it is, which is better than encoding it again.
        if len(parts) < 2 or self.given != list(parts[:begun]) or self.future.done():
            return False
        for part in parts[begun:]:
            self.give(part)
        self._coming.put(None)
        return True

    def drop(self) -> None:
        """Stop, and leave no file behind; more than once does no harm."""
        self._dropped.set()
        self._coming.put(None)
        self.future.add_done_callback(_discard)

    def _parts(self) -> Iterator[StoredPart]:
        while (part := self._coming.get()) is not None:
            yield part
        if self._is_over():
            raise joining.Interrupted

    def _is_over(self) -> bool:
        return self._dropped.is_set() or self._stop()


class Room:
    """What one worker has begun. What asks the database is called in its database thread."""

    def __init__(self, worker: str, stop: Callable[[], bool]) -> None:
        self._worker = worker
        self._stop = stop
        self._begun: dict[UUID, Begun] = {}
        self._claimed: dict[UUID, Begun] = {}  # whole, and about to be taken
        self._heard: dict[UUID, Job] = {}
        self._left: set[UUID] = set()
        self._looked_at = 0.0
        self._hands = ThreadPoolExecutor(MOST, thread_name_prefix="ahead")

    @property
    def jobs(self) -> list[UUID]:
        """Those whose lease is to be renewed."""
        return list(self._begun)

    def note(self, job: Job) -> None:
        """A piece of this job was spoken."""
        if _is_worth_it(job):
            self._heard[job.pk] = job

    def is_due(self) -> bool:
        """Whether there may be something to look at."""
        if self._heard:
            return True
        return bool(self._begun) and time.monotonic() - self._looked_at >= LOOK

    def look(self, *, may_begin: bool) -> list[Job]:
        """Begin, and hand over what was spoken; jobs that are whole are claimed and returned."""
        self._looked_at = time.monotonic()
        heard, self._heard = self._heard, {}
        for job in list(heard.values()):
            if may_begin and len(self._begun) < MOST:
                self._begin(job)
        found = [self._go_on(begun) for begun in list(self._begun.values())]
        return [job for job in found if job is not None]

    def take(self, pk: UUID, parts: Sequence[StoredPart]) -> Begun | None:
        """What was begun of a job that we claimed, now complete; None if it is of no use."""
        begun = self._claimed.pop(pk, None) or self._begun.pop(pk, None)
        if begun is None or begun.complete(parts):
            return begun
        begun.drop()
        return None

    def forget(self, pk: UUID) -> None:
        """A join is over; if it never took what was begun, that is dropped."""
        begun = self._claimed.pop(pk, None)
        if begun is not None:
            begun.drop()

    def close(self) -> None:
        """Drop everything."""
        for begun in (*self._begun.values(), *self._claimed.values()):
            begun.drop()
        self._hands.shutdown(wait=False)
        try:
            for pk in self._begun:
                self._release(pk)
        except DatabaseError:
            logger.warning("leases of joins begun ahead have to run out", exc_info=True)
        self._begun.clear()

    def _begin(self, job: Job) -> None:
        if job.pk in self._begun or job.pk in self._left:
            return
        until = timezone.now() + claims.JOIN_LEASE
        if _free(job.pk).update(joiner=self._worker, join_lease_until=until):
            self._begun[job.pk] = Begun(job, self._hands, self._stop)

    def _go_on(self, begun: Begun) -> Job | None:
        is_whole = _feed(begun)
        if is_whole:
            self._release(begun.job.pk)
            job = claims.claim_join(self._worker, begun.job.pk)
            if job is not None:
                self._claimed[job.pk] = self._begun.pop(job.pk)
                return job
        if is_whole or begun.future.done() or time.monotonic() - begun.fed_at > PATIENCE:
            self._leave(begun)
        return None

    def _leave(self, begun: Begun) -> None:
        pk = begun.job.pk
        del self._begun[pk]
        self._left.add(pk)
        begun.drop()
        self._release(pk)

    def _release(self, pk: UUID) -> None:
        Job.objects.filter(pk=pk, joiner=self._worker).update(join_lease_until=None)


def _is_worth_it(job: Job) -> bool:
    return (
        job.characters >= LEAST_CHARACTERS
        and job.segment_count >= LEAST_PIECES
        and can_grow(job.output_format)
    )


def _free(pk: UUID) -> QuerySet[Job]:
    """The job's row, if it is under way and nobody else has begun to join it."""
    return Job.objects.joined_by_nobody().filter(pk=pk, state__in=LIVE_JOB)


def _feed(begun: Begun) -> bool:
    """Give what can be heard, up to the first piece that is not over; True when all are."""
    rows = Segment.objects.filter(job_id=begun.job.pk, index__gte=begun.next_index)
    columns = ("index", "state", "audio", "audio_format")
    found = rows.order_by("index").values_list(*columns)[:BATCH]
    for index, state, audio, form in found:
        if state in LIVE_SEGMENT:
            return False
        if audio:
            begun.give(joining.stored_part(audio, form))
        begun.next_index = index + 1
    return len(found) < BATCH


def _tell(pk: UUID, future: Future[Joined]) -> None:
    """Say what went wrong; the job is joined in the ordinary way then."""
    error = None if future.cancelled() else future.exception()
    if error is not None and not isinstance(error, joining.Interrupted):
        logger.warning("job %s: joining ahead failed", pk, exc_info=error)


def _discard(future: Future[Joined]) -> None:
    """Remove what came of a join that nobody wants any more."""
    if not future.cancelled() and future.exception() is None:
        intake.discard(future.result().audio)
