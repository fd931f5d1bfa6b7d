"""Posts messages to addresses of partners, many at once, and a few at once to each receiver.

One who takes long to answer keeps nobody else waiting: a place is free again as soon as
its message is over, and no receiver gets more than its share of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from django.db import connections
from django.db.models import QuerySet
from django.utils import timezone

AT_ONCE = 64
OF_ONE = 4  # messages on the way to one receiver
LOOK = 0.25  # seconds between looks for more while some are on the way
SEEN = 500  # rows that are looked through for receivers that have room

Result = TypeVar("Result")
Id = TypeVar("Id")


@dataclass(frozen=True, slots=True)
class Post:
    """How one kind of message is sent.

    `claim(limit, busy)` takes what is due, nothing for receivers in `busy`, each with its
    receiver; `send` says what came of it, `note` writes that down. `claim` and `note` ask
    the database.
    """

    claim: Callable[[int, Counter[Any]], Sequence[tuple[Any, Any]]]
    send: Callable[[Any], Awaitable[Any]]
    note: Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the receiver said; status 0 is no answer."""

    status: int
    error: str
    milliseconds: int

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300


def fairly(rows: Iterable[tuple[Id, Any]], limit: int, busy: Counter[Any]) -> list[Id]:
    """The first of `(id, receiver)` rows, as many as each receiver has room for."""
    on_the_way, chosen = busy.copy(), list[Id]()
    for identifier, receiver in rows:
        if len(chosen) >= limit:
            break
        if on_the_way[receiver] < OF_ONE:
            on_the_way[receiver] += 1
            chosen.append(identifier)
    return chosen


def full(busy: Counter[Any]) -> Collection[Any]:
    """The receivers that have no room."""
    return [receiver for receiver, number in busy.items() if number >= OF_ONE]


def oldest_wait(due: QuerySet[Any]) -> float:
    """Seconds for which the first of these rows has been due."""
    first = due.order_by("due_at").values_list("due_at", flat=True).first()
    return max((timezone.now() - first).total_seconds(), 0.0) if first else 0.0


async def drain(post: Post, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Send all that is due now; how many messages went out."""
    sent, busy = 0, Counter[Any]()
    calls: dict[asyncio.Task[None], Any] = {}
    clerk = ThreadPoolExecutor(1, thread_name_prefix="clerk")
    try:
        while True:
            room = 0 if is_stopping() else AT_ONCE - len(calls)
            letters = await _ask(clerk, post.claim, room, busy.copy()) if room else ()
            for receiver, letter in letters:
                calls[asyncio.create_task(_send(clerk, post, letter))] = receiver
                busy[receiver] += 1
            sent += len(letters)
            if not calls:
                return sent
            over, _ = await asyncio.wait(calls, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
            for call in over:
                busy[calls.pop(call)] -= 1
                call.result()
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await _ask(clerk, connections.close_all)
        clerk.shutdown(wait=False)


async def _send(clerk: ThreadPoolExecutor, post: Post, letter: Any) -> None:
    outcome = await post.send(letter)
    await _ask(clerk, post.note, letter, outcome)


async def _ask(clerk: ThreadPoolExecutor, function: Callable[..., Result], *args: Any) -> Result:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(clerk, partial(function, *args))
