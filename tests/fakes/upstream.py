"""What all fake providers share: faults, memory of accepted work, sound, callbacks.

A fake is an object with `async handle(request) -> httpx.Response`. Give
`fake.transport()` to a client, or run it with `tests.fakes.server`. A dropped
connection is an `httpx.ReadError` in process and a closed socket over the wire.

Faults are switched by attribute or over HTTP:

    POST /_fault {"fault": "drop_after", "times": 3}     the next three orders
    POST /_fault {"fault": "", "delay": 2, "latency": 0.1}
    GET  /_state                                         {"accepted": 12, "tasks": [...]}
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx


class Fault(enum.StrEnum):
    """What can go wrong; which of them make sense is up to the provider."""

    NONE = ""
    DROP_BEFORE = "drop_before"  # no answer, and nothing was accepted
    DROP_AFTER = "drop_after"  # accepted, then the connection breaks
    SERVER_ERROR = "server_error"  # the provider's own 5xx
    GATEWAY = "gateway"  # 502 with HTML from something in between; accepted all the same
    NOT_JSON = "not_json"  # 200 with HTML; accepted all the same
    MAINTENANCE = "maintenance"
    RATE_LIMIT = "rate_limit"
    NO_FUNDS = "no_funds"
    BAD_KEY = "bad_key"
    REJECTED = "rejected"
    MODERATED = "moderated"
    TASK_FAILS = "task_fails"
    NEVER_ENDS = "never_ends"
    UNKNOWN_STATE = "unknown_state"
    NEGATIVE_USAGE = "negative_usage"
    ABSURD_USAGE = "absurd_usage"
    AUDIO_HTML = "audio_html"
    AUDIO_EMPTY = "audio_empty"
    AUDIO_TRUNCATED = "audio_truncated"
    AUDIO_DAMAGED = "audio_damaged"  # delivered whole, but noise in the middle
    LINK_GONE = "link_gone"
    CALLBACK_LOST = "callback_lost"
    CALLBACK_TWICE = "callback_twice"
    CALLBACK_EARLY = "callback_early"
    CALLBACK_LATE = "callback_late"
    CALLBACK_FORGED = "callback_forged"


@dataclass
class Task:
    """An accepted order."""

    id: str
    model: str
    body: dict[str, Any]
    audio: bytes
    fault: Fault
    accepted_at: float
    ready_at: float
    credits: float = 0
    callback_url: str = ""


@dataclass(frozen=True)
class Part:
    """One field of a multipart form."""

    content: bytes
    filename: str = ""
    media_type: str = ""


@dataclass
class Upstream:
    """A provider on our side of the wire. Subclasses answer in `answer()`."""

    key: str = "fake-key-0123456789"
    base_url: str = "https://upstream.test"
    fault: Fault = Fault.NONE
    times: int | None = None  # how many orders the fault still hits; None is all
    everywhere: bool = False  # the fault hits every call, not only orders
    delay: float = 0.0  # seconds until a task is done
    latency: float = 0.0  # seconds before any answer
    retry_after: float = 7
    late_by: float = 0.5
    credits: float = 1000
    sends_callbacks: bool = False
    callback_transport: httpx.AsyncBaseTransport | None = None
    clock: Callable[[], float] = time.monotonic
    accepted: int = 0
    requests: int = 0
    tasks: dict[str, Task] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    seen: list[httpx.Request] = field(default_factory=list)
    callbacks: list[httpx.Request] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    _pending: set[asyncio.Task[None]] = field(default_factory=set)

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/_"):
            return self._control(request)
        self.requests += 1
        self.seen = [*self.seen[-49:], request]
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            return await self.answer(request)
        finally:
            self.in_flight -= 1

    async def answer(self, request: httpx.Request) -> httpx.Response:
        raise NotImplementedError

    def next_fault(self) -> Fault:
        """The fault for the order at hand; counts down."""
        if not self.fault or self.times == 0:
            return Fault.NONE
        if self.times is not None:
            self.times -= 1
        return Fault(self.fault)

    def accept(self, task: Task) -> Task:
        self.accepted += 1
        if task.fault is Fault.AUDIO_DAMAGED:
            task.audio = damaged(task.audio)
        self.tasks[task.id] = task
        return task

    def progress(self, task: Task) -> float:
        """From 0 to 1 as the task's time passes; 1 is done."""
        if task.fault is Fault.NEVER_ENDS:
            return 0.5
        if task.ready_at <= task.accepted_at:
            return 1.0
        passed = (self.clock() - task.accepted_at) / (task.ready_at - task.accepted_at)
        return max(0.0, min(1.0, passed))

    def drop(self, request: httpx.Request) -> httpx.ReadError:
        return httpx.ReadError("the fake hung up", request=request)

    def sound(self, task: Task, request: httpx.Request) -> httpx.Response:
        """The result behind a link, with the fault that the task was given."""
        headers = {"content-type": "audio/mpeg"}
        if task.fault is Fault.LINK_GONE:
            return httpx.Response(404, text="gone")
        if task.fault is Fault.AUDIO_HTML:
            return httpx.Response(200, html="<!DOCTYPE html><title>Sign in</title>")
        if task.fault is Fault.AUDIO_EMPTY:
            return httpx.Response(200, headers=headers)
        if task.fault is Fault.AUDIO_TRUNCATED:
            headers["content-length"] = str(len(task.audio))
            return httpx.Response(200, headers=headers, stream=BrokenOff(task.audio))
        return httpx.Response(200, headers=headers, content=task.audio)

    def call_back_later(self, make: Callable[[], httpx.Request], seconds: float) -> None:
        """Make and send a callback after some time without holding up the answer."""
        pending = asyncio.get_running_loop().create_task(self._send_after(make, seconds))
        self._pending.add(pending)
        pending.add_done_callback(self._pending.discard)

    async def settle(self) -> None:
        """Wait until every callback went out."""
        while self._pending:
            await asyncio.gather(*self._pending)

    async def send_callback(self, request: httpx.Request) -> None:
        self.callbacks.append(request)
        if not self.sends_callbacks:
            return
        with contextlib.suppress(httpx.HTTPError):  # as providers do: nobody hears about it
            async with httpx.AsyncClient(
                # Reading the certificates anew for each callback would cost more than all the rest.
                transport=self.callback_transport,
                trust_env=False,
                timeout=15,
                verify=False,
            ) as client:
                await client.send(request)

    async def _send_after(self, make: Callable[[], httpx.Request], seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.send_callback(make())

    def _control(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            for name, value in json_of(request).items():
                setattr(self, name, Fault(value) if name == "fault" else value)
        state = {
            "fault": str(self.fault),
            "times": self.times,
            "accepted": self.accepted,
            "requests": self.requests,
            "most_in_flight": self.most_in_flight,
            "callbacks": len(self.callbacks),
            "tasks": list(self.tasks),
        }
        return httpx.Response(200, json=state)


class BrokenOff(httpx.AsyncByteStream):
    """Half of a body, then nothing."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content[: len(self.content) // 2]
        raise httpx.RemoteProtocolError("peer closed connection without sending complete body")


def damaged(audio: bytes) -> bytes:
    """The same sound with noise over a third of it; its beginning and end are good."""
    third = len(audio) // 3
    return audio[:third] + random.Random(third).randbytes(third) + audio[2 * third :]


def html(status: int) -> httpx.Response:
    """What a gateway says."""
    return httpx.Response(status, html=f"<html><body><h1>{status} Bad Gateway</h1></body></html>")


def json_of(request: httpx.Request) -> dict[str, Any]:
    """The body as a JSON object; {} for anything else."""
    try:
        body = json.loads(request.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def parts_of(request: httpx.Request) -> dict[str, Part]:
    """The fields of a multipart form; {} for anything else."""
    found = re.search(r'boundary="?([^";]+)', request.headers.get("content-type", ""))
    if not found:
        return {}
    parts: dict[str, Part] = {}
    for block in request.content.split(b"--" + found[1].encode())[1:-1]:
        head, _, content = block.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = head.decode()
        name = re.search(r'\bname="([^"]*)"', lines)
        filename = re.search(r'filename="([^"]*)"', lines)
        media_type = re.search(r"content-type: *(\S+)", lines, re.IGNORECASE)
        if name:
            parts[name[1]] = Part(
                content.removesuffix(b"\r\n"),
                filename[1] if filename else "",
                media_type[1] if media_type else "",
            )
    return parts


def within(value: Any, low: float, high: float) -> bool:
    """A number, not a truth value, between two bounds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
