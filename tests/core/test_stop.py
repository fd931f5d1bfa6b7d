"""The event by which the queue's processes learn that they are to end."""

from __future__ import annotations

import time

from speechsite.core.queue import Stop


def test_it_is_not_set_until_somebody_sets_it() -> None:
    stop = Stop()
    assert not stop.is_set()
    assert not stop.wait(0.01)
    stop.set()
    stop.set()
    assert stop.is_set()


def test_who_waits_is_told_at_once() -> None:
    stop = Stop()
    stop.set()
    began = time.monotonic()
    assert stop.wait(30)
    assert time.monotonic() - began < 5
