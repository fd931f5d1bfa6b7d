"""Starts the site's processes, restarts one that dies, and stops them all together.

`manage.py up` turns into this script once everything is prepared. It imports neither
Django nor the site, so that watching costs 10 MB and nothing here can break with them.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

STOP_SECONDS = 13.0
READY_PAUSE_SECONDS = 0.1
STEADY_SECONDS = 60.0  # who lives this long has recovered
MAX_EARLY_DEATHS = 5
LONGEST_PAUSE_SECONDS = 10.0


@dataclass
class Child:
    """One process of the site, and how it has fared so far."""

    name: str
    command: list[str]
    sockets: list[int] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    early_deaths: int = 0

    def start(self) -> None:
        command = [*self.command, "--parent", str(os.getpid())]
        # Its own session: Ctrl-C reaches only the supervisor, and the whole family
        # of a dead child can be swept by its group.
        self.process = subprocess.Popen(  # noqa: S603  (our own plan)
            command, start_new_session=True, pass_fds=self.sockets
        )
        self.started_at = time.monotonic()

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def sweep(self) -> None:
        """Kill whatever the child left behind."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
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
            child.start()
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
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _note_stop(self, *_: object) -> None:
        self.stops += 1

    def _sleep(self, seconds: float | None) -> None:
        readable, _, _ = select.select([self.wakeup[0]], [], [], seconds)
        if readable:
            os.read(self.wakeup[0], 4096)

    def _mend(self) -> bool:
        """Restart what died; false when one keeps dying."""
        now = time.monotonic()
        for child in self.children:
            if child.has_died():
                if not self._plan_restart(child, now):
                    return False
            elif child.process is None and now >= child.restart_at:
                child.start()
        return True

    def _plan_restart(self, child: Child, now: float) -> bool:
        assert child.process is not None  # noqa: S101  (has_died says so)
        child.sweep()
        lived = now - child.started_at
        child.early_deaths = 1 if lived >= STEADY_SECONDS else child.early_deaths + 1
        how = _ending(child.process.returncode)
        child.process = None
        if child.early_deaths > MAX_EARLY_DEATHS:
            say(f"The {child.name} process {how} again and again; giving up.")
            return False
        pause = min(0.5 * 2 ** (child.early_deaths - 1), LONGEST_PAUSE_SECONDS)
        child.restart_at = now + pause
        say(f"The {child.name} process {how}; starting it again in {pause:g} s.")
        return True

    def _pause(self) -> float | None:
        """Seconds until something has to be done unasked."""
        if self.ready_text:
            return READY_PAUSE_SECONDS
        due = [child.restart_at for child in self.children if child.process is None]
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
        alive = [child for child in self.children if child.process and not child.has_died()]
        for child in alive:
            child.process.terminate()  # type: ignore[union-attr]
        until = time.monotonic() + STOP_SECONDS
        while alive and time.monotonic() < until and self.stops <= max(asked, 1):
            self._sleep(0.1)
            alive = [child for child in alive if not child.has_died()]
        for child in self.children:
            child.sweep()
        for child in alive:
            say(f"The {child.name} process did not stop in time and was killed.")
            child.process.wait()  # type: ignore[union-attr]
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


def main(arguments: Sequence[str]) -> int:
    """Read the plan (one JSON object) that `manage.py up` made."""
    plan = json.loads(arguments[0])
    children = [Child(**child) for child in plan.pop("children")]
    return Supervisor(children, **plan).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
