"""Waits for jobs on behalf of clients that stay on the line.

However many wait, one query looks for all of them: a waiting client costs neither a
thread nor a database connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import DatabaseError

from jobs.models import Job
from jobs.states import FINAL_JOB
from speechsite.core.threads import in_thread

logger = logging.getLogger(__name__)

PAUSE = 0.05  # seconds between looks


async def finished(job_id: UUID, seconds: float) -> Job:
    """The job when it is over, or as it stands when the time is. Raises Job.DoesNotExist."""
    job = await in_thread(_whole, job_id)
    if job.is_finished or seconds <= 0:
        return job
    loop = asyncio.get_running_loop()
    watch = _watches.setdefault(loop, _Watch())
    try:
        with suppress(TimeoutError):
            await watch.over(job_id, seconds)
    finally:
        # Its task knows the loop: kept longer, it would keep every loop that ever was.
        if not watch.waiting:
            _watches.pop(loop, None)
    return await in_thread(_whole, job_id)


class _Watch:
    """Everybody who waits on one event loop."""

    def __init__(self) -> None:
        self.waiting: dict[UUID, set[asyncio.Future[None]]] = {}
        self.task: asyncio.Task[None] | None = None

    async def over(self, job_id: UUID, seconds: float) -> None:
        """Returns when the job is over. Raises TimeoutError."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(job_id, set()).add(future)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._look())
        try:
            await asyncio.wait_for(future, seconds)
        finally:
            self._leave(job_id, future)

    def _leave(self, job_id: UUID, future: asyncio.Future[None]) -> None:
        others = self.waiting.get(job_id, set())
        others.discard(future)
        if not others:
            self.waiting.pop(job_id, None)

    async def _look(self) -> None:
        """Look for all of them until nobody waits any more."""
        while self.waiting:
            try:
                over = await in_thread(_over, list(self.waiting))
            except DatabaseError as error:
                # Whoever waits is answered when the time is; the next look may succeed.
                logger.warning("waiting for jobs: %s", type(error).__name__)
                over = []
            for job_id in over:
                for future in self.waiting.pop(job_id, set()):
                    if not future.done():
                        future.set_result(None)
            await asyncio.sleep(PAUSE)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()


def _over(job_ids: Collection[UUID]) -> list[UUID]:
    jobs = Job.objects.filter(pk__in=job_ids, state__in=FINAL_JOB).order_by()
    return list(jobs.values_list("pk", flat=True))


def _whole(job_id: UUID) -> Job:
    return Job.objects.select_related("voice", "model", "user", "price").get(pk=job_id)
