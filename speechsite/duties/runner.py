"""The process that sees to the duties, apart from the workers that long runs may hold.

It looks for what is due four times a second and gives each kind a thread of its own, which
ends when nothing of it is left: a slow receiver keeps no file from being deleted. Nothing
has to wake it, so nothing can be lost on the way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from django.db import DatabaseError, close_old_connections, connections
from django.utils import timezone
from django.utils.module_loading import import_string

from speechsite.core.forks import Stop
from speechsite.duties import leases, outbox, routines
from speechsite.duties.models import Routine

logger = logging.getLogger(__name__)

PAUSE = 0.25  # seconds between looks
ROUTINES = 1.0  # seconds between looks for routines
BEAT = 15.0  # seconds between signs of life
FAREWELL = 8.0  # seconds that threads get to end what they have begun
AWAY = 2.0  # seconds of rest when the database does not answer
SAY = 60.0  # seconds between lines about that in the log
NAME = "speechsite.duties.runner"

Asked = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Lane:
    """Functions by their dotted names, and the seconds between looks where each is too often."""

    is_due: str
    work: str
    pause: float


_lanes: dict[str, Lane] = {}


def add_lane(name: str, *, is_due: str, work: str, pause: float = 0.0) -> None:
    """Have something else seen to: functions by their dotted names; called when the site loads.

    `is_due()` says whether there is something, `work(is_stopping)` does it until nothing
    is left. A lane with a pause is looked at so many seconds apart.
    """
    _lanes[name] = Lane(is_due, work, pause)


def is_attended() -> bool:
    """Whether some process sees to the duties at this moment."""
    return Routine.objects.filter(pk=NAME, lease_until__gt=timezone.now()).exists()


def catch_up(is_stopping: Asked) -> None:
    """Do what is due here and now, where no process of its own does it."""
    if is_attended():
        return
    for name, work in {**_due(_lanes), **_due_routines()}.items():
        if not is_stopping():
            _do(name, partial(work, is_stopping))


class Runner:
    """Looks for what is due, until it is told to stop."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        self.threads: dict[str, threading.Thread] = {}
        self.asked_at: dict[str, float] = {}
        self._looked_at = self._beat_at = self._said_at = float("-inf")

    def run(self) -> None:
        """Work until `stop` is set; what has been begun then gets a moment to end."""
        try:
            while not self.stop.is_set():
                self.stop.wait(self._pause_after_look())
        finally:
            connections.close_all()
        until = time.monotonic() + FAREWELL
        for thread in self.threads.values():
            thread.join(max(until - time.monotonic(), 0))

    def _pause_after_look(self) -> float:
        """Look, and say how long to rest then: longer where the database does not answer."""
        began = time.monotonic()
        try:
            self.look()
        except DatabaseError as error:
            self._say(error)
            connections.close_all()
            return AWAY
        # Where much waits, a look costs: it never takes more than a third of the time.
        return max(PAUSE, 2 * (time.monotonic() - began))

    def look(self) -> None:
        """Start a thread for each kind of which something is due and that has none."""
        close_old_connections()
        now = time.monotonic()
        if now - self._beat_at >= BEAT:
            self._beat_at = now
            _give_sign()
        found = _due(self._lanes_at(now))
        if now - self._looked_at >= ROUTINES:
            self._looked_at = now
            found |= _due_routines()
        for name, work in found.items():
            if name not in self.threads or not self.threads[name].is_alive():
                self._start(name, work)

    def _lanes_at(self, now: float) -> list[str]:
        """The lanes whose pause is over."""
        never = float("-inf")
        names = [
            name
            for name, lane in _lanes.items()
            if now - self.asked_at.get(name, never) >= lane.pause
        ]
        self.asked_at.update(dict.fromkeys(names, now))
        return names

    def _start(self, name: str, work: Callable[[Asked], None]) -> None:
        call = partial(_in_thread, name, partial(work, self.stop.is_set))
        self.threads[name] = threading.Thread(target=call, daemon=True, name=name)
        self.threads[name].start()

    def _say(self, error: DatabaseError) -> None:
        now = time.monotonic()
        if now - self._said_at >= SAY:
            self._said_at = now
            logger.error("the database does not answer: %s", error)


def _due(lanes: Iterable[str]) -> dict[str, Callable[[Asked], None]]:
    """What can be begun now, by name."""
    found: dict[str, Callable[[Asked], None]] = {
        name: import_string(_lanes[name].work)
        for name in lanes
        if import_string(_lanes[name].is_due)()
    }
    return found | {kind: partial(outbox.work, kind) for kind in outbox.due_kinds()}


def _due_routines() -> dict[str, Callable[[Asked], None]]:
    return {name: partial(_run_routine, name) for name in routines.due()}


def _run_routine(name: str, _is_stopping: Asked) -> None:
    routines.run(name)


def _in_thread(name: str, work: Callable[[], None]) -> None:
    try:
        _do(name, work)
    finally:
        connections.close_all()


def _do(name: str, work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        # What it was about is a row, and is found again at the next look.
        logger.exception("duties called %s failed", name)


def _give_sign() -> None:
    until = timezone.now() + leases.LEASE
    Routine.objects.update_or_create(name=NAME, defaults={"lease_until": until})
