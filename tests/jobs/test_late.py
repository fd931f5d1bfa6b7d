"""Sound that comes after its piece was given up: given for nothing, once, or not at all."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from jobs import claims, files, joining, late, lifecycle
from jobs.models import Job, Segment
from jobs.outcomes import Refused
from jobs.states import JobState, SegmentState
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry, Wallet
from speechsite.duties import leases, outbox
from speechsite.duties.models import Duty
from speechsite.upstreams.models import Offer
from tests.credits.test_races import ON_POSTGRESQL, crowd
from tests.fakes.kie import FakeKie
from tests.fakes.upstream import Fault, Task, damaged
from tests.jobs.conftest import claimed, delivered, work
from tests.jobs.test_callbacks import send
from tests.jobs.upstream_site import Site, hurry, settled

pytestmark = pytest.mark.django_db(transaction=True)
Place = Callable[..., Job]
LOST = Refused("unclear", "The answer was lost.", possible_cost=True)
TEXT = "One sentence of words. " * 12  # two pieces


def files_of(settings: Any) -> list[Path]:
    root = Path(settings.MEDIA_ROOT)
    return [path for path in root.rglob("*") if path.is_file()]


def entries(job: Job) -> list[str]:
    return sorted(LedgerEntry.objects.filter(job_id=job.pk).values_list("kind", flat=True))


def see_to(kind: str) -> None:
    """Do what is due of a kind, as the duties' process would."""
    outbox.work(kind, lambda: False)


@pytest.fixture
def pieces(place: Place, wallet: Wallet) -> list[Segment]:
    """The two pieces of a job, in a worker's hands."""
    Offer.objects.update(max_characters=150)
    return [claimed(segment) for segment in place(TEXT).segments.order_by("index")]


@pytest.fixture
def given_up(pieces: list[Segment]) -> list[Segment]:
    """The same, lost; the job failed and the credits are back."""
    for piece in pieces:
        assert lifecycle.record(piece, LOST)
    return pieces


def job_of(segment: Segment) -> Job:
    return Job.objects.get(pk=segment.job_id)


# --- what is told of it ----------------------------------------------------------------------


def test_a_late_piece_is_given_and_nothing_is_charged(given_up: list[Segment]) -> None:
    before = entries(job_of(given_up[0]))
    assert lifecycle.deliver_late(given_up[0], delivered(given_up[0]))
    work()
    job = settled(job_of(given_up[0]))
    assert (job.state, job.charged, job.failure_code) == (JobState.FAILED, 0, "unclear")
    assert job.audio
    assert 450 < job.duration_ms < 600
    assert set(job.segments.values_list("state", flat=True)) == {SegmentState.FAILED}
    assert entries(job) == before == ["hold", "release"]
    assert [event.kind for event in job.events.order_by("-id")[:2]] == ["audio_ready", "audio_late"]


def test_the_second_late_piece_replaces_the_file(given_up: list[Segment], settings: Any) -> None:
    for piece in reversed(given_up):
        assert lifecycle.deliver_late(piece, delivered(piece))
        work()
    see_to(files.FILE)
    job = settled(job_of(given_up[0]))
    assert 950 < job.duration_ms < 1150
    # Two pieces and what was made of them; the file with one piece is gone.
    assert len(files_of(settings)) == 3


def test_a_piece_that_comes_twice_is_kept_once(given_up: list[Segment]) -> None:
    first, second = delivered(given_up[0]), delivered(given_up[0])
    assert lifecycle.deliver_late(given_up[0], first)
    assert not lifecycle.deliver_late(given_up[0], second)
    assert Segment.objects.get(pk=given_up[0].pk).audio == first.audio


def test_a_piece_that_comes_while_others_are_joined_is_joined_too(given_up: list[Segment]) -> None:
    lifecycle.deliver_late(given_up[0], delivered(given_up[0]))
    [job] = claims.claim_joins("joiner", limit=1)
    parts = joining.parts_of(job)
    lifecycle.deliver_late(given_up[1], delivered(given_up[1]))
    assert lifecycle.finish(job, audio="jobs/one.mp3", size=1, duration_ms=500, peaks=[])
    assert (len(parts), job_of(given_up[0]).is_joinable) == (1, True)
    Job.objects.update(join_lease_until=None)
    work()
    assert 950 < job_of(given_up[0]).duration_ms < 1150


