"""What a killed process leaves: taken up within seconds, whoever it was and whatever got lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from django_q.models import OrmQ

from jobs import attempts, claims, placing, tasks, worker
from jobs.models import Job, Segment
from jobs.outcomes import Postponed
from jobs.placing import Origin, Speaker
from jobs.states import SegmentState
from speechsite.core import queue
from speechsite.core.forks import Stop
from speechsite.duties import runner
from speechsite.providers.builtin.adapter import Builtin
from speechsite.providers.builtin.engines import ESPEAK
from speechsite.providers.errors import ProviderError
from speechsite.providers.types import SpeechOrder
from speechsite.upstreams import health
from tests.jobs.test_claims import LONG, end, name_of_another_process

pytestmark = pytest.mark.django_db(transaction=True)
Place = Callable[..., Job]


def reserved(place: Place, name: str) -> Job:
    """A streamed job that a web process has placed and speaks itself; none of it is taken yet."""
    speaker = Speaker(name, lambda _offer: False)
    return place(LONG * 40, origin=Origin(reserve_seconds=30, speaker=speaker))


def test_what_a_killed_web_process_reserved_is_free_at_once(place: Place) -> None:
    name, process = name_of_another_process(killed=True)
    try:
        job = reserved(place, name)
        assert claims.claim_waiting("test", limit=5) == []
        assert claims.release_dead() == job.segment_count
    finally:
        end(process)
    assert claims.claim_waiting("test", limit=5)


def test_what_a_living_web_process_reserved_stays_its_own(place: Place) -> None:
    reserved(place, claims.worker_name())
    assert claims.release_dead() == 0
    assert claims.claim_waiting("test", limit=5) == []


def age(seconds: float) -> None:
    Segment.objects.update(due_at=timezone.now() - timedelta(seconds=seconds))


def test_what_was_just_placed_is_not_left_behind(place: Place) -> None:
    place()
    assert not tasks.is_left_behind()


@pytest.mark.parametrize("state", [SegmentState.WAITING, SegmentState.RUNNING])
def test_what_nobody_takes_for_seconds_is_left_behind(place: Place, state: str) -> None:
    place()
    Segment.objects.update(state=state)
    age(10)
    assert tasks.is_left_behind()


def test_a_call_of_the_dead_and_a_join_of_nobody_are_left_behind(place: Place) -> None:
    job = place()
    expired = timezone.now() - timedelta(seconds=10)
    Segment.objects.update(state=SegmentState.SUBMITTING, lease_until=expired)
    assert tasks.is_left_behind()
    Segment.objects.update(state=SegmentState.DONE, lease_until=None)
    assert not tasks.is_left_behind()
    Job.objects.filter(pk=job.pk).update(is_joinable=True)
    assert tasks.is_left_behind()


def test_a_worker_is_woken_once_for_what_is_left(place: Place) -> None:
    place()
    age(10)
    OrmQ.objects.all().delete()
    for _ in range(3):
        tasks.wake(lambda: False)
    assert [row.task["func"] for row in OrmQ.objects.all()] == [placing.WORK]


def test_the_process_for_duties_sees_a_wake_that_was_lost(place: Place) -> None:
    place()
    age(10)
    OrmQ.objects.all().delete()
    here = runner.Runner(Stop())
    here.look()
    for thread in here.threads.values():
        thread.join(20)
    assert queue.has_waiting()


def test_a_lane_with_a_pause_is_not_asked_at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(runner, "_lanes", {})
    monkeypatch.setattr(tasks, "is_left_behind", lambda: bool(asked.append(1)))
    runner.add_lane("left", is_due="jobs.tasks.is_left_behind", work="jobs.tasks.wake", pause=60)
    here = runner.Runner(Stop())
    here.look()
    here.look()
    assert asked == [1]


def test_a_run_that_breaks_off_lets_go_of_what_it_held(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(LONG * 40)
    claim = claims.claim_due

    def once(name: str, **more: Any) -> Any:
        monkeypatch.setattr(claims, "claim_due", broken)
        return claim(name, **more)

    def broken(*_: Any, **__: Any) -> Any:
        raise OperationalError("database is locked")

    monkeypatch.setattr(claims, "claim_due", once)
    with pytest.raises(OperationalError):
        asyncio.run(worker.Worker(lambda: False).run())
    taken = Segment.objects.filter(state=SegmentState.SUBMITTING)
    assert taken
    assert not taken.filter(lease_until__gt=timezone.now())


def test_a_killed_engine_is_no_reason_to_rest(place: Place) -> None:
    """Nothing is wrong with the engine: the piece is spoken by the next one, and at once."""
    place(LONG)
    segment = Segment.objects.get()

    async def lose_the_engine() -> None:
        async for _ in Builtin().speak(SpeechOrder(LONG * 100, "en-us", "", "k")):
            for pid in ESPEAK.pool.children():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    with pytest.raises(ProviderError) as caught:
        asyncio.run(lose_the_engine())
    outcome = attempts.outcome_of(caught.value, Builtin(), segment)
    assert isinstance(outcome, Postponed)
    assert not outcome.leave_out
    assert outcome.code not in health.COUNTED
