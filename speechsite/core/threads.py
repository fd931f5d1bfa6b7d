"""Async code asks the database on threads of a small pool of their own."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections, connection

Params = ParamSpec("Params")
Result = TypeVar("Result")

# SQLite works in the thread that asks: two of them only fight over the interpreter, and each
# forgets what it has read whenever the other writes. A server lets us wait.
FILE_HANDS, SERVER_HANDS = 1, 8


async def in_thread(
    function: Callable[Params, Result], *args: Params.args, **more: Params.kwargs
) -> Result:
    """Ask the database something that is soon answered."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Result] = loop.create_future()
    call = _as_here(partial(function, *args, **more))

    def work() -> None:
        if answer.cancelled():
            return
        try:
            told = partial(_give, answer, call())
        except BaseException as error:
            told = partial(_refuse, answer, error)
        with suppress(RuntimeError):  # the loop has ended: nobody asks any more
            loop.call_soon_threadsafe(told)

    # asyncio's own way of waiting for a thread costs as much as a query.
    _hands().submit(work)
    return await answer


async def slowly(
    function: Callable[Params, Result], *args: Params.args, **more: Params.kwargs
) -> Result:
    """Do something that reads files, decodes or sends, on the loop's own pool."""
    call = _as_here(partial(function, *args, **more))
    return await asyncio.get_running_loop().run_in_executor(None, call)


def _as_here(function: Callable[[], Result]) -> Callable[[], Result]:
    """For another thread, which then sees the language and the request's id as we do."""
    context = contextvars.copy_context()

    def call() -> Result:
        # Threads of a pool outlive requests, so stale connections are closed here.
        close_old_connections()
        return function()

    return partial(context.run, call)


def _give(answer: asyncio.Future[Result], result: Result) -> None:
    if not answer.done():
        answer.set_result(result)


def _refuse(answer: asyncio.Future[Any], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)


@lru_cache(maxsize=1)
def _hands() -> ThreadPoolExecutor:
    most = FILE_HANDS if connection.vendor == "sqlite" else SERVER_HANDS
    return ThreadPoolExecutor(most, thread_name_prefix="database")
