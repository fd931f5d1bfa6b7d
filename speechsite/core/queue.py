"""The queue: the only caller of django-q2's `async_task`, and the cluster that we run.

A task means "there may be work", nothing more: losing one or running one twice is
harmless, because the database rows say what is due. What else has to be done is no task
but a duty, see `speechsite.duties`.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import uuid
from datetime import datetime
from multiprocessing.process import BaseProcess
from typing import Any

import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.cluster import Sentinel
from django_q.models import OrmQ, Schedule
from django_q.monitor import monitor
from django_q.pusher import pusher
from django_q.signals import post_spawn
from django_q.signing import SignedPackage
from django_q.tasks import async_task
from django_q.worker import worker

from speechsite.core.forks import Mail, Stop, Timer

logger = logging.getLogger(__name__)

_stopping: Stop | None = None
_parent = 0


def enqueue(function: str, *args: int | str) -> None:
    """Queue a task by dotted name.

    With the database as broker the row joins the caller's transaction; with Redis it is
    pushed once that is committed. A push that fails is logged and no more: what it was for
    is written, and the safety net finds it within a minute.
    """
    if settings.Q_CLUSTER.get("orm"):
        async_task(function, *args, save=False)
        return
    transaction.on_commit(lambda: async_task(function, *args, save=False), robust=True)


def every_minute(function: str) -> None:
    """See to it that this task, and no other, runs each minute."""
    Schedule.objects.exclude(name=function).delete()
    Schedule.objects.update_or_create(
        name=function,
        defaults={"func": function, "schedule_type": Schedule.MINUTES, "minutes": 1},
    )


def has_waiting() -> bool:
    """Whether there is a task that no worker has been given.

    Raises OSError when the queue cannot be asked.
    """
    try:
        return bool(get_broker().queue_size())
    except redis.RedisError as error:
        raise OSError("Redis does not answer") from error


def oldest_wait() -> float:
    """Seconds since the first task was queued that no worker has been given.

    Raises OSError when the queue cannot be asked.
    """
    broker = get_broker()
    if settings.Q_CLUSTER.get("orm"):
        row = OrmQ.objects.filter(key=broker.list_key).order_by("pk").first()
        if row is None:
            return 0.0
        # Also one that a cluster of another kind has locked: it waits until it has run.
        return _seconds_since(row.task.get("started") or row.lock)
    try:
        first = broker.connection.lindex(broker.list_key, 0)
    except redis.RedisError as error:
        raise OSError("Redis does not answer") from error
    return _seconds_since(SignedPackage.loads(first)["started"]) if first else 0.0


def _seconds_since(then: datetime) -> float:
    return max((timezone.now() - then).total_seconds(), 0.0)


def is_stopping() -> bool:
    """Whether this worker process was asked to end: long tasks look here often."""
    if _stopping is not None and _stopping.is_set():
        return True
    return bool(_parent) and os.getppid() != _parent


class Pusher:
    """A thread in the monitor's process, to the sentinel like a process of its own."""

    def __init__(self, process: BaseProcess, ended: Stop) -> None:
        self.name, self.pid = process.name, process.pid
        self._process, self._ended = process, ended

    def is_alive(self) -> bool:
        return self._process.is_alive() and not self._ended.is_set()


class SmallSentinel(Sentinel):
    """django-q2's sentinel, with one process between queue and workers instead of two.

    The pusher brings tasks, the monitor takes results: both wait nearly all the time. What
    all of them share is ours, so that any may be killed at any moment.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.event_out = Stop()
        # A task stays in the queue, where it is seen and survives us, until a worker is free.
        self.task_queue, self.result_queue = Mail(single_until=self.event_out), Mail()

    def spawn_worker(self) -> None:
        self.spawn_process(worker, self.task_queue, self.result_queue, Timer(), self.timeout)

    def spawn_monitor(self) -> BaseProcess:
        self.pushed = Stop()
        queues = (self.task_queue, self.result_queue)
        process: BaseProcess = self.spawn_process(
            _bring_and_take, *queues, self.event_out, self.pushed, self.broker
        )
        return process

    def spawn_pusher(self) -> Pusher:
        return Pusher(self.monitor, self.pushed)


def _bring_and_take(tasks: Any, results: Any, stop: Any, pushed: Stop, broker: Any) -> None:
    threading.Thread(target=_push, args=(tasks, stop, pushed, broker), daemon=True).start()
    monitor(results, broker)


def _push(tasks: Any, stop: Any, pushed: Stop, broker: Any) -> None:
    """Bring tasks until told to stop; what goes wrong with one must not end it."""
    while not stop.is_set():
        try:
            pusher(tasks, stop, broker)  # gives up where the queue cannot be read
        except Exception:
            logger.exception("could not bring a task from the queue to the workers")
            time.sleep(1)
    pushed.set()


def run() -> bool:
    """Run tasks in forks of this process until SIGTERM; false if it ended unasked.

    This is django-q2's cluster without the process that waits for its sentinel. The
    sentinel waits for running tasks without telling them; ours hold many calls open, so
    they need to know.
    """
    global _stopping  # noqa: PLW0603  (forked workers inherit it)
    stop = _stopping = Stop()
    sentinel = SmallSentinel(stop, threading.Event(), uuid.uuid4(), start=False)
    this = os.getpid()
    # What is forked here ends by its sentinel, which asks with SIGTERM where it has to.
    os.register_at_fork(after_in_child=_end_when_asked)

    def note(*_: object) -> None:
        if os.getpid() == this:
            stop.set()

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)
    sentinel.start()
    return stop.is_set()


def _end_when_asked() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _remember_parent(**_: Any) -> None:
    """A worker whose sentinel died is an orphan and must not go on."""
    global _parent  # noqa: PLW0603  (one per process)
    _parent = os.getppid()


post_spawn.connect(_remember_parent, dispatch_uid="speechsite.core.queue")
