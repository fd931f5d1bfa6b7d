"""Async code asks the database on threads of a small pool of their own."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import ParamSpec, TypeVar

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
    return await _called(_hands(), partial(function, *args, **more))


async def slowly(
    function: Callable[Params, Result], *args: Params.args, **more: Params.kwargs
) -> Result:
    """Do something that reads files, decodes or sends, on the loop's own pool."""
    return await _called(None, partial(function, *args, **more))


async def _called(hands: ThreadPoolExecutor | None, function: Callable[[], Result]) -> Result:
    """The thread sees the language and the request's id as we do."""
    context = contextvars.copy_context()

    def call() -> Result:
        # Threads of a pool outlive requests, so stale connections are closed here.
        close_old_connections()
        return function()

    return await asyncio.get_running_loop().run_in_executor(hands, context.run, call)


@lru_cache(maxsize=1)
def _hands() -> ThreadPoolExecutor:
    most = FILE_HANDS if connection.vendor == "sqlite" else SERVER_HANDS
    return ThreadPoolExecutor(most, thread_name_prefix="database")
