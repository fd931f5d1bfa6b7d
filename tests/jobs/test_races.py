"""Many hands on the same jobs at once: one ending, one settlement, exact funds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from jobs import claims, lifecycle
from jobs.models import Job, Segment
from jobs.outcomes import Delivered, Outcome, Postponed, Refused
from jobs.states import JobState, SegmentState
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry, Wallet
from speechsite.upstreams.models import Offer
from tests.credits.test_races import ON_POSTGRESQL, crowd
from tests.jobs.conftest import claimed

pytestmark = pytest.mark.django_db(transaction=True)
Place = Callable[..., Job]
Race = Callable[[Place, int], None]

GOOD = Delivered("jobs/x.flac", "flac_22050", 500)
BAD = Refused("rejected", "no")
TEXT = "One sentence of words. " * 12


def unharmed(outcomes: list[Any]) -> list[Any]:
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
    return outcomes


def endings(job_id: UUID) -> Counter[str]:
    entries = LedgerEntry.objects.filter(job_id=job_id).exclude(kind="hold")
    return Counter(entries.values_list("kind", flat=True))


def nothing_is_held() -> None:
    assert set(Wallet.objects.values_list("held", flat=True)) == {0}


def tell(segment: Segment, outcome: Outcome) -> Callable[[], bool]:
    return partial(lifecycle.record, segment, outcome)


def sweep(segment: Segment) -> Callable[[], Any]:
    def run() -> None:
        claims.release_dead()
        lifecycle.expire_waiting()
        for expired in claims.expired():
            lifecycle.record(expired, Postponed("interrupted", due_in=0))

    return run


# --- the races -------------------------------------------------------------------------------


def contradicting_news_and_a_cancel(place: Place, size: int) -> None:
    job = place()
    segment = claimed(job.segments.get())
    Segment.objects.update(lease_until=timezone.now() + timedelta(seconds=30))
    calls: list[Callable[[], Any]] = [
        tell(segment, random.choice((GOOD, BAD))) for _ in range(size)
    ]
    calls += [partial(lifecycle.cancel, job), sweep(segment), sweep(segment)]
    random.shuffle(calls)
    heard = unharmed(crowd(calls))
    assert heard.count(True) <= 1
    job.refresh_from_db()
    if job.state == JobState.PROCESSING:
        finish(job)
    assert endings(job.pk).total() == 1
    nothing_is_held()


def finish(job: Job) -> bool:
    return lifecycle.finish(job, audio="jobs/a.mp3", size=1, duration_ms=500, peaks=[1])


def the_last_pieces_failing_together(place: Place, size: int) -> None:
    Offer.objects.update(max_characters=150)
    for _ in range(max(size // 10, 3)):
        job = place(TEXT)
        pieces = [claimed(segment) for segment in job.segments.all()]
        assert len(pieces) >= 2
        assert unharmed(crowd([tell(piece, BAD) for piece in pieces])) == [True] * len(pieces)
        job.refresh_from_db()
        assert (job.state, job.charged) == (JobState.FAILED, 0)
        assert endings(job.pk) == {"release": 1}
    nothing_is_held()


def the_last_pieces_ending_differently(place: Place, size: int) -> None:
    Offer.objects.update(max_characters=150)
    for _ in range(max(size // 10, 3)):
        job = place(TEXT)
        pieces = [claimed(segment) for segment in job.segments.all()]
        news = [GOOD, *[BAD] * (len(pieces) - 1)]
        unharmed(crowd([tell(piece, one) for piece, one in zip(pieces, news, strict=True)]))
        job.refresh_from_db()
        assert (job.state, job.is_joinable) == (JobState.PROCESSING, True)
        finish(job)
    nothing_is_held()


def joiners_a_cancel_and_a_deletion(place: Place, size: int) -> None:
    job = place()
    segment = claimed(job.segments.get())
    lifecycle.record(segment, GOOD)
    calls: list[Callable[[], Any]] = [partial(finish, job) for _ in range(size)]
    calls += [partial(lifecycle.cancel, Job.objects.get(pk=job.pk))]
    calls += [partial(lifecycle.delete, Job.objects.get(pk=job.pk))]
    random.shuffle(calls)
    assert unharmed(crowd(calls)).count(True) <= 1
    assert endings(job.pk) == {"capture": 1}
    job.refresh_from_db()
    assert (job.audio, job.is_joinable) == ("", False)
    nothing_is_held()


def one_order_sent_many_times(place: Place, size: int) -> None:
    placed = unharmed(crowd([partial(place, idempotency_key="form-1")] * (size // 2)))
    assert {job.pk for job in placed} == {Job.objects.get().pk}
    assert LedgerEntry.objects.filter(kind="hold").count() == 1


def workers_and_cancels_of_many_pieces(place: Place, size: int) -> None:
    """Locks on many rows, taken in two ways: nobody may end in a deadlock."""
    Offer.objects.update(max_characters=150)
    jobs = [place(TEXT * 3) for _ in range(size // 10)]
    calls: list[Callable[[], Any]] = [partial(lifecycle.cancel, job) for job in jobs]
    keys = list(Segment.objects.values_list("pk", flat=True))
    for number in range(size // 5):
        calls.append(partial(claims.claim_waiting, f"w{number}", limit=20))
        calls.append(partial(claims.renew, f"w{number}", keys, []))
    random.shuffle(calls)
    unharmed(crowd(calls))
    assert set(Job.objects.values_list("state", flat=True)) == {JobState.CANCELED}
    assert set(Segment.objects.values_list("state", flat=True)) == {SegmentState.FAILED}
    nothing_is_held()


RACES: list[Race] = [
    contradicting_news_and_a_cancel,
    the_last_pieces_failing_together,
    the_last_pieces_ending_differently,
    joiners_a_cancel_and_a_deletion,
    one_order_sent_many_times,
    workers_and_cancels_of_many_pieces,
]


@pytest.mark.parametrize("race", RACES)
def test_twenty_hands_end_a_job_once(place: Place, wallet: Wallet, race: Race) -> None:
    race(place, 20)


@pytest.mark.postgres
@ON_POSTGRESQL
@pytest.mark.parametrize("race", RACES)
def test_a_hundred_hands_end_a_job_once(place: Place, wallet: Wallet, race: Race) -> None:
    race(place, 100)


def orders_with_funds_for(place: Place, wallet: Wallet, *, orders: int, enough_for: int) -> None:
    text = "Good morning to everybody."
    surplus = enough_for * len(text) - wallet.available
    ledger.adjust(wallet, surplus, key="exactly", reason="as many as fit", actor=wallet.user)
    outcomes = Counter(type(one) for one in crowd([partial(place, text)] * orders))
    expected = {Job: enough_for, ledger.InsufficientCredits: orders - enough_for}
    assert outcomes == Counter(expected)
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (0, enough_for * len(text))
    assert Job.objects.count() == Segment.objects.count() == enough_for


@pytest.mark.parametrize("enough_for", [0, 7, 20])
def test_of_twenty_orders_exactly_the_funded_are_taken(
    place: Place, wallet: Wallet, enough_for: int
) -> None:
    orders_with_funds_for(place, wallet, orders=20, enough_for=enough_for)


@pytest.mark.postgres
@ON_POSTGRESQL
@pytest.mark.parametrize("enough_for", [0, 1, 37, 199, 200])
def test_of_two_hundred_orders_exactly_the_funded_are_taken(
    place: Place, wallet: Wallet, enough_for: int
) -> None:
    orders_with_funds_for(place, wallet, orders=200, enough_for=enough_for)
