"""One provider falls, another of its family takes over: breaker, rests, limits, routes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs import claims, intake
from jobs.models import Job, Segment
from jobs.states import JobState, SegmentState
from speechsite.upstreams import health
from speechsite.upstreams.models import Channel, Offer
from tests.fakes import kie as fake_kie
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.kie import FakeKie
from tests.fakes.upstream import Fault
from tests.jobs.upstream_site import LIAM, Site, hurry, settled
from voices.models import Voice

pytestmark = pytest.mark.django_db(transaction=True)
Open = Callable[..., Site]
SENTENCE = "The harbour was quiet that morning, and a few gulls were about. "


def change(slug: str, **values: Any) -> None:
    Channel.objects.filter(slug=slug).update(**values)


def pieces_of(job: Job) -> Counter[str]:
    """How many pieces were made by each channel."""
    return Counter(job.segments.filter(state="done").values_list("channel__slug", flat=True))


def long_job(here: Site, pieces: int) -> Job:
    Offer.objects.update(max_characters=len(SENTENCE))
    return here.place(SENTENCE * pieces)


# --- failover --------------------------------------------------------------------------------


def test_killing_a_provider_in_mid_run_moves_its_work(
    open_site: Open, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(settings, monkeypatch)
    settings.WAITING_DEADLINE_SECONDS = 20
    here = open_site("elevenlabs", "kie")
    change("kie", priority=50, rate_count=None)
    change("elevenlabs", concurrency=2)
    here.fakes["elevenlabs"].latency = 0.1
    job = long_job(here, 12)
    killed: list[bool] = []

    def kill_after_three() -> bool:
        if job.segments.filter(state=SegmentState.DONE).count() >= 3 and not killed:
            here.stop("elevenlabs")
            killed.append(True)
        return False

    here.work(seconds=60, until=kill_after_three)
    job = settled(job)
    made = pieces_of(job)
    # What was in flight may have been billed: given up aloud, never bought again elsewhere.
    lost = job.segments.filter(state=SegmentState.FAILED)
    assert killed
    assert job.state == JobState.SUCCEEDED
    assert made["elevenlabs"] >= 1
    assert made["kie"] >= 12 - made["elevenlabs"] - 2
    assert {(one.failure_code, one.possible_cost) for one in lost} <= {("unclear", True)}
    assert here.fakes["kie"].accepted == made["kie"]
    assert job.segments.values("voice").distinct().count() == 1


@pytest.mark.parametrize("fault", [Fault.MAINTENANCE, Fault.BAD_KEY, Fault.NO_FUNDS])
def test_what_only_one_account_suffers_from_costs_the_customer_nothing(
    open_site: Open, fault: Fault
) -> None:
    here = open_site("elevenlabs", "kie")
    change("kie", priority=50)
    here.fakes["elevenlabs"].fault = fault
    job = here.place()
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert pieces_of(job) == {"kie": 1}
    assert here.channel("elevenlabs").last_error


@pytest.mark.parametrize("fault", [Fault.BAD_KEY, Fault.NO_FUNDS])
def test_a_bad_account_rests_at_once_and_says_why(open_site: Open, fault: Fault) -> None:
    here = open_site("minimax")
    here.fakes["minimax"].fault = fault
    job = here.place()
    here.work(until=lambda: "resting" in job.segments.get().waiting_reason)
    channel = here.channel("minimax")
    assert channel.breaker == Channel.Breaker.OPEN
    assert channel.resting_until is not None
    assert channel.resting_until > timezone.now() + timedelta(minutes=4)
    assert channel.last_error.startswith(("bad_credentials", "account_empty"))
    assert here.fakes["minimax"].requests - 1 == job.segments.get().attempts == 1


def test_credentials_that_cannot_be_opened_rest_the_channel_too(open_site: Open) -> None:
    here = open_site("elevenlabs", "kie")
    change("kie", priority=50)
    change("elevenlabs", credentials="sealed under another key")
    job = here.place()
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    channel = here.channel("elevenlabs")
    assert channel.breaker == Channel.Breaker.OPEN
    assert "SECRET_KEY" in channel.last_error


# --- breaker ---------------------------------------------------------------------------------


def test_five_failures_open_the_breaker_and_one_success_closes_it(open_site: Open) -> None:
    here = open_site("minimax")
    fake = here.fakes["minimax"]
    fake.fault = Fault.MAINTENANCE
    jobs = [here.place(f"Job number {number}.") for number in range(8)]
    change("minimax", concurrency=1)
    here.work(until=lambda: here.channel("minimax").breaker == Channel.Breaker.OPEN)
    assert here.channel("minimax").failures == health.FAILURES_TO_OPEN
    # Rested: exactly one may try, and while it fails the breaker opens again.
    change("minimax", concurrency=8, resting_until=timezone.now())
    Segment.objects.update(due_at=timezone.now())
    assert len(claims.claim_waiting("w", limit=8)) == 1
    Segment.objects.filter(worker="w").update(state=SegmentState.WAITING, worker="")
    before = fake.requests
    change("minimax", resting_until=timezone.now())
    here.work(until=lambda: here.channel("minimax").failures > health.FAILURES_TO_OPEN)
    assert fake.requests == before + 1
    fake.fault = Fault.NONE
    change("minimax", resting_until=timezone.now())
    Segment.objects.update(due_at=timezone.now())
    here.work()
    channel = here.channel("minimax")
    assert (channel.breaker, channel.failures, channel.last_error) == (
        Channel.Breaker.CLOSED,
        0,
        "",
    )
    assert {settled(job).state for job in jobs} == {JobState.SUCCEEDED}


def test_retry_after_is_obeyed(open_site: Open) -> None:
    here = open_site("rivya")
    fake = here.fakes["rivya"]
    fake.fault, fake.times, fake.retry_after = Fault.RATE_LIMIT, 1, 1.5
    job = here.place()
    begun = time.monotonic()
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert time.monotonic() - begun >= 1.5
    assert (fake.accepted, job.segments.get().attempts) == (1, 1)


# --- limits ----------------------------------------------------------------------------------


def test_the_concurrency_that_elevenlabs_allows_is_obeyed(open_site: Open) -> None:
    here = open_site("elevenlabs")
    fake = here.fakes["elevenlabs"]
    assert isinstance(fake, FakeElevenLabs)
    fake.maximum_concurrent, fake.latency = 3, 0.1
    job = long_job(here, 24)
    first = here.place("The first one teaches us.")
    change("elevenlabs", concurrency=1)
    here.work(until=lambda: here.channel("elevenlabs").observed_concurrency == 3)
    fake.most_in_flight = 0
    change("elevenlabs", concurrency=20)
    here.work()
    assert {settled(job).state, settled(first).state} == {JobState.SUCCEEDED}
    assert fake.most_in_flight == 3


def test_a_place_is_given_away_while_its_sound_is_stored(
    open_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = open_site("elevenlabs")
    fake = here.fakes["elevenlabs"]
    assert isinstance(fake, FakeElevenLabs)
    fake.maximum_concurrent = 1
    change("elevenlabs", concurrency=1)
    asked_meanwhile: list[int] = []
    store = intake.store

    def patiently(*args: Any) -> Any:
        deadline = time.monotonic() + 5
        while fake.accepted < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        asked_meanwhile.append(fake.accepted)
        return store(*args)

    monkeypatch.setattr(intake, "store", patiently)
    jobs = [here.place(f"Number {number}.") for number in range(2)]
    here.work()
    assert {settled(job).state for job in jobs} == {JobState.SUCCEEDED}
    assert asked_meanwhile == [2, 2]
    assert (fake.accepted, fake.most_in_flight) == (2, 1)


def test_kies_creates_stay_within_its_window(
    open_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty in a window, here of one second: the fake would answer 429 to the next."""
    monkeypatch.setattr(fake_kie, "WINDOW", 1)
    monkeypatch.setattr("jobs.attempts.FIRST_LOOK", 0.1)
    here = open_site("kie")
    fake = here.fakes["kie"]
    assert isinstance(fake, FakeKie)
    change("kie", rate_seconds=1)
    fake.creates_per_window = 20
    refused: list[int] = []
    count = fake._count_create

    def counting() -> None:
        try:
            count()
        except fake_kie.Refusal as refusal:
            refused.append(refusal.code)
            raise

    monkeypatch.setattr(fake, "_count_create", counting)
    job = long_job(here, 65)
    here.work(seconds=60)
    assert settled(job).state == JobState.SUCCEEDED
    assert (fake.accepted, refused) == (65, [])


