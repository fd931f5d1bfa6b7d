"""Live status by server-sent events, straight from the rows of `JobEvent`.

One poller per web process reads new rows for all its listeners, and only while
there are any. A listener that comes back with Last-Event-ID misses nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from jobs import progress
from jobs.models import Job, JobEvent

logger = logging.getLogger(__name__)

POLL = 0.25  # seconds between looks at the table
KEEP_ALIVE = 15.0
RETRY_MS = 2000
LONGEST = 3600.0  # seconds; the browser then comes back by itself
BACKLOG = 500  # events replayed at most
OVERLAP = 200  # ids looked at again: a row with a smaller id may be committed later
BATCH = 1000
MOST_JOBS = 50
MOST_WAITING = 1000  # events a slow listener may lag behind


@dataclass(eq=False, slots=True)
class Listener:
    """One open page."""

    user_id: int
    jobs: frozenset[UUID]
    inbox: asyncio.Queue[JobEvent] = field(
        default_factory=lambda: asyncio.Queue(maxsize=MOST_WAITING)
    )

    def wants(self, event: JobEvent) -> bool:
        return event.user_id == self.user_id and (not self.jobs or event.job_id in self.jobs)


class Hub:
    """Reads new events once for all listeners of this process."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.poller: asyncio.Task[None] | None = None

    def join(self, listener: Listener) -> None:
        self.listeners.add(listener)
        if self.poller is None or self.poller.done():
            self.poller = asyncio.create_task(self._poll())

    def leave(self, listener: Listener) -> None:
        self.listeners.discard(listener)

    async def _poll(self) -> None:
        last = await _db(_newest)
        seen = OrderedDict((event.pk, None) for event in await _db(_after, last - OVERLAP))
        while self.listeners:
            await asyncio.sleep(POLL)
            try:
                events = await _db(_after, last - OVERLAP)
            except DatabaseError:
                logger.exception("the live poller could not read the events")
                continue
            for event in events:
                if event.pk in seen:
                    continue
                seen[event.pk] = None
                last = max(last, event.pk)
                self._hand_out(event)
            while len(seen) > 2 * OVERLAP:
                seen.popitem(last=False)

    def _hand_out(self, event: JobEvent) -> None:
        for listener in [one for one in self.listeners if one.wants(event)]:
            try:
                listener.inbox.put_nowait(event)
            except asyncio.QueueFull:
                # Its connection ends; the browser comes back with the last id it saw.
                self.leave(listener)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of this process's event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())


@require_GET
async def stream(request: HttpRequest) -> HttpResponseBase:
    """`event: job` for every change of the named jobs, or of all the person's jobs."""
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse(status=401)
    try:
        jobs = frozenset(UUID(one) for one in request.GET.getlist("job")[:MOST_JOBS])
    except ValueError:
        return HttpResponse(status=400)
    listener = Listener(user.pk, jobs)
    last = request.headers.get("Last-Event-ID", request.GET.get("last", ""))
    response = StreamingHttpResponse(
        _messages(listener, int(last) if last.isdecimal() and len(last) < 19 else None),
        content_type="text/event-stream",
    )
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _messages(listener: Listener, last: int | None) -> AsyncIterator[str]:
    ends = time.monotonic() + LONGEST
    here = hub()
    here.join(listener)
    sent: set[int] = set()
    try:
        yield f"retry: {RETRY_MS}\n\n"
        if last is None:
            for message in await _db(_snapshots, listener):
                yield message
        for event in await _db(_missed, listener, last):
            sent.add(event.pk)
            yield await _db(_message, event)
        while time.monotonic() < ends and listener in here.listeners:
            event = await _next(listener)
            if event is None:
                yield ": still here\n\n"
            elif event.pk not in sent:
                yield await _db(_message, event)
    finally:
        here.leave(listener)


async def _next(listener: Listener) -> JobEvent | None:
    with suppress(TimeoutError):
        return await asyncio.wait_for(listener.inbox.get(), KEEP_ALIVE)
    return None


def _message(event: JobEvent) -> str:
    job = Job.objects.defer("text", "peaks").get(pk=event.job_id)
    data = {**_data(job), "kind": event.kind, "segment": event.data.get("index")}
    return f"id: {event.pk}\nevent: job\ndata: {json.dumps(data)}\n\n"


def _snapshots(listener: Listener) -> list[str]:
    """How the named jobs stand now: the page may be older than this connection."""
    jobs = Job.objects.of(listener.user_id).filter(pk__in=listener.jobs).defer("text", "peaks")
    snapshots = [{**_data(job), "kind": "snapshot", "segment": None} for job in jobs]
    return [f"event: job\ndata: {json.dumps(data)}\n\n" for data in snapshots]


def _data(job: Job) -> dict[str, Any]:
    now = progress.of(job)
    return {
        "job": str(job.pk),
        "state": now.state,
        "percent": now.percent,
        "done": now.done,
        "total": now.total,
    }


def _newest() -> int:
    return JobEvent.objects.aggregate(last=Max("pk"))["last"] or 0


def _after(last: int) -> list[JobEvent]:
    return list(JobEvent.objects.filter(pk__gt=last).order_by("pk")[:BATCH])


def _missed(listener: Listener, last: int | None) -> list[JobEvent]:
    """What happened since the last event a page saw; nothing for a page that is new."""
    if last is None:
        return []
    events = JobEvent.objects.filter(user_id=listener.user_id, pk__gt=last)
    if listener.jobs:
        events = events.filter(job_id__in=listener.jobs)
    return list(events.order_by("pk")[:BACKLOG])


async def _db(function: Any, *args: Any) -> Any:
    return await sync_to_async(_closing, thread_sensitive=False)(function, *args)


def _closing(function: Any, *args: Any) -> Any:
    """Threads of a pool outlive requests, so stale connections are closed here."""
    close_old_connections()
    return function(*args)
