"""Jobs that are ended by whoever spoke them, without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import claims, ending, lifecycle, streaming
from jobs.models import Job
from jobs.states import JobState
from speechsite.credits import ledger
from tests.jobs.conftest import claimed, delivered, work

pytestmark = pytest.mark.django_db(transaction=True)
Place = Callable[..., Job]


def settle_all(job: Job) -> None:
    for segment in job.segments.all():
        ours = claimed(segment)
        assert lifecycle.record(ours, delivered(ours))


async def hear(job: Job) -> bytes:
    sound = b"".join([piece.audio async for piece in streaming.listen(job)])
    await asyncio.gather(*streaming._running)
    return sound


def test_a_short_stream_ends_without_a_worker(place: Place) -> None:
    job = place("Short enough to end where it was spoken.", reserve_seconds=30)
    assert asyncio.run(hear(job))
    job.refresh_from_db()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)
    assert job.peaks
    assert ledger.audit() == []


def test_a_long_stream_is_put_together_by_a_worker(place: Place) -> None:
    job = place("Each sentence is followed by another one. " * 20, reserve_seconds=30)
    asyncio.run(hear(job))
    job.refresh_from_db()
    assert (job.state, job.is_joinable) == (JobState.PROCESSING, True)
    work()
    job.refresh_from_db()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)


def test_a_job_that_a_worker_has_is_left_to_it(place: Place) -> None:
    job = place()
    settle_all(job)
    assert claims.claim_join("a worker", job.pk) is not None
    assert not ending.end("the listener", job.pk)
    job.refresh_from_db()
    assert (job.state, job.joiner) == (JobState.PROCESSING, "a worker")


def test_a_sound_that_nobody_wants_any_more_is_removed(
    place: Place, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    job = place()
    settle_all(job)
    real = ending.joining.join

    def deleted_meanwhile(*args: Any) -> Any:
        joined = real(*args)
        lifecycle.delete(job)
        return joined

    monkeypatch.setattr(ending.joining, "join", deleted_meanwhile)
    assert not ending.end("the listener", job.pk)
    work()
    folder = Path(settings.MEDIA_ROOT)
    assert list(folder.rglob("*.mp3")) == []  # the piece itself is the queue's to remove
    assert ledger.audit() == []


def test_a_sound_that_cannot_be_joined_is_left_to_be_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place()
    settle_all(job)

    def fails(*args: Any) -> Any:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ending.joining, "join", fails)
        assert not ending.end("the listener", job.pk)
    work()
    job.refresh_from_db()
    assert (job.state, job.join_attempts) == (JobState.SUCCEEDED, 1)
