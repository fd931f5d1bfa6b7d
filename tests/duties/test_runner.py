"""The process for duties: a thread for each kind, none of which waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from speechsite.core.forks import Stop
from speechsite.duties import outbox, routines, runner

pytestmark = pytest.mark.django_db(transaction=True)
gate = threading.Event()
ran: list[str] = []


def slow(key: str, _data: object) -> None:
    ran.append("slow")
    gate.wait(20)


def quick(key: str, _data: object) -> None:
    ran.append(key)


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    ran.clear()
    gate.clear()
    monkeypatch.setattr(outbox, "KINDS", {})
    monkeypatch.setattr(routines, "PLANS", {})
    monkeypatch.setattr(runner, "_lanes", {})
    for name in ("slow", "quick"):
        outbox.register(outbox.Kind(name, f"{__name__}.{name}"))
    yield
    gate.set()


@pytest.fixture
def running() -> Iterator[Stop]:
    stop = Stop()
    thread = threading.Thread(target=runner.Runner(stop).run)
    thread.start()
    yield stop
    gate.set()
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, ran
        time.sleep(0.02)


def test_what_takes_long_keeps_no_other_kind_waiting(running: Stop) -> None:
    outbox.add("slow", ["one"])
    until(lambda: ran == ["slow"])
    outbox.add("quick", ["a"])
    until(lambda: "a" in ran)
    outbox.add("quick", ["b"])
    until(lambda: "b" in ran)
    assert not gate.is_set()


def test_one_that_takes_long_is_not_begun_twice(running: Stop) -> None:
    outbox.add("slow", ["one"])
    until(lambda: ran == ["slow"])
    outbox.add("quick", ["a"])
    until(lambda: "a" in ran)
    assert ran.count("slow") == 1


def test_it_is_seen_that_somebody_attends(running: Stop) -> None:
    until(runner.is_attended)


def test_without_such_a_process_a_worker_catches_up() -> None:
    outbox.add("quick", ["a"])
    runner.catch_up(lambda: False)
    assert ran == ["a"]


def test_with_one_a_worker_leaves_it_alone() -> None:
    runner._give_sign()
    outbox.add("quick", ["a"])
    runner.catch_up(lambda: False)
    assert ran == []
