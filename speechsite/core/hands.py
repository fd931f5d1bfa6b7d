"""Threads that ask the database: few, kept, and each with one connection that ends with it.

Django's own threads under ASGI live as long as a request and leave open what they opened, so
that a rush uses up whatever the server has. What a web process can have open at the same time
is `MOST_CONNECTIONS`, however many ask it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, close_old_connections, connections

Params = ParamSpec("Params")
Result = TypeVar("Result")

# SQLite works in the thread that asks: two of them only fight over the interpreter, and each
# forgets what it has read whenever the other writes. A server lets us wait.
FILE_QUESTIONS, SERVER_QUESTIONS = 1, 8
VISITS = 8
SLOW = 8
MOST_CONNECTIONS = SERVER_QUESTIONS + VISITS + SLOW


class Hands(ThreadPoolExecutor):
    """Some threads, whose connections are closed when they have ended."""

    def __init__(self, most: int, name: str) -> None:
        self._used: list[Any] = []
        super().__init__(most, thread_name_prefix=name, initializer=self._begin)

    def _begin(self) -> None:
        mine = connections[DEFAULT_DB_ALIAS]
        # Whoever sees the thread end closes its connection from another one.
        mine.inc_thread_sharing()
        self._used.append(mine)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait, cancel_futures=cancel_futures)
        while wait and self._used:
            self._used.pop().close()


class _Visits(Hands):
    """Runs what is synchronous in the answer to a request."""

    def submit(
        self, fn: Callable[Params, Result], /, *args: Params.args, **kwargs: Params.kwargs
    ) -> Future[Result]:
        return super().submit(afresh, fn, *args, **kwargs)  # type: ignore[arg-type]


def afresh(call: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs) -> Result:
    """Call it. Threads outlive requests, so stale connections are closed between them."""
    close_old_connections()
    try:
        return call(*args, **kwargs)
    finally:
        if not settings.DATABASES[DEFAULT_DB_ALIAS]["CONN_MAX_AGE"]:
            close_old_connections()


@lru_cache(maxsize=1)
def for_questions() -> Hands:
    """For what is soon answered."""
    is_file = connections[DEFAULT_DB_ALIAS].vendor == "sqlite"
    return Hands(FILE_QUESTIONS if is_file else SERVER_QUESTIONS, "database")


@lru_cache(maxsize=1)
def _for_visits() -> Hands:
    return _Visits(VISITS, "visit")


_slow: WeakKeyDictionary[asyncio.AbstractEventLoop, Hands] = WeakKeyDictionary()


def for_slow_work() -> Hands:
    """The running loop's own threads: when it ends, it waits for what is being done there."""
    loop = asyncio.get_running_loop()
    if loop not in _slow:
        _slow[loop] = Hands(SLOW, "slow")
        loop.set_default_executor(_slow[loop])
    return _slow[loop]


def visit() -> ThreadSensitiveContext:
    """Within it, synchronous code of one request runs on threads that all requests share.

    asgiref wants one thread for all calls of a request. What Django binds to a thread is its
    connection, and between two calls of a request no transaction is open on it.
    """
    return ThreadSensitiveContext(executor=_for_visits())


def end() -> None:
    """Wait for the threads of this process, and close what they opened.

    Those for slow work have ended with their loop.
    """
    for pool in (for_questions, _for_visits):
        if pool.cache_info().currsize:
            pool().shutdown()
            pool.cache_clear()
