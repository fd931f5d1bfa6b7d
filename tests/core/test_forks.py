"""What the queue's processes share: none of it is lost with one that is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable

import pytest

from speechsite.core.forks import SHORT, Mail, Stop, Timer

FORKS = multiprocessing.get_context("fork")


@pytest.fixture
def fork() -> Callable[..., multiprocessing.process.BaseProcess]:
    def start(*arguments: object) -> multiprocessing.process.BaseProcess:
        process = FORKS.Process(target=arguments[0], args=arguments[1:], daemon=True)
        process.start()
        return process

    return start


def answer(tasks: Mail, results: Mail) -> None:
    """Like a worker: takes tasks until it is told to stop."""
    for task in iter(tasks.get, "STOP"):
        results.put({**task, "by": os.getpid()})


def test_a_reader_that_is_killed_while_it_waits_takes_nothing_along(fork: Callable) -> None:
    tasks, results = Mail(), Mail()
    idle, other = fork(answer, tasks, results), fork(answer, tasks, results)
    time.sleep(0.3)  # both wait now
    os.kill(idle.pid, signal.SIGKILL)
    idle.join(10)
    for number in range(5):
        tasks.put({"number": number})
    assert [results.get()["number"] for _ in range(5)] == [0, 1, 2, 3, 4]
    tasks.put("STOP")
    other.join(10)
    assert other.exitcode == 0


def test_each_message_goes_to_one_reader(fork: Callable) -> None:
    tasks, results = Mail(), Mail()
    readers = [fork(answer, tasks, results) for _ in range(3)]
    for number in range(30):
        tasks.put({"number": number})
        results.get()
    for _ in readers:
        tasks.put("STOP")
    for reader in readers:
        reader.join(10)
    assert results.empty()
    assert tasks.empty()


def test_a_long_traceback_is_cut_short() -> None:
    mail = Mail()
    mail.put({"name": "a task", "result": "x" * 3_000_000 + "the end"})
    told = mail.get()
    assert told["name"] == "a task"
    assert told["result"].endswith("the end")
    assert len(told["result"]) == SHORT


def test_a_queue_says_whether_it_has_something() -> None:
    mail = Mail()
    assert (mail.empty(), mail.qsize()) == (True, 0)
    mail.put("something")
    assert (mail.empty(), mail.qsize()) == (False, 1)


def test_a_timer_is_seen_by_both(fork: Callable) -> None:
    timer = Timer()
    assert timer.value == -1

    def set_it() -> None:
        timer.value = 30

    fork(set_it).join(10)
    with timer.get_lock():
        timer.value -= 0.5
    assert timer.value == 29.5


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
