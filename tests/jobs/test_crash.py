"""Kill -9 at any moment, with the real processes: nothing is lost, and it is charged once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.running import Site, Visitor, kill

pytestmark = pytest.mark.processes

TEXT = "The harbour was quiet that morning, and only a few gulls were about. "
JOBS, SENTENCES = 4, 180
RECOVERY_SECONDS = 60
OPEN = "SELECT count(*) FROM jobs_job WHERE state IN ('queued', 'processing')"


def workers(site: Site) -> list[psutil.Process]:
    """The queue's sentinel and all that it forked."""
    sentinel = site.child("worker")
    return [sentinel, *sentinel.children(recursive=True)]


def some_workers(site: Site) -> None:
    """The processes that run tasks, with the engine's children; the sentinel starts others."""
    for process in site.child("worker").children(recursive=True):
        kill(process)


def one_at_random(site: Site) -> None:
    kill(random.choice(workers(site)[1:]))


def the_sentinel(site: Site) -> None:
    kill(site.child("worker"))


def the_web(site: Site) -> None:
    kill(site.child("web"))


KILLINGS: list[Callable[[Site], None]] = [
    some_workers, one_at_random, the_web, the_sentinel, one_at_random, the_sentinel,
]  # fmt: skip


def order(site: Site, visitor: Visitor, number: int) -> None:
    voice = site.rows("SELECT id FROM voices_voice WHERE external_id = 'en-us'")[0][0]
    visitor.generate(
        visitor.open_studio(), voice=voice, text=f"Number {number}. {TEXT * SENTENCES}"
    )


def wait_for(what: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if what():
                return True
        except LookupError:
            pass  # between two lives of a process
        time.sleep(0.05)
    return False


def progress(site: Site) -> int:
    return site.rows("SELECT count(*) FROM jobs_segment WHERE state = 'done'")[0][0]


def went_on(site: Site, done: int) -> bool:
    """Whether another piece is finished, or everything is, in time."""
    return wait_for(lambda: progress(site) > done or site.rows(OPEN)[0][0] == 0, RECOVERY_SECONDS)


def is_alive(site: Site) -> bool:
    """Both children are there, and the queue has its workers again."""
    return bool(site.child("web")) and len(workers(site)) >= 4


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_nothing_is_lost_or_paid_twice_when_processes_are_killed(site: Site) -> None:
    with site:
        site.open_account()
        with Visitor(site) as visitor:
            visitor.sign_in()
            for number in range(JOBS):
                order(site, visitor, number)
        slowest = 0.0
        for killing in KILLINGS:
            assert wait_for(lambda: is_alive(site), 20)
            if site.rows(OPEN)[0][0] == 0:
                break
            time.sleep(random.uniform(0.1, 0.8))
            before = progress(site)
            killing(site)
            began = time.monotonic()
            assert went_on(site, before), f"nothing was done in a minute after {killing.__name__}"
            slowest = max(slowest, time.monotonic() - began)
            print(f"{killing.__name__}: went on after {time.monotonic() - began:.1f} s")
        # However long a busy machine takes for all of it: it has to go on.
        while site.rows(OPEN)[0][0]:
            assert went_on(site, progress(site)), "the work stopped"
        check(site)
    assert site.left_behind == []


def check(site: Site) -> None:
    """All there, each charged its quote, and at most the pieces in flight were done again."""
    jobs = site.rows("SELECT state, quoted, charged FROM jobs_job")
    assert [state for state, _, _ in jobs] == ["succeeded"] * JOBS
    assert all(charged == quoted > 0 for _, quoted, charged in jobs)
    assert site.rows("SELECT sum(held) FROM credits_wallet")[0][0] == 0
    pieces = site.rows("SELECT state, attempts FROM jobs_segment")
    assert {state for state, _ in pieces} == {"done"}
    in_flight = site.rows("SELECT concurrency FROM upstreams_channel WHERE adapter = 'builtin'")
    again = sum(attempts - 1 for _, attempts in pieces)
    print(f"{len(pieces)} pieces, {again} attempts again")
    assert again <= in_flight[0][0] * len(KILLINGS)
    audit = site.manage("auditcredits")
    assert audit.returncode == 0, audit.stdout