def test_a_partial_result_becomes_whole(pieces: list[Segment]) -> None:
    lifecycle.record(pieces[0], delivered(pieces[0]))
    lifecycle.record(pieces[1], LOST)
    work()
    job = settled(job_of(pieces[0]))
    assert (job.state, job.charged, job.duration_ms < 600) == (
        JobState.SUCCEEDED,
        pieces[0].units,
        True,
    )
    assert lifecycle.deliver_late(pieces[1], delivered(pieces[1]))
    work()
    job = settled(job)
    assert (job.state, job.charged) == (JobState.SUCCEEDED, pieces[0].units)
    assert 950 < job.duration_ms < 1150
    assert job.events.filter(kind="succeeded").count() == 1


@pytest.mark.parametrize("ending", ["spoken", "lost"])
def test_a_late_piece_of_a_job_under_way_waits_for_the_rest(
    pieces: list[Segment], ending: str
) -> None:
    lifecycle.record(pieces[0], LOST)
    assert lifecycle.deliver_late(pieces[0], delivered(pieces[0]))
    assert not job_of(pieces[0]).is_joinable
    lifecycle.record(pieces[1], delivered(pieces[1]) if ending == "spoken" else LOST)
    work()
    job = settled(job_of(pieces[0]))
    expected = (pieces[1].units, 2) if ending == "spoken" else (0, 1)
    assert (job.charged, round(job.duration_ms / 500)) == expected
    assert job.state == (JobState.SUCCEEDED if ending == "spoken" else JobState.FAILED)


@pytest.mark.parametrize("verb", [lifecycle.delete, lifecycle.cancel])
def test_who_stopped_or_deleted_it_gets_nothing(
    pieces: list[Segment], verb: Callable[[Job], Any]
) -> None:
    verb(job_of(pieces[0]))
    assert not lifecycle.deliver_late(pieces[0], delivered(pieces[0]))
    assert job_of(pieces[0]).segments.with_sound().count() == 0


def test_a_failed_job_is_not_finished_without_a_late_piece(given_up: list[Segment]) -> None:
    job = job_of(given_up[0])
    assert not lifecycle.finish(job, audio="jobs/x.mp3", size=1, duration_ms=1, peaks=[])


def test_a_late_piece_can_be_deleted(given_up: list[Segment], settings: Any) -> None:
    lifecycle.deliver_late(given_up[0], delivered(given_up[0]))
    work()
    lifecycle.delete(job_of(given_up[0]))
    see_to(files.FILE)
    assert files_of(settings) == []


# --- many at once ----------------------------------------------------------------------------


@ON_POSTGRESQL
def test_of_many_copies_one_is_kept(given_up: list[Segment]) -> None:
    sounds = [delivered(given_up[0]) for _ in range(20)]
    heard = crowd([partial(lifecycle.deliver_late, given_up[0], sound) for sound in sounds])
    assert sorted(map(str, heard)) == ["False"] * 19 + ["True"]
    assert entries(job_of(given_up[0])) == ["hold", "release"]


@ON_POSTGRESQL
def test_a_deletion_at_that_moment_leaves_no_file(given_up: list[Segment], settings: Any) -> None:
    def deliver() -> None:
        sound = delivered(given_up[0])
        if not lifecycle.deliver_late(given_up[0], sound):
            files.erase(sound.audio)

    job = job_of(given_up[0])
    calls: list[Callable[[], Any]] = [deliver] * 10 + [partial(lifecycle.delete, job)] * 2
    random.shuffle(calls)
    assert not [one for one in crowd(calls) if isinstance(one, Exception)]
    see_to(files.FILE)
    assert files_of(settings) == []
    assert job_of(given_up[0]).segments.with_sound().count() == 0


# --- the whole path --------------------------------------------------------------------------


