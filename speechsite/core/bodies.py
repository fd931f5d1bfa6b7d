"""Bodies of requests: how much is taken, from whom, how long it may take, and how long it was.

Nobody's body is read in full before it is known who sends it. A few kilobytes are taken from
everybody; for more, `allowed` is asked, which is the caller's business: how many bytes this
sender may send, and what to say beyond them. Another limit holds for all connections together.
Plain ASGI, no Django.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Event]]

FROM_ANYBODY = 64 * 1024  # bytes of a body before we ask who it is
LARGEST_HEAD = 64 * 1024  # bytes of all headers
ALL_OF_ANYBODY = 64 * 1024 * 1024  # bytes of unfinished bodies of people not asked yet
WHOLE_SMALL = 30.0  # seconds for the first part
BETWEEN = 60.0  # seconds between two pieces of a long one


class Refused(Exception):
    """The body is not taken: `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many bytes somebody may send at once, and the status of a refusal beyond them.

    `whose` names the account that the bytes count for; empty when nobody is known.
    """

    most: int
    beyond: int = 413
    whose: str = ""


class Room:
    """What all connections of this process may hold together, in bytes, and each account of it."""

    def __init__(self, most: int, each: int | None = None) -> None:
        self.most = most
        self.each = most if each is None else each
        self.held = 0
        self.shares: Counter[str] = Counter()

    def take(self, count: int, whose: str = "") -> None:
        """Raises Refused when it would be too much for one account, or everything together."""
        if whose and self.shares[whose] + count > self.each:
            raise Refused(429)
        if self.held + count > self.most:
            raise Refused(503)
        self.held += count
        if whose:
            self.shares[whose] += count

    def give_back(self, count: int, whose: str = "") -> None:
        """Undo a `take`."""
        self.held -= count
        if not whose:
            return
        self.shares[whose] -= count
        if not self.shares[whose]:
            del self.shares[whose]


class Body:
    """The body of one request, as it comes in. Leave it, whatever happens, with `close`."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        largest: int,
        allowed: Callable[[], Awaitable[Allowance]],
        anybody: Room,
        known: Room,
    ) -> None:
        self.next = receive
        self.largest = largest
        self.allowed = allowed
        self.beyond = 413
        self.rooms = (anybody, known)
        self.room = anybody
        self.declared = _declared(scope)
        self.whose = ""
        self.read = self.taken = 0
        self.is_complete = False
        self.deadline = 0.0
        self.refused = 0  # the status to refuse it with

    async def is_welcome(self) -> bool:
        """Whether a byte of it should be read, by what the headers say."""
        try:
            self._measure(self.declared)
            if self.declared > FROM_ANYBODY:
                await self._ask()
        except Refused as refused:
            self.refused = refused.status
        return not self.refused

    async def receive(self) -> Event:
        """The next event for Django; that nobody is there any more when the body is refused."""
        if self.is_complete:
            return await self.next()
        try:
            return await self._receive()
        except Refused as refused:
            self.refused = refused.status
            return {"type": "http.disconnect"}

    async def _receive(self) -> Event:
        event = await self._timely()
        if event["type"] != "http.request":
            return event
        count = len(event.get("body", b""))
        self.read += count
        self.is_complete = not event.get("more_body", False)
        self._measure(self.read)
        if self.read > FROM_ANYBODY and self.room is self.rooms[0]:
            await self._ask()
        # What is there as a whole is somebody's next line of code, and gone with it.
        if not self.is_complete or self.taken:
            self._hold(count)
        return event

    def close(self) -> None:
        """Give the room back."""
        self.room.give_back(self.taken, self.whose)
        self.taken = 0

    async def _ask(self) -> None:
        allowance = await self.allowed()
        if allowance.most < self.largest:
            self.largest, self.beyond = allowance.most, allowance.beyond
        self._measure(max(self.declared, self.read))
        taken = self.taken
        self.close()
        self.room, self.whose = self.rooms[1], allowance.whose
        self._hold(taken)

    def _measure(self, size: int) -> None:
        if size > self.largest:
            raise Refused(self.beyond)

    def _hold(self, count: int) -> None:
        self.room.take(count, self.whose)
        self.taken += count

    async def _timely(self) -> Event:
        loop = asyncio.get_running_loop()
        if self.room is self.rooms[0]:
            self.deadline = self.deadline or loop.time() + WHOLE_SMALL
        else:
            self.deadline = loop.time() + BETWEEN
        try:
            async with asyncio.timeout_at(self.deadline):
                return await self.next()
        except TimeoutError:
            raise Refused(408) from None


def is_head_too_large(scope: Scope) -> bool:
    """Whether the headers and the address together are more than anybody needs."""
    size = len(scope.get("query_string", b"")) + len(scope.get("raw_path") or b"")
    return size + sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEAD


def measured(request: Any, body: Any) -> None:
    """Tell a request how long its body turned out to be.

    Django reads forms and JSON by Content-Length alone, and takes a body without one, which
    HTTP/1.1 allows, to be empty.
    """
    if "CONTENT_LENGTH" not in request.META:
        request.META["CONTENT_LENGTH"] = str(body.seek(0, 2))
        body.seek(0)


async def drain(receive: Receive, *, seconds: float = 1.0, most: int = 4 * 1024 * 1024) -> None:
    """Read a little of what is still coming: who is cut off in the middle hears no answer."""
    try:
        async with asyncio.timeout(seconds):
            while most > 0:
                event = await receive()
                most -= len(event.get("body", b""))
                if event["type"] != "http.request" or not event.get("more_body", False):
                    return
    except TimeoutError:
        return


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0
