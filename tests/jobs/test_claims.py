"""Who gets which piece: fairness, leases, limits of channels, and few queries."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import claims, lifecycle, turns
from jobs.models import Job, Segment
from jobs.outcomes import Accepted, Delivered, Postponed
from jobs.states import JobState, SegmentState
from speechsite.accounts.models import User
from speechsite.core import holders
from speechsite.upstreams.models import Channel, Offer
from tests.credits.test_races import ON_POSTGRESQL, crowd
from tests.jobs.conftest import claimed, delivered

Place = Callable[..., Job]
LONG = "One sentence is here. "


@pytest.fixture
def channel(catalogue: None) -> Channel:
    """The built-in channel with room for everybody."""
    channel = Channel.objects.get(adapter="builtin")
    channel.concurrency = 1000
    channel.save()
    return channel


def many(job: Job, count: int) -> None:
    """More pieces for a job than anybody would type."""
    Segment.objects.bulk_create(
        Segment(
            job=job,
            user_id=job.user_id,
            index=number,
            text="More.",
            units=0,
            voice_id=job.voice_id,
            model_slug="builtin-speech",
        )
        for number in range(job.segment_count, count)
    )


def users_of(taken: list[claims.Claim]) -> Counter[int]:
    return Counter(claim.segment.user_id for claim in taken)


# --- fairness --------------------------------------------------------------------------------


def test_ten_thousand_pieces_of_one_do_not_delay_anothers_first(
    place: Place, channel: Channel, ben: User
) -> None:
    many(place(), 10_000)
    claims.claim_waiting("w", limit=8)
    hers = place(user=ben)
    assert hers.segments.get().pk in {one.segment.pk for one in claims.claim_waiting("w", limit=1)}


def test_a_round_is_shared_between_accounts(place: Place, channel: Channel, ben: User) -> None:
    many(place(), 500)
    many(place(user=ben), 500)
    assert sorted(users_of(claims.claim_waiting("w", limit=10)).values()) == [5, 5]


def test_who_has_less_in_flight_catches_up(place: Place, channel: Channel, ben: User) -> None:
    ada = place()
    many(ada, 500)
    claims.claim_waiting("w", limit=6)
    many(place(user=ben), 500)
    assert users_of(claims.claim_waiting("w", limit=10)) == {ben.pk: 8, ada.user_id: 2}


def test_a_short_job_is_not_stuck_behind_the_same_persons_book(
    place: Place, channel: Channel
) -> None:
    many(place(), 2000)
    claims.claim_waiting("w", limit=4)
    short = place("A short one.")
    assert claims.claim_waiting("w", limit=1)[0].segment.job_id == short.pk


def test_pieces_of_a_job_are_taken_in_their_order(place: Place, channel: Channel) -> None:
    many(place(), 50)
    first = [one.segment.index for one in claims.claim_waiting("w", limit=5)]
    assert first == [0, 1, 2, 3, 4]


def test_more_accounts_than_places_all_get_their_turn() -> None:
    lines = [turns.Line(user, uuid4(), user, 3) for user in range(1000)]
    order = list(turns.order(lines, {}))
    assert len(order) == 3000
    assert len(set(order[:1000])) == 1000


# --- one piece, one worker -------------------------------------------------------------------


def claim_everything_at_once(hands: int, pieces: int, limit: int) -> None:
    rounds = -(-pieces // limit) + hands
    taken = crowd(
        [
            lambda name=f"w{number}": claims.claim_waiting(name, limit=limit)
            for number in range(rounds)
        ]
    )
    assert not [one for one in taken if isinstance(one, Exception)]
    keys = Counter(claim.segment.pk for one in taken for claim in one)
    assert set(keys.values()) == {1}
    assert len(keys) == Segment.objects.exclude(state=SegmentState.WAITING).count()


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_get_the_same_piece(place: Place, channel: Channel) -> None:
    many(place(), 60)
    claim_everything_at_once(hands=4, pieces=60, limit=8)


@pytest.mark.postgres
@ON_POSTGRESQL
@pytest.mark.django_db(transaction=True)
def test_thirty_workers_never_get_the_same_piece(place: Place, channel: Channel) -> None:
    many(place(), 600)
    claim_everything_at_once(hands=30, pieces=600, limit=16)


def claims_of_a_small_channel(place: Place, channel: Channel, hands: int) -> None:
    Channel.objects.filter(pk=channel.pk).update(concurrency=5)
    many(place(), 100)
    taken = crowd([lambda: claims.claim_waiting("w", limit=8)] * hands)
    assert sum(len(one) for one in taken) == 5


@pytest.mark.django_db(transaction=True)
def test_workers_together_stay_within_a_channels_concurrency(
    place: Place, channel: Channel
) -> None:
    claims_of_a_small_channel(place, channel, hands=6)


@pytest.mark.postgres
@ON_POSTGRESQL
@pytest.mark.django_db(transaction=True)
def test_thirty_workers_together_stay_within_it_too(place: Place, channel: Channel) -> None:
    claims_of_a_small_channel(place, channel, hands=30)


# --- leases ----------------------------------------------------------------------------------


def a_claim(place: Place, worker: str = "w") -> Segment:
    place()
    return claims.claim_waiting(worker, limit=1)[0].segment


def later(segment: Segment) -> None:
    """Its lease has run out."""
    Segment.objects.filter(pk=segment.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_claim_is_written_before_the_call_goes_out(place: Place, channel: Channel) -> None:
    segment = a_claim(place)
    stored = Segment.objects.get(pk=segment.pk)
    assert (stored.state, stored.worker, stored.attempts) == (SegmentState.SUBMITTING, "w", 1)
    assert (segment.state, segment.worker, segment.attempts) == ("submitting", "w", 1)
    assert stored.job.state == JobState.PROCESSING


def test_a_lease_that_ran_out_is_found(place: Place, channel: Channel) -> None:
    segment = a_claim(place)
    assert claims.expired() == []
    later(segment)
    assert [one.pk for one in claims.expired()] == [segment.pk]


def test_renewing_lengthens_ours_and_names_what_is_lost(place: Place, channel: Channel) -> None:
    ours, lost = a_claim(place), a_claim(place, "another")
    later(ours)
    assert claims.renew("w", [ours.pk, lost.pk], []) == {lost.pk}
    ours.refresh_from_db()
    assert ours.lease_until is not None
    assert ours.lease_until > timezone.now() + timedelta(seconds=20)


def test_a_canceled_piece_is_no_longer_ours(place: Place, channel: Channel) -> None:
    segment = a_claim(place)
    lifecycle.cancel(segment.job)
    assert claims.renew("w", [segment.pk], []) == {segment.pk}


def test_a_task_is_asked_about_once_at_a_time(place: Place, channel: Channel) -> None:
    segment = a_claim(place)
    lifecycle.record(segment, Accepted("task-1", 0))
    assert [one.pk for one in claims.claim_due("w", limit=5)] == [segment.pk]
    assert claims.claim_due("v", limit=5) == []
    later(segment)
    assert [one.worker for one in claims.claim_due("v", limit=5)] == ["v"]


def test_a_join_is_taken_once_until_its_lease_runs_out(place: Place, channel: Channel) -> None:
    segment = a_claim(place)
    lifecycle.record(segment, delivered(segment))
    assert [job.pk for job in claims.claim_joins("w", limit=2)] == [segment.job_id]
    assert claims.claim_joins("v", limit=2) == []
    Job.objects.update(join_lease_until=timezone.now())
    assert len(claims.claim_joins("v", limit=2)) == 1


# --- processes that died ---------------------------------------------------------------------


def name_of_another_process(*, killed: bool) -> tuple[str, subprocess.Popen[str]]:
    """What a real process calls itself; when killed, nobody has waited for it yet."""
    code = "from speechsite.core import holders; print(holders.new_name(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import django; django.setup(); {code}"],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "speechsite.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    if killed:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return name, process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_what_a_killed_process_held_is_free_at_once(place: Place, channel: Channel) -> None:
    name, process = name_of_another_process(killed=True)
    try:
        segment = a_claim(place, name)
        assert claims.release_dead() == 1
        assert [one.pk for one in claims.expired()] == [segment.pk]
    finally:
        end(process)
    assert holders.is_dead(name)


def test_what_a_living_process_holds_is_left_alone(place: Place, channel: Channel) -> None:
    name, process = name_of_another_process(killed=False)
    try:
        a_claim(place, name)
        a_claim(place, claims.worker_name())
        assert claims.release_dead() == 0
    finally:
        end(process)


def test_processes_of_other_machines_are_never_called_dead() -> None:
    machine, rest = holders.new_name().split(":", 1)
    assert not holders.is_dead(f"{machine[::-1]}x:{rest}")
    assert not holders.is_dead(f"elsewhere:999999:{rest}")
    assert not holders.is_dead("")


def test_a_number_given_to_another_process_since_is_a_dead_name() -> None:
    machine, pid, began, token = holders.new_name().split(":")
    assert holders.is_dead(f"{machine}:{pid}:{int(began) - 1}:{token}")


# --- channels --------------------------------------------------------------------------------


def test_a_channels_concurrency_counts_what_is_in_flight(place: Place, channel: Channel) -> None:
    Channel.objects.update(concurrency=3)
    many(place(), 10)
    assert len(claims.claim_waiting("w", limit=2)) == 2
    assert len(claims.claim_waiting("w", limit=8)) == 1
    assert claims.claim_waiting("w", limit=8) == []


def test_a_call_that_has_ended_takes_no_room(place: Place, channel: Channel) -> None:
    Channel.objects.update(concurrency=3)
    many(place(), 10)
    first = [claim.segment.pk for claim in claims.claim_waiting("w", limit=8)]
    second = claims.claim_waiting("w", limit=8, over=first[:2])
    assert len(second) == 2
    assert claims.claim_waiting("w", limit=8, over=first[:2]) == []


def test_a_call_that_ended_and_was_canceled_makes_room_once(place: Place, channel: Channel) -> None:
    Channel.objects.update(concurrency=2)
    canceled, going_on = place(), place()
    many(place(), 5)
    claims.claim_waiting("w", limit=2)
    ended = canceled.segments.get()
    lifecycle.cancel(canceled)
    assert going_on.segments.get().state == SegmentState.SUBMITTING
    assert len(claims.claim_waiting("w", limit=8, over=[ended.pk])) == 1


def test_a_channels_rate_counts_what_began_in_its_window(place: Place, channel: Channel) -> None:
    Channel.objects.update(rate_count=4, rate_seconds=10)
    many(place(), 10)
    taken = claims.claim_waiting("w", limit=8)
    assert len(taken) == 4
    for claim in taken:
        lifecycle.record(claim.segment, delivered(claim.segment))
    assert claims.claim_waiting("w", limit=8) == []
    Segment.objects.filter(state="done").update(submitted_at=timezone.now() - timedelta(seconds=11))
    assert len(claims.claim_waiting("w", limit=8)) == 4


def test_being_busy_is_no_reason_to_tell(place: Place, channel: Channel) -> None:
    Channel.objects.update(concurrency=1)
    many(place(), 3)
    claims.claim_waiting("w", limit=1)
    assert claims.claim_waiting("w", limit=1) == []
    assert set(Segment.objects.values_list("waiting_reason", flat=True)) == {""}


def test_without_a_channel_the_reason_is_shown(place: Place, channel: Channel) -> None:
    job = place()
    Channel.objects.update(is_enabled=False)
    assert claims.claim_waiting("w", limit=1) == []
    assert job.segments.get().waiting_reason == "No provider offers this model."


def test_the_time_for_finding_a_provider_begins_with_the_trouble(
    place: Place, channel: Channel
) -> None:
    """Hours in a full queue are no trouble; a first failure afterwards is not the end."""
    place()
    Segment.objects.update(deadline_at=timezone.now() - timedelta(hours=1))
    segment = claims.claim_waiting("w", limit=1)[0].segment
    lifecycle.record(segment, Postponed("The provider asks us to slow down.", counts=False))
    assert lifecycle.expire_waiting() == 0
    Segment.objects.update(deadline_at=timezone.now(), due_at=timezone.now())
    again = claims.claim_waiting("w", limit=1)[0].segment
    lifecycle.record(again, Postponed("The provider asks us to slow down.", counts=False))
    Segment.objects.update(due_at=timezone.now() + timedelta(seconds=9))
    assert lifecycle.expire_waiting() == 1


def test_a_channel_that_is_left_out_is_not_used_again(place: Place, channel: Channel) -> None:
    other = Channel.objects.create(slug="spare", name="Spare", adapter="builtin", priority=99)
    Offer.objects.create(channel=other, model="builtin-speech", upstream_name="espeak-ng")
    segment = a_claim(place)
    assert segment.channel == channel
    lifecycle.record(segment, Postponed("no", leave_out=True, due_in=0))
    assert claims.claim_waiting("w", limit=1)[0].segment.channel == other


def test_when_all_have_failed_it_waits_and_then_starts_over(place: Place, channel: Channel) -> None:
    segment = a_claim(place)
    lifecycle.record(segment, Postponed("no", leave_out=True, due_in=0))
    assert claims.claim_waiting("w", limit=1) == []
    segment.refresh_from_db()
    assert segment.waiting_reason == "Every provider of this model has failed."
    assert segment.due_at > timezone.now()
    Segment.objects.update(due_at=timezone.now())
    assert len(claims.claim_waiting("w", limit=1)) == 1


def test_a_model_without_room_does_not_hold_up_another(place: Place, channel: Channel) -> None:
    many(place(), 200)
    Segment.objects.update(model_slug="crowded")
    full = Channel.objects.create(slug="full", name="Full", adapter="builtin", concurrency=0)
    Offer.objects.create(channel=full, model="crowded", upstream_name="x")
    free = place("A free one.")
    assert [one.segment.job_id for one in claims.claim_waiting("w", limit=4)] == [free.pk]


# --- cost ------------------------------------------------------------------------------------


def queries_of_a_round(limit: int) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(claims.claim_waiting("w", limit=limit)) == limit
    return len(queries)


def test_a_round_takes_few_queries_however_much_waits(
    place: Place, channel: Channel, ben: User
) -> None:
    many(place(), 100)
    few = queries_of_a_round(32)
    many(place(), 10_000)
    many(place(user=ben), 5)
    assert queries_of_a_round(64) == few + 1  # the second job that begins tells so
    assert few <= 24


def test_nothing_waiting_costs_one_query(db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert claims.claim_waiting("w", limit=64) == []
    assert len(queries) == 1


def test_a_long_job_is_joined_in_its_turn_while_short_ones_keep_coming(place: Place) -> None:
    """Short ones go before it for a minute; under load it would wait for ever otherwise."""
    book = place()
    Job.objects.filter(pk=book.pk).update(segment_count=2000)
    book.refresh_from_db()
    end_all_pieces(book)
    assert not claims.claim_joins("w", limit=0)
    first = place()
    end_all_pieces(first)
    assert [job.pk for job in claims.claim_joins("w", limit=1)] == [first.pk]
    Job.objects.filter(pk=book.pk).update(join_turn=F("join_turn") - timedelta(seconds=61))
    late = place()
    end_all_pieces(late)
    assert [job.pk for job in claims.claim_joins("w", limit=1)] == [book.pk]
    assert [job.pk for job in claims.claim_joins("w", limit=1)] == [late.pk]


def end_all_pieces(job: Job) -> None:
    # Of another format than the job's, so that there is something to join.
    done = Delivered("jobs/x.flac", "flac_22050", 500)
    for piece in job.segments.all():
        lifecycle.record(claimed(piece), done)
