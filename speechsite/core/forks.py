"""What a process shares with its forks. Nothing here has a lock.

A process that is killed while it holds a lock takes it along, and whoever needs it next
waits for ever: an idle worker holds the lock of a multiprocessing queue all the time.
"""

from __future__ import annotations

import errno
import os
import pickle
import select
import socket
from contextlib import AbstractContextManager, nullcontext
from multiprocessing.sharedctypes import RawValue
from typing import Any

LARGEST = 1024 * 1024  # bytes of a message; the system allows some 200,000
PAUSE = 0.05  # seconds between looks whether the last message was taken
SHORT = 2000  # characters that are left of a result too large to be told


class Stop:
    """An event that a signal handler may set: a pipe with something in it, which nobody reads."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()

    def set(self) -> None:
        os.write(self._writing, b".")

    def is_set(self) -> bool:
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        return bool(select.select([self._reading], [], [], seconds)[0])


class Mail:
    """A queue of small messages: each goes whole to one reader, which the system chooses.

    Writing waits while there are many unread; with `single_until`, while there is one, until
    that is set. It has what django-q2 asks of a queue.
    """

    def __init__(self, single_until: Stop | None = None) -> None:
        self._single_until = single_until
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        # Kept as numbers, as long as the process lives.
        self._reading, self._writing = (end.detach() for end in pair)

    def put(self, message: Any) -> None:
        stop = self._single_until
        while stop is not None and not self.empty() and not stop.wait(PAUSE):
            pass
        try:
            os.write(self._writing, pickle.dumps(message))
        except OSError as error:
            if error.errno != errno.EMSGSIZE or not isinstance(message, dict):
                raise
            # Only a task's result can be long: a value or a traceback, kept for people.
            short = {**message, "result": str(message.get("result"))[-SHORT:]}
            os.write(self._writing, pickle.dumps(short))

    def get(self) -> Any:
        return pickle.loads(os.read(self._reading, LARGEST))  # noqa: S301  (from our own forks)

    def empty(self) -> bool:
        return not select.select([self._reading], [], [], 0)[0]

    def qsize(self) -> int:
        """Whether there is something, as a number: how much, nobody knows."""
        return int(not self.empty())

    def close(self) -> None:
        """Nothing is held back in this process, so there is nothing to do."""

    def join_thread(self) -> None:
        """There is no thread."""


class Timer:
    """The seconds that a worker has left, written by it and counted down by its sentinel.

    They may overwrite each other: then a task gets a second more.
    """

    def __init__(self) -> None:
        self._seconds: Any = RawValue("f", -1)

    @property
    def value(self) -> float:
        return float(self._seconds.value)

    @value.setter
    def value(self, seconds: float) -> None:
        self._seconds.value = seconds

    def get_lock(self) -> AbstractContextManager[None]:
        return nullcontext()
