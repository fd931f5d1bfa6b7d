"""Starts the site's processes, restarts one that dies, and stops them all together.

The children are forks, so that what is loaded before is in memory once. Nothing here
may start a thread or open a database: they would not survive a fork. This module
imports neither Django nor what the site does, so that watching cannot break with them.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from speechsite.core import kin

STOP_SECONDS = 13.0
READY_PAUSE_SECONDS = 0.1
STEADY_SECONDS = 60.0  # who lives this long has recovered
MAX_EARLY_DEATHS = 5
LONGEST_PAUSE_SECONDS = 10.0


STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HANDLED = (*STOPPING, signal.SIGCHLD)


@dataclass
class Child:
    """One process of the site, and how it has fared so far."""

    name: str
    work: Callable[[], int]
    # Without it there is no use in going on: whoever watches us is to see that.
    is_vital: bool = False
    pid: int = 0
    exit_code: int | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    early_deaths: int = 0

    def is_up(self) -> bool:
        return bool(self.pid) and not self.has_died()

    def has_died(self) -> bool:
        if self.pid and self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.exit_code = os.waitstatus_to_exitcode(status) if pid else None
        return self.exit_code is not None

    def count_deaths(self, number: int) -> None:
        """How often it died in a row, each time soon after it began."""
        if number != self.early_deaths:
            self.early_deaths = number
            kin.note_deaths(self.name, number)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)  # not collected yet, so the number is still its own

    def sweep(self) -> None:
        """Kill it, if it is there, and whatever it left behind."""
        if not self.pid:
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


@dataclass
class Supervisor:
    """Keeps children alive until it is told to stop."""

    children: list[Child]
    address: str = ""
    port: int = 0
    ready_text: str = ""
    stops: int = 0
    wakeup: tuple[int, int] = field(default_factory=os.pipe)

    def run(self) -> int:
        """Work until a signal comes; the exit code."""
        self._listen_for_signals()
        for child in self.children:
            self._start(child)
        while not self.stops:
            if not self._mend():
                self._stop()
                return 1
            self._announce()
            self._sleep(self._pause())
        return self._stop()

    def _listen_for_signals(self) -> None:
        for end in self.wakeup:
            os.set_blocking(end, False)
            os.set_inheritable(end, False)
        signal.set_wakeup_fd(self.wakeup[1], warn_on_full_buffer=False)
        for number in STOPPING:
            signal.signal(number, self._note_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _start(self, child: Child) -> None:
        # A signal that came between the fork and the child's own handlers would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        child.started_at, child.exit_code = time.monotonic(), None
        child.pid = os.fork()
        if not child.pid:
            self._become(child)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def _become(self, child: Child) -> NoReturn:
        """Be the child, and leave as any program does once its work is over."""
        # Its own session: Ctrl-C reaches only the supervisor, and the whole family
        # of a dead child can be swept by its group.
        os.setsid()
        signal.set_wakeup_fd(-1)
        for end in self.wakeup:
            os.close(end)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        sys.exit(child.work())

    def _note_stop(self, *_: object) -> None:
        self.stops += 1

    def _sleep(self, seconds: float | None) -> None:
        readable, _, _ = select.select([self.wakeup[0]], [], [], seconds)
        if readable:
            os.read(self.wakeup[0], 4096)

    def _mend(self) -> bool:
        """Restart what died; false when one keeps dying that all depends on."""
        now = time.monotonic()
        for child in self.children:
            if child.has_died():
                if not self._plan_restart(child, now):
                    return False
            elif not child.pid and now >= child.restart_at:
                self._start(child)
            elif child.pid and now - child.started_at >= STEADY_SECONDS:
                child.count_deaths(0)
        return True

    def _plan_restart(self, child: Child, now: float) -> bool:
        child.sweep()
        lived = now - child.started_at
        child.count_deaths(1 if lived >= STEADY_SECONDS else child.early_deaths + 1)
        how = _ending(child.exit_code)
        child.pid, child.exit_code = 0, None
        if child.is_vital and child.early_deaths > MAX_EARLY_DEATHS:
            say(f"The {child.name} process {how} again and again; giving up.")
            return False
        pause = min(0.5 * 2 ** min(child.early_deaths - 1, 9), LONGEST_PAUSE_SECONDS)
        child.restart_at = now + pause
        say(f"The {child.name} process {how}; starting it again in {pause:g} s.")
        return True

    def _pause(self) -> float | None:
        """Seconds until something has to be done unasked."""
        if self.ready_text:
            return READY_PAUSE_SECONDS
        due = [child.restart_at for child in self.children if not child.pid]
        due += [
            child.started_at + STEADY_SECONDS
            for child in self.children
            if child.pid and child.early_deaths
        ]
        return max(min(due) - time.monotonic(), 0.01) if due else None

    def _announce(self) -> None:
        if not self.ready_text:
            return
        if self.port and not answers(self.address, self.port):
            return
        say(self.ready_text)
        self.ready_text = ""

    def _stop(self) -> int:
        """Ask everyone to end; 1 if somebody had to be killed."""
        asked = self.stops
        alive = [child for child in self.children if child.is_up()]
        for child in alive:
            child.terminate()
        until = time.monotonic() + STOP_SECONDS
        while alive and time.monotonic() < until and self.stops <= max(asked, 1):
            self._sleep(0.1)
            alive = [child for child in alive if not child.has_died()]
        for child in self.children:
            child.sweep()
        for child in alive:
            say(f"The {child.name} process did not stop in time and was killed.")
            os.waitpid(child.pid, 0)
        return 1 if alive else 0


def answers(address: str, port: int) -> bool:
    """Whether the web process answers HTTP."""
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _ending(code: int | None) -> str:
    return f"was ended by signal {-code}" if code and code < 0 else f"ended with code {code}"
