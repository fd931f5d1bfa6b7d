"""What the queue runs. Each task takes ids at most, and may run twice or not at all."""

from __future__ import annotations

import asyncio

from django.core.files.storage import default_storage

from jobs import lifecycle, placing, renditions, retention
from jobs.worker import Worker
from speechsite.core import queue


def work() -> None:
    """There may be work: do what is due, and ask for another run if some is left."""
    asyncio.run(_work())


async def _work() -> None:
    await Worker(queue.is_stopping).run()


def watch() -> None:
    """The safety net, each minute: wake the worker and end what has waited too long."""
    lifecycle.expire_waiting()
    retention.sweep()
    queue.enqueue(placing.WORK)


def ensure_schedules() -> None:
    """See to it that the safety net is stretched."""
    queue.every_minute("jobs.tasks.watch")


def remove_file(name: str) -> None:
    """Delete a stored file and its renditions; a file that is gone already is fine."""
    for one in (name, *renditions.names_beside(name)):
        if default_storage.exists(one):
            default_storage.delete(one)
