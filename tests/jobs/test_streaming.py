"""Speech that is heard while it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from jobs import streaming
from jobs.models import Job, Segment
from jobs.states import JobState, SegmentState
from speechsite.audio import probe
from speechsite.credits import ledger
from tests.jobs.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
Place = Callable[..., Job]


async def heard(job: Job, most: int | None = None) -> list[streaming.Piece]:
    pieces = []
    async for piece in streaming.listen(job):
        pieces.append(piece)
        if most is not None and len(pieces) >= most:
            break
    return pieces


def test_a_streamed_job_sounds_and_is_charged(place: Place) -> None:
    job = place("A stream begins before it ends. Words follow.", reserve_seconds=30)
    pieces = asyncio.run(heard(job))
    sound = probe.probe(b"".join(piece.audio for piece in pieces))
    work()
    job.refresh_from_db()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)
    assert abs(sound.duration_ms - job.duration_ms) < 100
    assert ledger.audit() == []


def test_words_of_a_long_stream_lie_on_one_timeline(place: Place) -> None:
    text = "Each sentence is followed by another one. " * 20
    job = place(text, reserve_seconds=30)
    words = [word for piece in asyncio.run(heard(job)) for word in piece.words]
    assert job.segment_count > 1
    assert text[words[0].start : words[0].end] == "Each"
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert [word.start_ms for word in words] == sorted(word.start_ms for word in words)


def test_who_hangs_up_leaves_a_job_that_ends_once(place: Place) -> None:
    job = place("A listener may hang up at any time. " * 30, reserve_seconds=0.1)

    async def leave_early() -> None:
        assert await heard(job, most=1)
        await asyncio.sleep(0.2)

    asyncio.run(leave_early())
    Segment.objects.filter(job=job, state=SegmentState.SUBMITTING).update(
        lease_until=job.created_at
    )
    work()
    job.refresh_from_db()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)
    assert ledger.audit() == []


def test_a_raw_format_streams_as_it_was_ordered(place: Place) -> None:
    job = place("Raw samples.", output_format="pcm_16000", reserve_seconds=30)
    sound = b"".join(piece.audio for piece in asyncio.run(heard(job)))
    assert probe.probe(sound, "pcm_16000").duration_ms > 300