# --- routes ----------------------------------------------------------------------------------


def test_the_lower_priority_is_asked_first_and_weights_share(open_site: Open) -> None:
    here = open_site("elevenlabs", "kie", "rivya")
    change("elevenlabs", priority=20, concurrency=100)
    change("kie", weight=3, concurrency=100, rate_count=None)
    change("rivya", weight=1, concurrency=100)
    long_job(here, 60)
    taken = Counter(claim.offer.channel.slug for claim in claims.claim_waiting("w", limit=60))
    assert taken["elevenlabs"] == 0
    assert taken["kie"] > taken["rivya"] > 0
    Segment.objects.update(state=SegmentState.WAITING, worker="", channel=None)


def test_a_voice_goes_only_where_it_is_listed(open_site: Open) -> None:
    here = open_site("elevenlabs", "kie")
    change("elevenlabs", priority=90)
    Voice.objects.filter(external_id=LIAM).update(listed_by=["elevenlabs"])
    job = here.place()
    here.work()
    assert pieces_of(settled(job)) == {"elevenlabs": 1}


def test_a_voice_that_no_channel_of_the_model_lists_waits_with_a_reason(open_site: Open) -> None:
    here = open_site("kie")
    Voice.objects.filter(external_id=LIAM).update(listed_by=["elevenlabs"])
    job = here.place()
    here.work(until=lambda: bool(job.segments.get().waiting_reason))
    assert "has the voice" in job.segments.get().waiting_reason
    assert here.fakes["kie"].accepted == 0


def test_a_piece_that_is_too_long_for_one_channel_goes_to_another(open_site: Open) -> None:
    here = open_site("elevenlabs", "kie")
    change("elevenlabs", priority=90)
    job = here.place("Placed before the limit was lowered.")
    Offer.objects.filter(channel__slug="kie").update(max_characters=10)
    here.work()
    assert pieces_of(settled(job)) == {"elevenlabs": 1}
