"""What the queue runs. Each task takes ids at most, and may run twice or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DatabaseError, connection

from jobs import audits, claims, lifecycle, numbers, placing, retention
from jobs.worker import Worker
from speechsite.core import loops, queue
from speechsite.duties import runner

logger = logging.getLogger(__name__)


def work() -> None:
    """There may be work: do what is due, and ask for another run if some is left."""
    loops.run(_work())
    if not queue.is_stopping() and claims.anything_under_way():
        queue.enqueue(placing.WORK)
    runner.catch_up(queue.is_stopping)


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


def is_left_behind() -> bool:
    """Whether there is work that whoever should do it has left, or was never told of.

    Any process may be killed between taking a wake from the queue and doing what it is about.
    """
    claims.release_dead()
    return claims.anything_left()


def wake(_is_stopping: Callable[[], bool]) -> None:
    """Have a worker look, unless it is about to."""
    if not queue.has_waiting():
        queue.enqueue(placing.WORK)


def watch() -> None:
    """The safety net, each minute: wake the worker and end what has waited too long."""
    lifecycle.expire_waiting()
    retention.sweep()
    numbers.sweep()
    queue.enqueue(placing.WORK)


def audit() -> None:
    """Add the ledger up, each night; `/readyz` and the administrator's page tell the result."""
    audits.run()


def catch_up() -> None:
    """Each minute: where no process of their own sees to the duties, a worker does."""
    runner.catch_up(queue.is_stopping)


def ensure_schedules() -> None:
    """See to it that duties are done even where a stock `qcluster` is all there is."""
    queue.every_minute("jobs.tasks.catch_up")
