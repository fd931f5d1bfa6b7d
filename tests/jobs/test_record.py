"""What comes of a segment is applied once, however often and late it is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import lifecycle, moves
from jobs.models import Job, Segment
from jobs.outcomes import Accepted, Lost, Outcome, Postponed, Refused, StillRunning
from jobs.states import JobState, SegmentState
from speechsite.credits.models import LedgerEntry, Wallet
from tests.jobs.conftest import claimed, delivered

Place = Callable[..., Job]


def test_a_delivered_piece_is_done_and_the_job_can_be_joined(place: Place) -> None:
    job = place()
    segment = claimed(job.segments.get())
    assert lifecycle.record(segment, delivered(segment))
    segment.refresh_from_db()
    job.refresh_from_db()
    assert segment.state == SegmentState.DONE
    assert (job.state, job.is_joinable) == (JobState.PROCESSING, True)


def test_a_second_delivery_changes_nothing(place: Place) -> None:
    job = place()
    segment = claimed(job.segments.get())
    first, second = delivered(segment), delivered(segment, 900)
    assert lifecycle.record(segment, first)
    assert not lifecycle.record(segment, second)
    segment.refresh_from_db()
    assert (segment.audio, segment.duration_ms) == (first.audio, 500)


@pytest.mark.parametrize(
    "late",
    [
        Accepted("x", 1),
        StillRunning(1),
        Postponed("no"),
        Lost("no"),
        Refused("rejected", "no"),
    ],
)
def test_nothing_undoes_what_is_finished(place: Place, late: Outcome) -> None:
    segment = claimed(place().segments.get())
    lifecycle.record(segment, delivered(segment))
    assert not lifecycle.record(segment, late)
    segment.refresh_from_db()
    assert segment.state == SegmentState.DONE


def test_a_refused_only_piece_fails_the_job_and_gives_everything_back(
    place: Place, wallet: Wallet
) -> None:
    job = place()
    segment = claimed(job.segments.get())
    lifecycle.record(segment, Refused("moderated", "Refused for its content."))
    job.refresh_from_db()
    wallet.refresh_from_db()
    assert (job.state, job.failure_code) == (JobState.FAILED, "moderated")
    assert (wallet.available, wallet.held) == (100_000, 0)


def test_a_postponed_piece_waits_and_says_why(place: Place) -> None:
    segment = claimed(place().segments.get())
    lifecycle.record(segment, Postponed("The provider is busy.", leave_out=True))
    segment.refresh_from_db()
    assert (segment.state, segment.waiting_reason) == (
        SegmentState.WAITING,
        "The provider is busy.",
    )


def test_postponing_too_often_is_refusing(place: Place) -> None:
    job = place()
    segment = job.segments.get()
    Segment.objects.filter(pk=segment.pk).update(attempts=moves.MAX_ATTEMPTS)
    lifecycle.record(claimed(segment), Postponed("Down.", code="unavailable"))
    job.refresh_from_db()
    assert (job.state, job.failure_code) == (JobState.FAILED, "unavailable")


def test_being_told_to_slow_down_uses_up_no_attempt(place: Place) -> None:
    segment = place().segments.get()
    Segment.objects.filter(pk=segment.pk).update(attempts=moves.MAX_ATTEMPTS)
    lifecycle.record(claimed(segment), Postponed("Slowly.", counts=False))
    segment.refresh_from_db()
    assert (segment.state, segment.attempts) == (SegmentState.WAITING, moves.MAX_ATTEMPTS - 1)


def test_a_lost_answer_is_unclear_and_marked_as_a_possible_cost(place: Place) -> None:
    segment = claimed(place().segments.get())
    lifecycle.record(segment, Lost("The answer was lost."))
    segment.refresh_from_db()
    assert (segment.state, segment.possible_cost) == (SegmentState.UNKNOWN, True)
    assert segment.deadline_at is not None


def test_an_outcome_of_a_worker_that_lost_its_lease_is_ignored(place: Place) -> None:
    segment = claimed(place().segments.get(), worker="slow")
    claimed(segment, worker="quick")
    slow = Segment.objects.get(pk=segment.pk)
    slow.worker = "slow"
    assert not lifecycle.record(slow, Postponed("late"))
    segment.refresh_from_db()
    assert segment.state == SegmentState.SUBMITTING


def finish(job: Job) -> bool:
    return lifecycle.finish(job, audio="jobs/x.mp3", size=1, duration_ms=1000, peaks=[1])


def test_finishing_charges_exactly_the_quote(place: Place, wallet: Wallet) -> None:
    job = place("Hello there")
    segment = claimed(job.segments.get())
    lifecycle.record(segment, delivered(segment))
    assert finish(job)
    job.refresh_from_db()
    wallet.refresh_from_db()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, 11)
    assert (wallet.available, wallet.held) == (100_000 - 11, 0)


def test_finishing_twice_charges_once(place: Place) -> None:
    job = place()
    segment = claimed(job.segments.get())
    lifecycle.record(segment, delivered(segment))
    assert finish(job)
    assert not finish(job)
    assert LedgerEntry.objects.filter(job_id=job.pk, kind="capture").count() == 1


def test_only_what_was_delivered_is_charged(place: Place, wallet: Wallet) -> None:
    job = place("One sentence is here. " * 60)
    first, *others = [claimed(segment) for segment in job.segments.all()]
    lifecycle.record(first, delivered(first))
    for other in others:
        lifecycle.record(other, Refused("generation_failed", "no"))
    assert finish(job)
    job.refresh_from_db()
    wallet.refresh_from_db()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, first.units)
    assert wallet.available == 100_000 - first.units


def test_a_canceled_job_keeps_and_charges_its_finished_pieces(place: Place, wallet: Wallet) -> None:
    job = place("One sentence is here. " * 60)
    first, second, *_ = job.segments.all()
    lifecycle.record(claimed(first), delivered(first))
    lifecycle.cancel(job)
    assert not lifecycle.record(second, delivered(second))
    wallet.refresh_from_db()
    assert (job.state, job.charged, job.is_joinable) == (JobState.CANCELED, first.units, True)
    assert (wallet.available, wallet.held) == (100_000 - first.units, 0)
    assert finish(job)
    job.refresh_from_db()
    assert (job.state, job.audio) == (JobState.CANCELED, "jobs/x.mp3")


def test_canceling_what_is_over_changes_nothing(place: Place) -> None:
    job = place()
    segment = claimed(job.segments.get())
    lifecycle.record(segment, delivered(segment))
    finish(job)
    assert lifecycle.cancel(job).state == JobState.SUCCEEDED


def test_deleting_a_live_job_gives_its_credits_back(place: Place, wallet: Wallet) -> None:
    job = place()
    lifecycle.delete(job)
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (100_000, 0)
    assert not Job.objects.of(job.user).exists()


def test_a_join_that_fails_three_times_fails_the_job_free_of_charge(
    place: Place, wallet: Wallet
) -> None:
    job = place()
    segment = claimed(job.segments.get())
    lifecycle.record(segment, delivered(segment))
    for _ in range(lifecycle.JOIN_ATTEMPTS):
        lifecycle.give_up_joining(job, "DurationMismatch")
    job.refresh_from_db()
    wallet.refresh_from_db()
    assert (job.state, job.failure_code) == (JobState.FAILED, "joining_failed")
    assert (wallet.available, wallet.held) == (100_000, 0)


def test_a_piece_that_no_provider_took_in_time_is_given_back(place: Place, wallet: Wallet) -> None:
    job = place()
    job.segments.update(
        waiting_reason="Resting.",
        deadline_at=job.created_at,
        due_at=timezone.now() + timedelta(seconds=9),
    )
    assert lifecycle.expire_waiting() == 1
    job.refresh_from_db()
    wallet.refresh_from_db()
    assert (job.failure_code, wallet.held) == ("no_provider", 0)
