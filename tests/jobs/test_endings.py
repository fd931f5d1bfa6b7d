"""Every way in which a job can end, and that each ends its hold exactly once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import attempts, claims, lifecycle, moves
from jobs.models import Job, Segment
from jobs.outcomes import Accepted, Delivered, Lost, Postponed, Refused, StillRunning
from jobs.states import FINAL_JOB, JobState, SegmentState
from speechsite.credits.models import LedgerEntry, Wallet
from speechsite.upstreams.models import Channel, Offer
from tests.jobs.conftest import claimed

Place = Callable[..., Job]
Ending = Callable[[Job], None]
GOOD = Delivered("jobs/x.flac", "flac_22050", 500)
BAD = Refused("rejected", "no")
TEXT = "One sentence of words. " * 12  # two pieces


@pytest.fixture
def job(place: Place, wallet: Wallet) -> Job:
    Offer.objects.update(max_characters=150)
    return place(TEXT)


def pieces(job: Job) -> list[Segment]:
    return [claimed(segment) for segment in job.segments.all()]


def finish(job: Job) -> bool:
    return lifecycle.finish(job, audio="jobs/a.mp3", size=1, duration_ms=500, peaks=[1])


def spoken_and_joined(job: Job) -> None:
    for piece in pieces(job):
        lifecycle.record(piece, GOOD)
    finish(job)


def partly_spoken_and_joined(job: Job) -> None:
    first, *rest = pieces(job)
    lifecycle.record(first, GOOD)
    for piece in rest:
        lifecycle.record(piece, BAD)
    finish(job)


def all_refused(job: Job) -> None:
    for piece in pieces(job):
        lifecycle.record(piece, BAD)


def tried_too_often(job: Job) -> None:
    job.segments.update(attempts=moves.MAX_ATTEMPTS)
    for piece in pieces(job):
        lifecycle.record(piece, Postponed("no"))


def no_provider_in_time(job: Job) -> None:
    now = timezone.now()
    job.segments.update(
        waiting_reason="Resting.", deadline_at=now, due_at=now + timedelta(seconds=9)
    )
    lifecycle.expire_waiting()


def lost_for_good(job: Job) -> None:
    later = timezone.now() + timedelta(days=1)
    for piece in pieces(job):
        lifecycle.record(piece, Lost("no answer"))
        piece.refresh_from_db()
        refused = attempts.in_time(StillRunning(1), piece, later)
        assert isinstance(refused, Refused)
        lifecycle.record(piece, refused)


def never_finished_upstream(job: Job) -> None:
    later = timezone.now() + attempts.TASK_LIMIT + timedelta(seconds=1)
    for piece in pieces(job):
        lifecycle.record(piece, Accepted("task", 0))
        piece.refresh_from_db()
        refused = attempts.in_time(StillRunning(1), piece, later)
        assert isinstance(refused, Refused)
        lifecycle.record(piece, refused)


def channel_taken_away(job: Job) -> None:
    for piece in pieces(job):
        lifecycle.record(piece, Accepted("task", 0))
    Channel.objects.all().delete()
    for piece in claims.claim_due("w", limit=9):
        lifecycle.record(piece, Refused("channel_gone", "The provider was removed."))


def never_joined(job: Job) -> None:
    for piece in pieces(job):
        lifecycle.record(piece, GOOD)
    for _ in range(lifecycle.JOIN_ATTEMPTS):
        lifecycle.give_up_joining(job, "DurationMismatch")


def canceled_while_queued(job: Job) -> None:
    lifecycle.cancel(job)


def canceled_under_way(job: Job) -> None:
    first, *_ = pieces(job)
    lifecycle.record(first, GOOD)
    lifecycle.cancel(job)


def canceled_before_the_join(job: Job) -> None:
    for piece in pieces(job):
        lifecycle.record(piece, GOOD)
    lifecycle.cancel(job)


def deleted_while_queued(job: Job) -> None:
    lifecycle.delete(job)


def deleted_under_way(job: Job) -> None:
    canceled_under_way(job)
    lifecycle.delete(job)


def failed_as_a_whole(job: Job) -> None:
    lifecycle.fail(job, code="x", message="y\0\ud800")


ALL, PART, NOTHING = "all", "part", "nothing"
ENDINGS: list[tuple[Ending, JobState, str]] = [
    (spoken_and_joined, JobState.SUCCEEDED, ALL),
    (partly_spoken_and_joined, JobState.SUCCEEDED, PART),
    (all_refused, JobState.FAILED, NOTHING),
    (tried_too_often, JobState.FAILED, NOTHING),
    (no_provider_in_time, JobState.FAILED, NOTHING),
    (lost_for_good, JobState.FAILED, NOTHING),
    (never_finished_upstream, JobState.FAILED, NOTHING),
    (channel_taken_away, JobState.FAILED, NOTHING),
    (never_joined, JobState.FAILED, NOTHING),
    (canceled_while_queued, JobState.CANCELED, NOTHING),
    (canceled_under_way, JobState.CANCELED, PART),
    (canceled_before_the_join, JobState.CANCELED, ALL),
    (deleted_while_queued, JobState.CANCELED, NOTHING),
    (deleted_under_way, JobState.CANCELED, PART),
    (failed_as_a_whole, JobState.FAILED, NOTHING),
]


def story(job: Job) -> list[tuple[str, int]]:
    entries = LedgerEntry.objects.filter(job_id=job.pk).order_by("pk")
    return list(entries.values_list("kind", "held_delta"))


def expected(job: Job, share: str) -> list[tuple[str, int]]:
    first = job.segments.get(index=0).units
    charged = {ALL: job.quoted, PART: first, NOTHING: 0}[share]
    ends = [("capture", -charged), ("release", charged - job.quoted)]
    return [("hold", job.quoted), *[end for end in ends if end[1]]]


@pytest.mark.parametrize(("ending", "state", "share"), ENDINGS)
def test_each_way_to_end_ends_the_hold_once(
    job: Job, ending: Ending, state: JobState, share: str
) -> None:
    ending(job)
    job.refresh_from_db()
    assert (job.state, story(job)) == (state, expected(job, share))
    assert not job.segments.exclude(state__in=(SegmentState.DONE, SegmentState.FAILED)).exists()


@pytest.mark.parametrize(("ending", "state", "share"), ENDINGS)
def test_after_its_end_nothing_moves_its_credits_again(
    job: Job, ending: Ending, state: JobState, share: str
) -> None:
    before = [Segment.objects.get(pk=segment.pk) for segment in job.segments.all()]
    ending(job)
    told = story(job)
    for piece in before:
        for late in (GOOD, BAD, Lost("x"), Postponed("x")):
            assert not lifecycle.record(piece, late)
    finish(job)
    lifecycle.fail(job, code="x", message="y")
    lifecycle.give_up_joining(job, "x")
    lifecycle.cancel(job)
    lifecycle.delete(job)
    job.refresh_from_db()
    assert (story(job), job.state) == (told, state)


def test_the_list_knows_every_final_state() -> None:
    assert {state for _, state, _ in ENDINGS} == FINAL_JOB


def test_late_audio_after_the_release_is_not_charged(job: Job, wallet: Wallet) -> None:
    first, *_ = pieces(job)
    lifecycle.cancel(job)
    assert not lifecycle.record(first, GOOD)
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (100_000, 0)
