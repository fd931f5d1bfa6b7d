"""What the queue runs. Each task takes ids at most, and may run twice or not at all."""

from __future__ import annotations

import asyncio
import logging

from django.core.files.storage import default_storage
from django.db import DatabaseError, connection

from jobs import (
    callbacks,
    claims,
    late,
    lifecycle,
    numbers,
    outbound,
    placing,
    renditions,
    retention,
)
from jobs.worker import Worker
from speechsite.core import loops, queue

logger = logging.getLogger(__name__)


def work() -> None:
    """There may be work: do what is due, and ask for another run if some is left."""
    loops.run(_work())
    if not queue.is_stopping() and claims.anything_under_way():
        queue.enqueue(placing.WORK)
    queue.enqueue(outbound.DELIVER)


async def _work() -> None:
    await Worker(queue.is_stopping).run()


def take_up() -> None:
    """A worker process begins: see to what another may have left behind."""
    try:
        if claims.anything_under_way():
            queue.enqueue(placing.WORK)
    except DatabaseError:
        logger.exception("could not look for work that was left behind")
    finally:
        connection.close()


def deliver() -> None:
    """Tell partners what they are waiting for; the next tries come with `watch`."""
    loops.run(_deliver())


async def _deliver() -> None:
    await asyncio.gather(outbound.send_due(), callbacks.send_due())


def watch() -> None:
    """The safety net, each minute: wake the worker and end what has waited too long."""
    lifecycle.expire_waiting()
    late.take_up()
    retention.sweep()
    numbers.sweep()
    queue.enqueue(placing.WORK)


def ensure_schedules() -> None:
    """See to it that the safety net is stretched."""
    queue.every_minute("jobs.tasks.watch")


def remove_file(name: str) -> None:
    """Delete a stored file and its renditions; a file that is gone already is fine."""
    for one in (name, *renditions.names_beside(name)):
        if default_storage.exists(one):
            default_storage.delete(one)
