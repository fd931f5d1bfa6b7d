"""Waiting for jobs: answered at their end, at the time's end, and cheaply for many."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError

from jobs import lifecycle
from jobs.models import Job
from speechsite.api import ordering, waiting
from speechsite.api.auth import Caller
from speechsite.core import threads
from speechsite.core.ids import new_id

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(live: tuple[Caller, str]) -> Job:
    return ordering.speech(live[0], model_name="builtin", voice_id="en-us", text="Hello.")


async def end(job: Job) -> None:
    await threads.in_thread(lifecycle.fail, job, code="x", message="No.")


def test_whoever_waits_hears_of_the_end(job: Job) -> None:
    async def run() -> list[Job]:
        waiters = [asyncio.create_task(waiting.finished(job.pk, 30)) for _ in range(20)]
        await asyncio.sleep(0.2)
        await end(job)
        return await asyncio.gather(*waiters)

    assert {told.state for told in asyncio.run(run())} == {"failed"}


def test_a_job_that_is_over_is_not_waited_for(job: Job) -> None:
    lifecycle.fail(job, code="x", message="No.")
    assert asyncio.run(waiting.finished(job.pk, 3600)).state == "failed"


@pytest.mark.parametrize("seconds", [0, -1, 0.2])
def test_the_job_is_told_as_it_stands_when_the_time_is(job: Job, seconds: float) -> None:
    assert asyncio.run(waiting.finished(job.pk, seconds)).state == "queued"


def test_what_is_not_there_is_not_waited_for(job: Job) -> None:
    with pytest.raises(Job.DoesNotExist):
        asyncio.run(waiting.finished(new_id(), 3600))


def test_many_waiters_are_one_query(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[list[UUID]] = []
    over = waiting._over

    def counted(job_ids: Any) -> list[UUID]:
        looks.append(list(job_ids))
        return over(job_ids)

    async def run() -> None:
        await asyncio.gather(*(waiting.finished(job.pk, 0.5) for _ in range(200)))

    monkeypatch.setattr(waiting, "_over", counted)
    asyncio.run(run())
    assert 1 <= len(looks) <= 30
    assert all(look == [job.pk] for look in looks)


def test_one_who_hangs_up_leaves_the_others_waiting(job: Job) -> None:
    async def run() -> Job:
        gone, stays = (asyncio.create_task(waiting.finished(job.pk, 30)) for _ in range(2))
        await asyncio.sleep(0.2)
        gone.cancel()
        await end(job)
        return await stays

    assert asyncio.run(run()).state == "failed"


def test_a_database_that_stumbles_is_asked_again(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    over, troubles = waiting._over, [DatabaseError("away"), DatabaseError("away")]

    def stumbling(job_ids: Any) -> list[UUID]:
        if troubles:
            raise troubles.pop()
        return over(job_ids)

    async def run() -> Job:
        waiter = asyncio.create_task(waiting.finished(job.pk, 30))
        await end(job)
        return await waiter

    monkeypatch.setattr(waiting, "_over", stumbling)
    assert asyncio.run(run()).state == "failed"
