"""Speech that is heard while it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from jobs import lifecycle, streaming
from jobs.models import Job, Segment
from jobs.placing import Origin
from jobs.states import JobState, SegmentState
from jobs.worker import Worker
from speechsite.audio import probe
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry
from tests.jobs.conftest import work
from tests.jobs.upstream_site import LIAM, Site, settled
from voices.models import SpeechModel, Voice

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


def test_a_lease_is_renewed_while_the_provider_speaks_and_no_longer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place("A lease outlives a slow provider. " * 3, reserve_seconds=30)
    monkeypatch.setattr(streaming, "BEAT", 0.005)
    renewed: list[int] = []

    def renew(_worker: str, segments: list[int], _joins: list[object]) -> set[int]:
        renewed.extend(segments)
        return set()

    monkeypatch.setattr(streaming.claims, "renew", renew)

    async def story() -> tuple[int, int]:
        await heard(job)
        while streaming._running:
            await asyncio.sleep(0.01)
        so_far = len(renewed)
        await asyncio.sleep(0.05)
        return so_far, len(renewed)

    at_the_end, later = asyncio.run(story())
    assert set(renewed) <= set(job.segments.values_list("pk", flat=True))
    assert at_the_end == later > 0


def test_a_raw_format_streams_as_it_was_ordered(place: Place) -> None:
    job = place("Raw samples.", output_format="pcm_16000", reserve_seconds=30)
    sound = b"".join(piece.audio for piece in asyncio.run(heard(job)))
    assert probe.probe(sound, "pcm_16000").duration_ms > 300


def test_a_scene_goes_on_where_its_second_voice_is(open_site: Callable[..., Site]) -> None:
    """ElevenLabs alone can stream, takes it for its first voice, and lacks the second."""
    here = open_site("elevenlabs", "kie")
    only_there = Voice.objects.filter(family="elevenlabs", listed_by=["kie"])[0]
    job = lifecycle.place_dialogue(
        here.user,
        model=SpeechModel.objects.get(slug="elevenlabs-dialogue-v3"),
        lines=[(Voice.objects.get(external_id=LIAM), "Who is there?"), (only_there, "Me.")],
        origin=Origin(reserve_seconds=30),
    )

    async def listen_beside_a_worker() -> list[streaming.Piece]:
        pieces, _ = await asyncio.gather(heard(job), Worker(lambda: False).run())
        return pieces

    sound = b"".join(piece.audio for piece in asyncio.run(listen_beside_a_worker()))
    assert probe.probe(sound).duration_ms > 0
    assert settled(job).state == JobState.SUCCEEDED
    assert LedgerEntry.objects.filter(job_id=job.pk).exclude(kind="hold").count() == 1
    assert [here.fakes[name].accepted for name in ("elevenlabs", "kie")] == [0, 1]
