"""Is the process alive, is the site ready? For load balancers and people on call."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs import audits, callbacks, outbound
from jobs.models import Segment
from jobs.states import SegmentState
from speechsite.core import away, disk, kin, queue
from speechsite.core.ids import new_token
from speechsite.duties import outbox, routines
from speechsite.providers.builtin.adapter import Builtin
from speechsite.providers.errors import ProviderError
from speechsite.providers.types import SpeechOrder

log = logging.getLogger(__name__)

VOICE = "en-us"
ENGINE_PATIENCE = 5.0
ENGINE_SECONDS = 15.0  # how long its last answer is believed
WATCH = "jobs.tasks.watch"
WATCH_LATE_SECONDS = 180
AUDIT_IS_OLD = timedelta(days=2)  # it runs each night
MOST_DEATHS = 5  # of a process, each soon after it began


class NotReady(Exception):
    """A part of the site does not work; the text says which way."""


class _Memory:
    """What need not be asked each time, for the life of the process."""

    is_migrated = False
    engine_problem = ""
    engine_until = 0.0
    began = timezone.now()


@require_safe
@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Whether work would be done: 503 names each part that is not in order."""
    report = {name: _ask(check) for name, check in {**CHECKS, **TOLD}.items()}
    is_ready = all(report[name]["ok"] for name in CHECKS)
    body = {"status": "ok" if is_ready else "not ready", "checks": report}
    return JsonResponse(body, status=200 if is_ready else 503)


def oldest_wait() -> float:
    """Seconds for which the first due piece of work has been waiting."""
    now = timezone.now()
    waiting = Segment.objects.unfinished().filter(state=SegmentState.WAITING, due_at__lte=now)
    return _seconds_since(waiting.order_by("due_at").values_list("due_at", flat=True).first(), now)


def oldest_task() -> float:
    """Seconds for which the first task has been in the queue, in the database or in Redis."""
    try:
        return queue.oldest_wait()
    except OSError as error:
        raise NotReady(str(error)) from error


def longest_wait() -> float:
    """Seconds for which anything at all has been waiting: work, wakes or duties."""
    with suppress(NotReady):
        return max(oldest_wait(), oldest_task(), *duty_ages().values(), routine_ages()[WATCH])
    return oldest_wait()


def duty_ages() -> dict[str, float]:
    """Seconds for which the first duty of each kind has been due, taken ones included."""
    sent = {"webhook": outbound.oldest_wait(), "callback": callbacks.oldest_wait()}
    return sent | outbox.ages()


def routine_ages() -> dict[str, float]:
    """By how many seconds each routine is late."""
    return routines.lateness(_Memory.began)


def _seconds_since(then: datetime | None, now: datetime) -> float:
    return (now - then).total_seconds() if then else 0.0


def _ask(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"ok": True, **check()}
    except NotReady as error:
        return {"ok": False, "problem": str(error)}
    except DatabaseError as error:
        # The driver's words may name hosts and accounts: they are for the log.
        away.tell(error)
        return {"ok": False, "problem": "the database does not answer"}


def _database() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {}


def _migrations() -> dict[str, Any]:
    if not _Memory.is_migrated:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise NotReady("migrations are missing: run manage.py migrate")
        _Memory.is_migrated = True
    return {}


def _disk() -> dict[str, Any]:
    free = disk.free() // disk.MEGABYTE
    if disk.is_short():
        raise NotReady(f"only {free} MB are free on the disk; orders are refused")
    return {"free_mb": free}


def _queue() -> dict[str, Any]:
    waited = {"oldest_segment_seconds": oldest_wait(), "oldest_task_seconds": oldest_task()}
    longest = max(waited.values())
    if longest > settings.READY_MAX_WAIT_SECONDS:
        raise NotReady(f"work has been waiting for {longest:.0f} s: is the worker running?")
    return {name: round(seconds, 1) for name, seconds in waited.items()}


def _duties() -> dict[str, Any]:
    """What else has to be done is done in time, and the safety net is stretched each minute."""
    late = routine_ages()[WATCH]
    ages = duty_ages()
    kind = max(ages, key=lambda name: ages[name])
    if late > WATCH_LATE_SECONDS:
        raise NotReady(f"{WATCH} is {late:.0f} s late: is the duties process running?")
    if ages[kind] > settings.READY_MAX_WAIT_SECONDS:
        raise NotReady(f"a duty ({kind}) has been waiting for {ages[kind]:.0f} s")
    shown = {name: round(seconds, 1) for name, seconds in ages.items()}
    return {"watch_late_seconds": round(late, 1), "oldest_seconds": shown}


def _processes() -> dict[str, Any]:
    """No process of this machine dies again and again."""
    dying = [name for name, number in kin.deaths().items() if number > MOST_DEATHS]
    if dying:
        raise NotReady(f"the {' and the '.join(dying)} process dies again and again: see the log")
    return {}


def _engine() -> dict[str, Any]:
    """The built-in engine speaks a word; asked again after a while."""
    if time.monotonic() >= _Memory.engine_until:
        try:
            async_to_sync(_speak_a_word)()
            _Memory.engine_problem = ""
        except (ProviderError, NotReady, OSError, TimeoutError) as error:
            log.warning("the built-in engine does not speak: %s", error)
            _Memory.engine_problem = "the built-in engine does not speak"
        _Memory.engine_until = time.monotonic() + ENGINE_SECONDS
    if _Memory.engine_problem:
        raise NotReady(_Memory.engine_problem)
    return {}


async def _speak_a_word() -> None:
    order = SpeechOrder(text="ready", voice=VOICE, model="espeak", key=new_token())
    adapter = Builtin(options={"processes": settings.ENGINE_PROCESSES})
    heard = 0
    async with asyncio.timeout(ENGINE_PATIENCE), adapter:
        async for chunk in adapter.speak(order):
            heard += len(chunk.audio)
    if not heard:
        raise NotReady("the built-in engine says nothing")


def _credits() -> dict[str, Any]:
    """What the nightly audit of the ledger said."""
    last = audits.latest()
    if last is None:
        return {"audited_at": None}
    if last.differences:
        raise NotReady(f"the ledger does not add up: {last.differences} differences")
    if timezone.now() - last.finished_at > AUDIT_IS_OLD:
        raise NotReady(f"the ledger was last added up on {last.finished_at:%Y-%m-%d}")
    return {"audited_at": last.finished_at.isoformat(timespec="seconds")}


CHECKS: dict[str, Callable[[], dict[str, Any]]] = {
    "database": _database,
    "migrations": _migrations,
    "disk": _disk,
    "queue": _queue,
    "duties": _duties,
    "processes": _processes,
    "engine": _engine,
}

# Red here needs a person, and is no reason to send visitors away: the status stays 200.
TOLD: dict[str, Callable[[], dict[str, Any]]] = {"credits": _credits}
