"""Async code asks the database on the threads of `hands`."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections, connection, transaction

from speechsite.core import hands

Params = ParamSpec("Params")
Result = TypeVar("Result")
Outcome = tuple[Any, BaseException | None]

MOST_TOGETHER = 8  # in one commit: the first of them waits for the last
PAUSE = 0.01  # seconds without work that end a rush
RUSH = 1.0  # seconds of work without a pause


async def in_thread(
    function: Callable[Params, Result], *args: Params.args, **more: Params.kwargs
) -> Result:
    """Ask the database something that is soon answered."""
    question = _Question(_as_here(partial(function, *args, **more)))
    hands.for_questions().submit(_answer, question)
    return await question.answer


async def together(
    function: Callable[Params, Result], *args: Params.args, **more: Params.kwargs
) -> Result:
    """Do something that is one transaction; under load those that wait share a commit.

    On SQLite, that is, where a commit waits for the disk and everybody else for the commit.
    Each is undone by itself when it fails, and nobody hears of a success that is not yet
    committed. While there is no rush each has its own: who is answered together comes back
    together, and then waits for the others.
    """
    question = _Question(_as_here(partial(function, *args, **more)))
    if _is_a_file():
        _waiting.append(question)
        hands.for_questions().submit(_commit_waiting)
    else:
        hands.for_questions().submit(_answer, question)
    return await question.answer


async def slowly(
    function: Callable[Params, Result], *args: Params.args, **more: Params.kwargs
) -> Result:
    """Do something that reads files, decodes or sends, on the loop's own pool.

    A loop that ends waits for what is still being done there.
    """
    call = _as_here(partial(function, *args, **more))
    pool = hands.for_slow_work()
    return await asyncio.get_running_loop().run_in_executor(pool, hands.afresh, call)


class _Question:
    """Something that a thread is to do, and who waits for what comes of it.

    asyncio's own way of waiting for a thread costs as much as a query.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Any] = self.loop.create_future()
        self.call = call

    def work(self) -> None:
        """Do it in this thread."""
        if not self.answer.cancelled():
            self.tell(*_outcome(partial(hands.afresh, self.call)))

    def tell(self, result: Any, error: BaseException | None) -> None:
        """Say from this thread what came of it."""
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self.loop.call_soon_threadsafe(self._hear, result, error)

    def _hear(self, result: Any, error: BaseException | None) -> None:
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(error)


class _Rush:
    """Since when a thread has had work without a pause: around all that it does."""

    def __init__(self) -> None:
        self.began = self.ended = time.monotonic()

    @property
    def is_on(self) -> bool:
        return self.ended - self.began > RUSH

    def __enter__(self) -> None:
        now = time.monotonic()
        if now - self.ended > PAUSE:
            self.began = now

    def __exit__(self, *error: object) -> None:
        self.ended = time.monotonic()


_waiting: deque[_Question] = deque()
_rush = _Rush()


def _answer(question: _Question) -> None:
    with _rush:
        question.work()


def _commit_waiting() -> None:
    """Do what waits; for some of it an earlier call has done it already."""
    with _rush:
        most = MOST_TOGETHER if _rush.is_on else 1
        taken = [_waiting.popleft() for _ in range(min(len(_waiting), most))]
        questions = [one for one in taken if not one.answer.cancelled()]
        if len(questions) == 1:
            questions[0].work()
        elif questions:
            _commit_together(questions)


def _commit_together(questions: Sequence[_Question]) -> None:
    try:
        close_old_connections()
        with transaction.atomic():
            outcomes = [_outcome(partial(_undoable, one.call)) for one in questions]
    except BaseException as error:  # nothing of it was committed
        outcomes = [(None, error)] * len(questions)
    for question, outcome in zip(questions, outcomes, strict=True):
        question.tell(*outcome)


def _undoable(call: Callable[[], Result]) -> Result:
    with transaction.atomic():
        return call()


def _outcome(call: Callable[[], Any]) -> Outcome:
    try:
        return call(), None
    except BaseException as error:  # it is for whoever asked
        return None, error


def _as_here(function: Callable[[], Result]) -> Callable[[], Result]:
    """For another thread, which then sees the language and the request's id as we do."""
    return partial(contextvars.copy_context().run, function)


@lru_cache(maxsize=1)
def _is_a_file() -> bool:
    # Asked once: each task of a loop that asks has a connection object made for it.
    return connection.vendor == "sqlite"
