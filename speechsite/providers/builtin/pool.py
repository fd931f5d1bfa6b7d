"""The children that speak and clean: started when needed, used again, never left behind.

One pool for each engine serves the whole process, whatever event loops come and go. A
child is busy with one job at a time; a job that is given up ends its child, since a
new one is ready sooner than an old one could be calmed down.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from speechsite.providers.errors import ProviderError, Rejected, TaskFailed, Unavailable, Unclear

IDLE_SECONDS = 60.0
JOBS_PER_CHILD = 500  # a leak in a C library stays small
KILLED = (-signal.SIGKILL, -signal.SIGTERM)
SILENT_SECONDS = 30.0  # a child that says nothing for so long hangs

Frame = tuple[str, bytes]
_LAST = frozenset("ERX")
_pools: list[Pool] = []


class Child:
    """One engine process and the socket to it."""

    def __init__(self, program: Path, *arguments: str, needs_packages: bool = False) -> None:
        ours, theirs = socket.socketpair()
        flags = ["-I"] if needs_packages else ["-I", "-S"]
        with theirs:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  # our program
                [sys.executable, *flags, str(program), *arguments],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
            )
        ours.setblocking(False)
        self.socket = ours
        self.jobs = 0
        self.rested_at = 0.0

    def end(self) -> int:
        """Stop the process at once and collect it; gives its exit status."""
        self.socket.close()
        self.process.kill()
        return self.process.wait()


class Pool:
    """At most `size` children; callers of any event loop wait their turn."""

    def __init__(
        self,
        size: int,
        start: Callable[[], Child],
        *,
        jobs_per_child: int = JOBS_PER_CHILD,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.size = size
        self.idle_seconds = idle_seconds
        self.jobs_per_child = jobs_per_child
        self._start = start
        self._reset()
        _pools.append(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._janitor: threading.Thread | None = None
        self._closing = threading.Event()

    async def run(self, job: Mapping[str, Any] | Sequence[Any]) -> AsyncGenerator[Frame, None]:
        """Have a job done; gives the child's frames up to its last."""
        child = await self._take()
        finished = False
        try:
            async with aclosing(_converse(child, json.dumps(job).encode())) as frames:
                async for kind, payload in frames:
                    finished = kind in _LAST
                    if finished:
                        _judge(kind, payload)
                        break
                    yield kind, payload
        finally:
            self._give_back(child, usable=finished)

    def close(self) -> None:
        """End all children; the pool starts new ones when asked again."""
        with self._lock:
            children = [*self._idle, *self._busy]
            self._idle.clear()
            janitor = self._janitor
            self._closing.set()
        if janitor is not None:
            janitor.join()
        self._closing.clear()
        for child in children:
            child.end()

    def children(self) -> list[int]:
        """Process ids, for health pages and tests."""
        with self._lock:
            return [child.process.pid for child in (*self._idle, *self._busy)]

    def forget(self) -> None:
        """After a fork: the children belong to the parent process."""
        for child in (*self._idle, *self._busy):
            child.socket.close()
            child.process.returncode = 0  # not ours to wait for
        self._reset()

    async def _take(self) -> Child:
        while True:
            with self._lock:
                child = self._claim()
                if child is None:
                    loop = asyncio.get_running_loop()
                    turn: asyncio.Future[None] = loop.create_future()
                    self._waiting.append((loop, turn))
            if child is not None:
                return child
            try:
                await turn
            except asyncio.CancelledError:
                self._pass_turn(turn)
                raise

    def _claim(self) -> Child | None:
        while self._idle:
            child = self._idle.pop()
            if child.process.poll() is None:
                self._busy.add(child)
                return child
            child.end()
        if len(self._busy) >= self.size:
            return None
        try:
            child = self._start()
        except OSError as error:
            raise Unavailable(f"the built-in engine does not start: {error}") from error
        self._busy.add(child)
        return child

    def _give_back(self, child: Child, *, usable: bool) -> None:
        child.jobs += 1
        usable = usable and child.jobs < self.jobs_per_child
        if not usable:
            child.end()
        with self._lock:
            self._busy.discard(child)
            if usable:
                child.rested_at = time.monotonic()
                self._idle.append(child)
                self._watch()
            self._wake_one()

    def _pass_turn(self, turn: asyncio.Future[None]) -> None:
        with self._lock:
            if turn.done() and not turn.cancelled():
                self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            loop, turn = self._waiting.popleft()
            if turn.cancelled() or loop.is_closed():
                continue
            loop.call_soon_threadsafe(_settle, turn)
            return

    def _watch(self) -> None:
        if self._janitor is None:
            self._janitor = threading.Thread(target=self._tidy, name="builtin-idle", daemon=True)
            self._janitor.start()

    def _tidy(self) -> None:
        """Ends idle children; a thread, because event loops come and go."""
        while True:
            self._closing.wait(self.idle_seconds / 4)
            with self._lock:
                since = time.monotonic() - self.idle_seconds
                tired = [child for child in self._idle if child.rested_at < since]
                self._idle = [child for child in self._idle if child not in tired]
                done = not self._idle
                if done:
                    self._janitor = None
            for child in tired:
                child.end()
            if done:
                return


async def _converse(child: Child, job: bytes) -> AsyncGenerator[Frame, None]:
    loop = asyncio.get_running_loop()
    received = bytearray()
    try:
        await loop.sock_sendall(child.socket, struct.pack(">cI", b"J", len(job)) + job)
        while True:
            async with asyncio.timeout(SILENT_SECONDS):
                part = await loop.sock_recv(child.socket, 1 << 18)
            if not part:
                raise _gone(child)
            received += part
            for frame in _frames(received):
                yield frame
    except TimeoutError as error:
        raise Unavailable("the built-in engine does not answer") from error
    except OSError as error:
        raise _gone(child) from error


def _frames(received: bytearray) -> list[Frame]:
    frames = []
    done = 0
    while len(received) - done >= 5:
        kind, size = struct.unpack_from(">cI", received, done)
        if len(received) - done - 5 < size:
            break
        frames.append((kind.decode("ascii"), bytes(received[done + 5 : done + 5 + size])))
        done += 5 + size
    del received[:done]
    return frames


def _judge(kind: str, payload: bytes) -> None:
    reason = payload.decode("utf-8", "replace")
    if kind == "R":
        raise Rejected(reason)
    if kind == "X":
        raise TaskFailed(reason)


def _gone(child: Child) -> ProviderError:
    status = child.end()
    told = f"the built-in engine stopped (status {status})"
    # Who kills it says nothing about the engine: the next one is there at once.
    return Unclear(told) if status in KILLED else Unavailable(told)


def _settle(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


@atexit.register
def close_all() -> None:
    """End all children of this process; they start again when needed."""
    for pool in _pools:
        pool.close()


def _forget_all() -> None:
    for pool in _pools:
        pool.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