@pytest.fixture
def kie(
    open_site: Callable[..., Site],
    live_server: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Site:
    settings.SITE_URL = live_server.url
    settings.ALLOW_PRIVATE_NETWORKS = True
    hurry(settings, monkeypatch)
    return open_site("kie")


def lost(here: Site) -> tuple[Job, Task]:
    """A job that failed because kie's answer never came, and kie's task, which is done now."""
    fake = here.fakes["kie"]
    fake.fault, fake.delay = Fault.DROP_AFTER, 60
    job = here.place()
    here.work()
    assert settled(job).state == JobState.FAILED
    [task] = fake.tasks.values()
    task.ready_at = 0
    return job, task


def call_back(here: Site, task: Task) -> int:
    fake = here.fakes["kie"]
    assert isinstance(fake, FakeKie)
    return send(here, fake.callback_for(task))


def test_a_callback_after_the_deadline_brings_the_sound_for_nothing(
    kie: Site, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    job, task = lost(kie)
    funds = Wallet.objects.get(user=job.user).available
    assert {call_back(kie, task) for _ in range(100)} == {200}
    see_to(late.LOOK)
    kie.work()
    job, piece = settled(job), job.segments.get()
    assert (job.state, job.charged) == (JobState.FAILED, 0)
    assert (float(piece.upstream_cost or 0), piece.possible_cost) == (task.credits, False)
    assert Wallet.objects.get(user=job.user).available == funds
    assert len(files_of(settings)) == 2  # the piece and the job's own
    call_command("auditcredits")
    client = Client()
    client.force_login(job.user)
    page = client.get(f"/jobs/{job.pk}/").content.decode()
    assert "It is yours and costs nothing." in page
    assert "Try again with the same text" not in page
    assert "Download" in page
    assert "Came late, costs nothing" in client.get("/history/").content.decode()


@ON_POSTGRESQL
def test_many_askings_at_once_store_one_sound(kie: Site, settings: Any) -> None:
    job, task = lost(kie)
    call_back(kie, task)
    piece = job.segments.get()
    assert crowd([partial(late.look, str(piece.pk))] * 12) == [None] * 12
    assert len(files_of(settings)) == 1
    assert job.events.filter(kind="audio_late").count() == 1


@pytest.mark.parametrize(
    "fault", [Fault.AUDIO_HTML, Fault.AUDIO_EMPTY, Fault.AUDIO_DAMAGED, Fault.LINK_GONE]
)
def test_a_late_sound_that_is_damaged_costs_only_us(kie: Site, settings: Any, fault: Fault) -> None:
    job, task = lost(kie)
    task.fault = fault
    task.audio = damaged(task.audio) if fault is Fault.AUDIO_DAMAGED else task.audio
    call_back(kie, task)
    see_to(late.LOOK)
    piece = job.segments.get()
    assert (float(piece.upstream_cost or 0), piece.possible_cost) == (task.credits, False)
    assert (piece.audio, settled(job).is_joinable, files_of(settings)) == ("", False, [])


def test_what_could_not_be_asked_is_asked_again(kie: Site) -> None:
    """Also when the process died while it asked."""
    job, task = lost(kie)
    call_back(kie, task)
    fake = kie.fakes["kie"]
    fake.fault, fake.everywhere = Fault.MAINTENANCE, True
    see_to(late.LOOK)
    duty = Duty.objects.get(kind=late.LOOK)
    assert duty.attempts == 1
    assert duty.due_at > timezone.now()
    assert not job.segments.with_sound().exists()
    fake.fault, fake.everywhere = Fault.NONE, False
    ago = timezone.now() - timedelta(seconds=1)
    Duty.objects.update(due_at=ago, lease_until=timezone.now() + leases.LEASE)
    see_to(late.LOOK)
    assert not job.segments.with_sound().exists()  # somebody may be at it
    Duty.objects.update(lease_until=ago)
    see_to(late.LOOK)
    assert job.segments.with_sound().exists()
    assert not Duty.objects.exists()


def test_a_deleted_job_is_only_billed(kie: Site, settings: Any) -> None:
    job, task = lost(kie)
    lifecycle.delete(job)
    call_back(kie, task)
    see_to(late.LOOK)
    piece = job.segments.get()
    assert float(piece.upstream_cost or 0) == task.credits
    assert (piece.audio, files_of(settings)) == ("", [])
    assert ledger.audit() == []


def test_a_task_that_goes_on_is_left_until_its_next_callback(kie: Site) -> None:
    job, task = lost(kie)
    task.ready_at = task.accepted_at + 10_000
    call_back(kie, task)
    see_to(late.LOOK)
    piece = job.segments.get()
    assert (piece.possible_cost, piece.lease_until) == (True, None)
    task.fault = Fault.TASK_FAILS
    task.ready_at = 0
    call_back(kie, task)
    see_to(late.LOOK)
    assert not job.segments.get().possible_cost
