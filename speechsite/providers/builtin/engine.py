"""The children that speak: started when needed, used again, never left behind.

One pool serves the whole process, whatever event loops come and go. A child
is busy with one job at a time; a job that is given up ends its child, since a
new one is ready sooner than an old one could be calmed down.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import espeakng_loader

from speechsite.providers.errors import ProviderError, TaskFailed, Unavailable

IDLE_SECONDS = 60.0
JOBS_PER_CHILD = 500  # a leak in a C library stays small
SILENT_SECONDS = 30.0  # a child that says nothing for so long hangs

Frame = tuple[str, bytes]


class Child:
    """One espeak-ng process and the socket to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            program = Path(__file__).with_name("child.py")
            self.process = subprocess.Popen(
                [
                    sys.executable, "-I", "-S", str(program),
                    espeakng_loader.get_library_path(),
                    espeakng_loader.get_data_path(),
                    str(IDLE_SECONDS * 2),
                ],
                stdin=theirs,
                stdout=theirs,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
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

    def __init__(self, size: int, start: Callable[[], Child] = Child) -> None:
        self.size = size
        self._start = start
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._janitor: threading.Thread | None = None

    async def run(self, steps: Sequence[dict[str, Any]]) -> AsyncIterator[Frame]:
        """Have steps performed; gives the child's frames up to its last."""
        job = json.dumps(steps).encode()
        child = await self._take()
        finished = False
        try:
            async for frame in _converse(child, job):
                finished = frame[0] in "EX"
                if frame[0] == "X":
                    raise TaskFailed(frame[1].decode("utf-8", "replace"))
                if finished:
                    break
                yield frame
        finally:
            self._give_back(child, usable=finished)

    def close(self) -> None:
        """End all children; the pool starts new ones when asked again."""
        with self._lock:
            children = [*self._idle, *self._busy]
            self._idle.clear()
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
        self.__init__(self.size, self._start)  # type: ignore[misc]

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
        usable = usable and child.jobs < JOBS_PER_CHILD
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
            time.sleep(IDLE_SECONDS / 4)
            with self._lock:
                since = time.monotonic() - IDLE_SECONDS
                tired = [child for child in self._idle if child.rested_at < since]
                self._idle = [child for child in self._idle if child not in tired]
                if not self._idle:
                    self._janitor = None
            for child in tired:
                child.end()
            if self._janitor is not threading.current_thread():
                return


async def _converse(child: Child, job: bytes) -> AsyncIterator[Frame]:
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


def _gone(child: Child) -> ProviderError:
    return Unavailable(f"the built-in engine stopped (status {child.end()})")


def _settle(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


_shared: Pool | None = None
_shared_lock = threading.Lock()


def shared(size: int | None = None) -> Pool:
    """The pool of this process; the first caller may set its size."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Pool(size or os.cpu_count() or 1)
        elif size:
            _shared.size = size
        return _shared


def _after_fork() -> None:
    if _shared is not None:
        _shared.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
