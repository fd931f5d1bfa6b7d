"""Jobs that are ended by whoever spoke them, without a worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from jobs import claims, ending, files, lifecycle, renditions, streaming
from jobs.models import Job
from jobs.placing import Origin, Speaker
from jobs.states import JobState, SegmentState
from speechsite.core import holders
from speechsite.credits import ledger
from speechsite.duties.models import Duty
from speechsite.upstreams.models import Channel
from tests.jobs.conftest import claimed, delivered, work
from tests.jobs.upstream_site import Site, settled

pytestmark = pytest.mark.django_db(transaction=True)
Place = Callable[..., Job]
Open = Callable[..., Site]


def spoken_here(site: Site, **more: Any) -> streaming.Speech:
    """Order from a provider and speak it here, until nothing of it is under way."""

    async def speak() -> streaming.Speech:
        origin = Origin(reserve_seconds=30, speaker=streaming.speaker())
        speech = await streaming.begin(lambda: site.place(origin=origin, **more))
        async for _piece in speech.pieces():
            pass
        await asyncio.gather(*streaming._running)
        return speech

    return asyncio.run(speak())


def test_a_piece_that_is_all_of_a_job_is_its_result(
    open_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = open_site("elevenlabs")
    monkeypatch.setattr(ending.joining, "join", None)  # there is nothing to join
    job = settled(spoken_here(site).job)
    piece = job.segments.get()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)
    assert (job.audio, job.duration_ms) == (piece.audio, piece.duration_ms)
    assert default_storage.size(job.audio) == job.audio_bytes
    assert not job.is_joinable
    kinds = list(job.events.values_list("kind", flat=True))
    assert kinds == ["queued", "started", "segment_done", "succeeded"]


def test_a_piece_from_a_worker_is_a_result_too(
    open_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = open_site("kie")
    job = site.place()
    monkeypatch.setattr("jobs.joining.join", None)
    site.work()
    assert settled(job).audio == job.segments.get().audio


def test_its_waveform_is_made_when_somebody_looks(open_site: Open) -> None:
    job = settled(spoken_here(open_site("elevenlabs")).job)
    assert job.peaks == []
    made = renditions.outline_of(job)
    assert max(made) > 5
    job.refresh_from_db()
    assert job.peaks == made
    default_storage.delete(job.audio)
    assert renditions.outline_of(job) == made  # kept, not made again


def test_a_waveform_of_a_file_that_is_gone_is_empty(open_site: Open) -> None:
    job = settled(spoken_here(open_site("elevenlabs")).job)
    default_storage.delete(job.audio)
    assert renditions.outline_of(job) == []


def test_deleting_it_removes_its_file(open_site: Open) -> None:
    job = settled(spoken_here(open_site("elevenlabs")).job)
    stored = job.audio
    lifecycle.delete(job)
    assert Duty.objects.filter(kind=files.FILE, key=stored).exists()


def test_a_long_piece_is_joined_as_always(open_site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    site = open_site("elevenlabs")
    monkeypatch.setattr(lifecycle, "SHORT_MS", 100)
    job = settled(spoken_here(site).job)
    assert job.audio != job.segments.get().audio
    assert job.peaks


def test_a_sound_that_comes_twice_is_charged_once(place: Place) -> None:
    job = place()
    piece = claimed(job.segments.get())
    sound = replace(delivered(piece), audio_format=job.output_format, size=10)
    assert lifecycle.record_all([(piece, sound), (piece, sound)]) == [True, False]
    assert not lifecycle.record(piece, sound)
    assert settled(job).charged == job.quoted


def test_a_sound_that_comes_after_the_job_was_canceled_is_nobodys(place: Place) -> None:
    job = place()
    piece = claimed(job.segments.get())
    lifecycle.cancel(job)
    assert not lifecycle.record(
        piece, replace(delivered(piece), audio_format=job.output_format, size=10)
    )
    assert (settled(job).state, job.audio, job.charged) == (JobState.CANCELED, "", 0)


def test_a_sound_that_ends_its_job_says_so(place: Place) -> None:
    job = place()
    piece = claimed(job.segments.get())
    sound = replace(delivered(piece), audio_format=job.output_format, size=10)
    assert ending.record(piece, sound)
    assert settled(job).audio == sound.audio
    assert default_storage.exists(sound.audio)


def test_a_sound_that_changed_nothing_ends_nothing_and_is_removed(place: Place) -> None:
    """Its speaker lost the lease: the piece waits for somebody else, and the job goes on."""
    job = place()
    piece = claimed(job.segments.get())
    sound = replace(delivered(piece), audio_format=job.output_format, size=10)
    job.segments.update(state=SegmentState.WAITING, worker="")
    assert not ending.record(piece, sound)
    assert not default_storage.exists(sound.audio)
    job.refresh_from_db()
    assert (job.state, job.audio) == (JobState.QUEUED, "")


def test_who_leaves_while_an_order_is_written_leaves_a_job_that_ends(open_site: Open) -> None:
    site = open_site("elevenlabs")
    is_placed, may_go_on = threading.Event(), threading.Event()
    placed: list[Job] = []

    def slowly() -> Job:
        origin = Origin(reserve_seconds=30, speaker=streaming.speaker())
        placed.append(site.place(origin=origin))
        is_placed.set()
        assert may_go_on.wait(10)
        return placed[0]

    async def leave() -> None:
        asking = asyncio.create_task(streaming.begin(slowly))
        await asyncio.to_thread(is_placed.wait, 10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        may_go_on.set()
        while streaming._running:
            await asyncio.sleep(0.02)

    asyncio.run(leave())
    assert (settled(placed[0]).state, placed[0].charged) == (JobState.SUCCEEDED, placed[0].quoted)


def test_a_channel_gives_its_last_place_away_once(open_site: Open) -> None:
    site = open_site("elevenlabs")
    Channel.objects.filter(slug="elevenlabs").update(concurrency=1)
    origin = Origin(reserve_seconds=30, speaker=streaming.speaker())
    first, second = site.place(origin=origin), site.place(origin=origin)
    assert first.first_claim is not None
    assert second.first_claim is None
    states = [job.segments.get().state for job in (first, second)]
    assert states == [SegmentState.SUBMITTING, SegmentState.WAITING]
    assert [first.state, second.state] == [JobState.PROCESSING, JobState.QUEUED]


def test_a_piece_whose_speaker_died_before_it_began_is_seen_to(open_site: Open) -> None:
    site = open_site("elevenlabs")
    dead = "{}:1:0:abcdef".format(holders.new_name().partition(":")[0])
    job = site.place(origin=Origin(speaker=Speaker(dead, lambda _offer: True)))
    assert holders.is_dead(dead)
    assert claims.release_dead() == 1
    assert [one.pk for one in claims.expired()] == [job.segments.get().pk]


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


def test_a_long_stream_is_put_together_by_a_worker(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place("Each sentence is followed by another one. " * 20, reserve_seconds=30)
    monkeypatch.setattr(streaming, "JOINED_HERE_MS", 0)
    monkeypatch.setattr(streaming, "LAST_BYTE", 0.2)
    asyncio.run(hear(job))
    job.refresh_from_db()
    assert (job.state, job.is_joinable) == (JobState.PROCESSING, True)
    work()
    job.refresh_from_db()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)


def test_who_ends_a_job_says_so_and_leaves_its_sound(place: Place) -> None:
    job = place()
    settle_all(job)
    assert ending.end("the listener", job.pk) is True
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert default_storage.exists(job.audio)


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
