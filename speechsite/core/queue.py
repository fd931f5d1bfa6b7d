"""The queue: the only caller of django-q2's `async_task`, and the cluster that we run.

A task means "there may be work", nothing more: losing one or running one twice is
harmless, because the database rows say what is due.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event as ProcessEvent
from typing import Any

from django.conf import settings
from django.db import transaction
from django_q.cluster import Cluster
from django_q.models import Schedule
from django_q.signals import post_spawn
from django_q.tasks import async_task

_stopping: ProcessEvent | None = None
_parent = 0


def enqueue(function: str, *args: int | str) -> None:
    """Queue a task by dotted name.

    With the database as broker the row joins the caller's transaction; with Redis
    it is pushed once the transaction is committed.
    """
    if settings.Q_CLUSTER.get("orm"):
        async_task(function, *args, save=False)
        return
    transaction.on_commit(lambda: async_task(function, *args, save=False))


def every_minute(function: str) -> None:
    """See to it that a task runs each minute; says so once, however often it is called."""
    Schedule.objects.update_or_create(
        name=function,
        defaults={"func": function, "schedule_type": Schedule.MINUTES, "minutes": 1},
    )


def is_stopping() -> bool:
    """Whether this worker process was asked to end: long tasks look here often."""
    if _stopping is not None and _stopping.is_set():
        return True
    return bool(_parent) and os.getppid() != _parent


class SpeechCluster(Cluster):
    """django-q2's cluster, told to its workers when it stops.

    Its sentinel waits for running tasks without telling them; ours hold many calls
    open, so they need to know.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        global _stopping  # noqa: PLW0603  (forked workers inherit it)
        _stopping = multiprocessing.get_context("fork").Event()
        super().__init__(*args, **kwargs)

    def stop(self) -> bool:
        if _stopping is not None:
            _stopping.set()
        return super().stop()


def _remember_parent(**_: Any) -> None:
    """A worker whose sentinel died is an orphan and must not go on."""
    global _parent  # noqa: PLW0603  (one per process)
    _parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


post_spawn.connect(_remember_parent, dispatch_uid="speechsite.core.queue")
