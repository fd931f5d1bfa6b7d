"""Joins that are begun while a job is still being spoken: the same result, or none at all."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from jobs import ahead, claims, ending, joining, lifecycle
from jobs.models import Job, Segment
from jobs.outcomes import Refused
from jobs.states import JobState
from speechsite.credits.models import Wallet
from speechsite.upstreams.models import Offer
from tests.jobs.conftest import claimed, delivered, work

pytestmark = pytest.mark.django_db(transaction=True)
Place = Callable[..., Job]
Open = Callable[..., ahead.Room]
LOST = Refused("unclear", "The answer was lost.", possible_cost=True)
TEXT = "One sentence of words is here. " * 24  # six pieces


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files lie; texts of a few lines are long ones here."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(ahead, "LEAST_CHARACTERS", 500)
    return folder


@pytest.fixture
def job(place: Place, wallet: Wallet) -> Job:
    Offer.objects.update(max_characters=150)
    placed = place(TEXT)
    assert placed.segment_count == 6
    return placed


@pytest.fixture
def open_room() -> Iterator[Open]:
    rooms: list[ahead.Room] = []

    def open_(name: str = "we", stop: Callable[[], bool] = lambda: False) -> ahead.Room:
        rooms.append(ahead.Room(name, stop))
        return rooms[-1]

    yield open_
    for room in rooms:
        room.close()
    assert wait_for(lambda: not busy_threads())


def busy_threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("ahead", "decode-ahead"))]


def wait_for(what: Callable[[], object], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.01)
    return bool(what())


def speak(job: Job, *indexes: int, milliseconds: int = 500) -> None:
    for segment in job.segments.filter(index__in=indexes):
        assert lifecycle.record(claimed(segment), delivered(segment, milliseconds + segment.index))


def lose(job: Job, index: int) -> Segment:
    segment = claimed(job.segments.get(index=index))
    assert lifecycle.record(segment, LOST)
    return segment


def look(room: ahead.Room, job: Job) -> list[Job]:
    room.note(job)
    return room.look(may_begin=True)


def files_of(folder: Path) -> list[Path]:
    # Unlike `rglob`, this takes no offence at a folder that goes while it is read.
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]


def is_encoding(folder: Path) -> bool:
    return wait_for(lambda: files_of(folder))


def stored(name: str) -> bytes:
    with default_storage.open(name) as file:
        content: bytes = file.read()
        return content


def ordinary(job: Job) -> bytes:
    return stored(joining.join(job, joining.parts_of(job), lambda: False).audio)


def finish(room: ahead.Room, job: Job) -> joining.Joined:
    """What a worker does with a claimed job of which a join was begun."""
    begun = room.take(job.pk, joining.parts_of(job))
    assert begun is not None
    joined = begun.future.result(timeout=20)
    assert ending.finish(job, joined)
    return joined


# --- the result ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["mp3_44100_128", "opus_48000_64", "flac_22050"])
def test_the_file_is_the_one_that_an_ordinary_join_writes(
    place: Place, wallet: Wallet, open_room: Open, temporary: Path, form: str
) -> None:
    Offer.objects.update(max_characters=150)
    job = place(TEXT, output_format=form)
    room = open_room()
    for index in (0, 2, 1, 3, 5):
        speak(job, index)
        assert look(room, job) == []
    assert is_encoding(temporary)
    speak(job, 4)
    [taken] = look(room, job)
    joined = finish(room, taken)
    assert stored(joined.audio) == ordinary(job)
    job.refresh_from_db()
    assert (job.state, job.duration_ms, job.charged) == (JobState.SUCCEEDED, 3015, job.quoted)
    assert max(job.peaks) > 5
    assert files_of(temporary) == []


def test_a_worker_encodes_while_it_speaks(
    place: Place, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> joining.Joined:
        raise AssertionError("this job was begun ahead")

    Offer.objects.update(max_characters=150)
    job = place(TEXT)
    monkeypatch.setattr(joining, "join", never)
    work()
    monkeypatch.undo()
    job.refresh_from_db()
    assert (job.state, job.join_attempts) == (JobState.SUCCEEDED, 0)
    assert stored(job.audio) == ordinary(job)
    assert not wait_for(busy_threads, 0.2)


def test_a_piece_that_fails_in_the_middle_is_left_out(
    job: Job, open_room: Open, temporary: Path
) -> None:
    room = open_room()
    speak(job, 0, 1)
    look(room, job)
    lose(job, 2)
    speak(job, 3, 4)
    assert look(room, job) == []
    speak(job, 5)
    [taken] = look(room, job)
    joined = finish(room, taken)
    assert stored(joined.audio) == ordinary(job)
    assert joined.duration_ms == 2513
    job.refresh_from_db()
    assert (job.state, job.charged < job.quoted) == (JobState.SUCCEEDED, True)


# --- what was begun is of no use -------------------------------------------------------------


def test_a_late_piece_in_what_was_begun_has_it_thrown_away(
    job: Job, open_room: Open, temporary: Path
) -> None:
    room = open_room()
    lost = lose(job, 1)
    speak(job, 0, 2, 3)
    look(room, job)
    assert is_encoding(temporary)
    assert lifecycle.deliver_late(lost, delivered(lost))
    speak(job, 4, 5)
    [taken] = look(room, job)
    assert room.take(job.pk, joining.parts_of(taken)) is None
    assert wait_for(lambda: not files_of(temporary))
    joining.hand_back(taken)
    work()
    job.refresh_from_db()
    assert (job.state, round(job.duration_ms, -2)) == (JobState.SUCCEEDED, 3000)
    assert stored(job.audio) == ordinary(job)


def test_a_canceled_job_is_joined_up_to_where_it_came(
    job: Job, open_room: Open, temporary: Path
) -> None:
    room = open_room()
    speak(job, 0, 1, 2, 4)
    look(room, job)
    lifecycle.cancel(job)
    [taken] = look(room, job)
    assert finish(room, taken).duration_ms == 2007
    job.refresh_from_db()
    assert (job.state, bool(job.audio), files_of(temporary)) == (JobState.CANCELED, True, [])


def test_of_a_deleted_job_nothing_is_left(job: Job, open_room: Open, temporary: Path) -> None:
    room = open_room()
    speak(job, 0, 1, 2)
    look(room, job)
    assert is_encoding(temporary)
    lifecycle.delete(job)
    assert room.look(may_begin=True) == []
    assert room.jobs == []
    assert wait_for(lambda: not files_of(temporary))
    assert wait_for(lambda: not busy_threads() or busy_threads() == ["ahead_0"])


def test_a_result_that_comes_too_late_to_be_wanted_is_removed(job: Job, open_room: Open) -> None:
    room = open_room()
    speak(job, *range(6))
    [taken] = look(room, job)
    begun = room.take(taken.pk, joining.parts_of(taken))
    assert begun is not None
    joined = begun.future.result(timeout=20)
    begun.drop()
    assert not default_storage.exists(joined.audio)


def test_a_stop_leaves_no_file_and_the_job_to_the_next_worker(
    job: Job, open_room: Open, temporary: Path
) -> None:
    room = open_room()
    speak(job, 0, 1)
    look(room, job)
    assert is_encoding(temporary)
    speak(job, 2, 3, 4, 5)
    assert claims.claim_join("another", job.pk) is None
    begun = room._begun[job.pk]
    room.close()
    assert isinstance(begun.future.exception(timeout=20), joining.Interrupted)
    assert files_of(temporary) == []
    assert wait_for(lambda: not busy_threads())
    assert claims.claim_join("another", job.pk) is not None


def test_a_join_under_way_ends_when_the_site_stops(
    job: Job, open_room: Open, temporary: Path
) -> None:
    heard, is_taken = iter(range(5)), threading.Event()

    def stop() -> bool:
        """At the last piece, and not before it is known that the join is under way."""
        return next(heard, None) is None and is_taken.wait(20)

    room = open_room(stop=stop)
    speak(job, *range(5))
    look(room, job)
    speak(job, 5)
    [taken] = look(room, job)
    begun = room.take(job.pk, joining.parts_of(taken))
    is_taken.set()
    assert begun is not None
    assert isinstance(begun.future.exception(timeout=20), joining.Interrupted)
    assert files_of(temporary) == []


def test_a_piece_that_cannot_be_read_ahead_does_not_fail_the_job(
    job: Job, open_room: Open, temporary: Path
) -> None:
    room = open_room()
    speak(job, 0, 1)
    broken = Path(default_storage.path(job.segments.get(index=1).audio))
    sound = broken.read_bytes()
    broken.write_bytes(b"no sound at all, only words")
    look(room, job)
    assert wait_for(room._begun[job.pk].future.done)
    assert room.look(may_begin=True) == room.jobs == files_of(temporary) == []
    broken.write_bytes(sound)
    speak(job, 2, 3, 4, 5)
    assert look(room, job) == room.jobs == []  # once is enough
    work()
    job.refresh_from_db()
    assert (job.state, job.join_attempts) == (JobState.SUCCEEDED, 0)


def test_a_job_that_is_claimed_is_not_claimed_again(job: Job, open_room: Open) -> None:
    room = open_room()
    speak(job, *range(6))
    [taken] = look(room, job)
    assert look(room, job) == []
    job.refresh_from_db()
    assert job.join_lease_until is not None
    assert finish(room, taken)


def test_a_join_that_never_takes_what_was_begun_leaves_nothing(
    job: Job, open_room: Open, temporary: Path
) -> None:
    room = open_room()
    speak(job, *range(6))
    [taken] = look(room, job)
    begun = room._claimed[taken.pk]
    room.forget(taken.pk)
    assert isinstance(begun.future.exception(timeout=20), joining.Interrupted)
    assert files_of(temporary) == []


def test_a_full_disk_does_not_fail_the_job(
    place: Place, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_job: Job, parts: Iterable[object], _stopped: object) -> joining.Joined:
        raise OSError(f"No space left on device for {len(list(parts))} pieces")

    Offer.objects.update(max_characters=150)
    job = place(TEXT)
    monkeypatch.setattr(joining, "join_growing", full)
    work()
    job.refresh_from_db()
    assert (job.state, job.join_attempts) == (JobState.SUCCEEDED, 0)


# --- which jobs, and who ---------------------------------------------------------------------


def test_short_jobs_and_plain_samples_are_not_begun(
    place: Place, wallet: Wallet, open_room: Open
) -> None:
    Offer.objects.update(max_characters=150)
    room = open_room()
    few = place("One sentence of words is here. " * 18)
    assert (few.characters > ahead.LEAST_CHARACTERS, few.segment_count) == (True, 5)
    for job in (few, place(TEXT, output_format="wav_44100")):
        speak(job, 0, 1)
        assert look(room, job) == room.jobs == []
    ahead.LEAST_CHARACTERS = len(TEXT) + 1  # put back by `temporary`
    speak(short := place(TEXT), 0, 1)
    assert look(room, short) == room.jobs == []


def test_a_job_that_does_not_go_on_gives_its_place_to_another(
    job: Job, place: Place, open_room: Open, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, other = open_room(), place(TEXT)
    speak(job, 0, 1)
    speak(other, 0, 1)
    look(room, job)
    look(room, other)
    assert room.jobs == [job.pk]
    monkeypatch.setattr(ahead, "PATIENCE", -1)
    room.look(may_begin=True)
    assert (room.jobs, Job.objects.get(pk=job.pk).join_lease_until) == ([], None)
    assert wait_for(lambda: not files_of(temporary))
    monkeypatch.undo()
    monkeypatch.setattr(ahead, "LEAST_CHARACTERS", 500)
    look(room, other)
    assert room.jobs == [other.pk]


def test_late_in_a_run_nothing_is_begun(job: Job, open_room: Open) -> None:
    room = open_room()
    speak(job, 0, 1)
    room.note(job)
    assert room.look(may_begin=False) == room.jobs == []


def test_of_two_workers_one_encodes_and_hears_what_the_other_speaks(
    job: Job, open_room: Open
) -> None:
    ours, theirs = open_room("we"), open_room("they")
    speak(job, 0, 1)
    look(ours, job)
    look(theirs, job)
    assert (ours.jobs, theirs.jobs) == ([job.pk], [])
    speak(job, 2, 3, 4, 5)
    assert claims.claim_joins("they", limit=5) == []
    [taken] = ours.look(may_begin=True)
    assert (taken.joiner, stored(finish(ours, taken).audio)) == ("we", ordinary(job))


def test_when_another_worker_joins_it_ours_is_thrown_away(
    job: Job, open_room: Open, temporary: Path
) -> None:
    room = open_room()
    speak(job, 0, 1)
    look(room, job)
    assert is_encoding(temporary)
    # As if this process had been held up for longer than its lease.
    Job.objects.update(join_lease_until=timezone.now() - timedelta(seconds=1))
    speak(job, 2, 3, 4, 5)
    [taken] = claims.claim_joins("they", limit=5)
    assert room.look(may_begin=True) == room.jobs == []
    assert wait_for(lambda: not files_of(temporary))
    job.refresh_from_db()
    assert job.joiner == "they"
    assert job.join_lease_until is not None
    assert ending.finish(taken, joining.join(taken, joining.parts_of(taken), lambda: False))


def test_our_lease_is_kept_up_while_we_encode(job: Job, open_room: Open) -> None:
    room = open_room()
    speak(job, 0, 1)
    look(room, job)
    soon = timezone.now() + timedelta(seconds=1)
    Job.objects.update(join_lease_until=soon)
    claims.renew("we", [], room.jobs)
    assert (Job.objects.get(pk=job.pk).join_lease_until or soon) > soon
