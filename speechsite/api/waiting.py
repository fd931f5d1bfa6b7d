"""Waits for a job on behalf of a client that stays on the line."""

from __future__ import annotations

import asyncio
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from jobs.models import Job
from jobs.states import FINAL_JOB

FIRST = 0.05  # seconds between looks, growing
LONGEST = 0.5


async def finished(job_id: UUID, seconds: float) -> Job:
    """The job when it is over, or as it stands when the time is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    pause = FIRST
    while True:
        state = await sync_to_async(_state, thread_sensitive=False)(job_id)
        if state in FINAL_JOB or loop.time() >= deadline:
            return await sync_to_async(_whole, thread_sensitive=False)(job_id)
        await asyncio.sleep(min(pause, max(deadline - loop.time(), 0)))
        pause = min(pause * 1.5, LONGEST)


def _state(job_id: UUID) -> str:
    close_old_connections()
    return Job.objects.values_list("state", flat=True).get(pk=job_id)


def _whole(job_id: UUID) -> Job:
    close_old_connections()
    return Job.objects.select_related("voice", "model", "user", "price").get(pk=job_id)
