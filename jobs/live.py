"""Live status by server-sent events, straight from the rows of `JobEvent`.

One poller per web process reads new rows for all its listeners, and only while
there are any; a message is made once, however many pages it goes to. Every page
first gets a snapshot, so what happened between its drawing and its connection, or
while it was away, is never missed. With Last-Event-ID it also gets what it missed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db.models import Max, Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from jobs import progress, visitors
from jobs.models import BULKY, Job, JobEvent
from jobs.states import LIVE_JOB
from jobs.visitors import Visitor
from speechsite.core.threads import in_thread

logger = logging.getLogger(__name__)

POLL = 0.1  # seconds between looks at the table
KEEP_ALIVE = 15.0
RETRY_MS = 2000
ASK_AGAIN = 3.0  # seconds between looks whether a page's person may still see it
LONGEST = 3600.0  # seconds; the browser then comes back by itself
BACKLOG = 500  # missed events replayed at most; the snapshot says how things stand
OVERLAP = 200  # ids looked at again: a row with a smaller id may be committed later
BATCH = 1000
MOST_JOBS = 50
MOST_WAITING = 1000  # messages a slow listener may lag behind
JUST_NOW = timedelta(minutes=1)  # what ended since then is news to a page that shows all jobs


@dataclass(frozen=True, slots=True)
class Message:
    """An event as it goes over the wire."""

    event_id: int
    text: str


@dataclass(eq=False, slots=True)
class Listener:
    """One open page."""

    visitor: Visitor
    jobs: frozenset[UUID]
    inbox: asyncio.Queue[Message | None] = field(
        default_factory=lambda: asyncio.Queue(maxsize=MOST_WAITING)
    )

    @property
    def user_id(self) -> int:
        return self.visitor.user_id

    def wants(self, event: JobEvent) -> bool:
        return event.user_id == self.user_id and (not self.jobs or event.job_id in self.jobs)


class Hub:
    """Reads new events once for all listeners of this process."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.poller: asyncio.Task[None] | None = None
        self.is_reading = asyncio.Event()

    async def join(self, listener: Listener) -> None:
        """Hand out to a listener from now on; what it reads itself afterwards leaves no gap."""
        self.listeners.add(listener)
        if self.poller is None or self.poller.done():
            self.is_reading.clear()
            self.poller = asyncio.create_task(self._poll())
        await self.is_reading.wait()

    def leave(self, listener: Listener) -> None:
        self.listeners.discard(listener)

    async def _poll(self) -> None:
        last: int | None = None
        asked_at = time.monotonic()
        seen: OrderedDict[int, None] = OrderedDict()
        while self.listeners:
            try:
                if last is None:
                    newest = await in_thread(_newest)
                    seen.update(
                        (event.pk, None) for event in await in_thread(_after, newest - OVERLAP)
                    )
                    last = newest
                    self.is_reading.set()
                await asyncio.sleep(POLL)
                last = await self._look(last, seen)
                if time.monotonic() - asked_at > ASK_AGAIN:
                    await self._part_with_strangers()
                    asked_at = time.monotonic()
            except Exception:
                # A listener that is not served would wait for ever, so nothing ends the poller.
                logger.exception("the live poller could not read the events")
                await asyncio.sleep(POLL)

    async def _look(self, last: int, seen: OrderedDict[int, None]) -> int:
        fresh = [event for event in await in_thread(_after, last - OVERLAP) if event.pk not in seen]
        wanted = [event for event in fresh if any(one.wants(event) for one in self.listeners)]
        messages = await in_thread(_messages_of, wanted) if wanted else []
        seen.update((event.pk, None) for event in fresh)
        while len(seen) > OVERLAP + 2 * BATCH:
            seen.popitem(last=False)
        for event, message in zip(wanted, messages, strict=True):
            self._hand_out(event, message)
        return max([last, *(event.pk for event in fresh)])

    async def _part_with_strangers(self) -> None:
        """End the pages of those who were blocked, logged out or changed their password."""
        asked = {listener.visitor for listener in self.listeners}
        welcome = await in_thread(visitors.still_welcome, asked)
        for listener in [one for one in self.listeners if one.visitor in asked - welcome]:
            self.leave(listener)
            with suppress(asyncio.QueueFull):
                listener.inbox.put_nowait(None)

    def _hand_out(self, event: JobEvent, message: Message) -> None:
        for listener in [one for one in self.listeners if one.wants(event)]:
            try:
                listener.inbox.put_nowait(message)
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
    listener = Listener(await visitors.visitor_of(request, user), jobs)
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
    try:
        await here.join(listener)
        yield f"retry: {RETRY_MS}\n\n"
        missed: list[Message] = [] if last is None else await in_thread(_missed, listener, last)
        for message in missed:
            yield message.text
        for snapshot in await in_thread(_snapshots, listener):
            yield snapshot
        sent = {message.event_id for message in missed}
        while time.monotonic() < ends and listener in here.listeners:
            news = await _next(listener)
            if news is None:
                yield ": still here\n\n"
            elif news.event_id not in sent:
                yield news.text
    finally:
        here.leave(listener)


async def _next(listener: Listener) -> Message | None:
    with suppress(TimeoutError):
        return await asyncio.wait_for(listener.inbox.get(), KEEP_ALIVE)
    return None


def _messages_of(events: Iterable[JobEvent]) -> list[Message]:
    """Each event with how its job stands now, read once for each job."""
    events = list(events)
    standing = _standing({event.job_id for event in events})
    messages = []
    for event in events:
        data = {**standing.get(event.job_id, {"job": str(event.job_id)})}
        data |= {"kind": event.kind, "segment": event.data.get("index")}
        text = f"id: {event.pk}\nevent: job\ndata: {json.dumps(data)}\n\n"
        messages.append(Message(event.pk, text))
    return messages


def _snapshots(listener: Listener) -> list[str]:
    """How the named jobs, or all that are news, stand now."""
    jobs = Job.objects.of(listener.user_id)
    if listener.jobs:
        jobs = jobs.filter(pk__in=listener.jobs)
    else:
        ended = Q(finished_at__gte=timezone.now() - JUST_NOW)
        jobs = jobs.filter(ended | Q(state__in=LIVE_JOB))
    named = list(jobs.order_by("-created_at").values_list("pk", flat=True)[:MOST_JOBS])
    snapshots = [data | {"kind": "snapshot", "segment": None} for data in _standing(named).values()]
    return [f"event: job\ndata: {json.dumps(data)}\n\n" for data in snapshots]


def _standing(job_ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    jobs = Job.objects.filter(pk__in=job_ids).defer(*BULKY)
    return {job.pk: _data(job) for job in jobs}


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


def _missed(listener: Listener, last: int) -> list[Message]:
    """What happened since the last event that a page saw; of very much, the end."""
    events = JobEvent.objects.filter(user_id=listener.user_id, pk__gt=last)
    if listener.jobs:
        events = events.filter(job_id__in=listener.jobs)
    return _messages_of(reversed(events.order_by("-pk")[:BACKLOG]))
