"""Work through all four providers, over real sockets against fakes that follow the facts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from jobs import moves
from jobs.models import Segment
from jobs.states import JobState, SegmentState
from speechsite.audio import probe
from speechsite.credits.models import Wallet
from speechsite.upstreams import health
from speechsite.upstreams.models import Channel
from tests.fakes.upstream import Fault
from tests.jobs.upstream_site import Site, hurry, settled

pytestmark = pytest.mark.django_db(transaction=True)
Open = Callable[..., Site]
PROVIDERS = ["elevenlabs", "kie", "minimax", "openai", "rivya"]
TASKS = ["kie", "minimax", "rivya"]

# What the provider did not take may be sent again; what it took is taken once.
BEFORE = [
    Fault.SERVER_ERROR, Fault.MAINTENANCE, Fault.RATE_LIMIT, Fault.NO_FUNDS, Fault.BAD_KEY,
    Fault.REJECTED, Fault.MODERATED,
]  # fmt: skip
AFTER = [
    Fault.DROP_AFTER, Fault.GATEWAY, Fault.NOT_JSON, Fault.NEVER_ENDS, Fault.UNKNOWN_STATE,
    Fault.NEGATIVE_USAGE, Fault.ABSURD_USAGE, Fault.AUDIO_HTML, Fault.AUDIO_EMPTY,
    Fault.AUDIO_TRUNCATED, Fault.AUDIO_DAMAGED, Fault.LINK_GONE,
]  # fmt: skip


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_provider_speaks_a_job(open_site: Open, name: str) -> None:
    here = open_site(name)
    job = here.place("Hello from upstream. It works.", name)
    here.work()
    job = settled(job)
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)
    assert here.fakes[name].accepted == 1
    with default_storage.open(job.audio) as file:
        assert abs(probe.probe(file.read()).duration_ms - job.duration_ms) <= 20


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_fault_costs_anybody_anything(
    open_site: Open, name: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One job for each fault, all in the same house, one after the other."""
    hurry(settings, monkeypatch)
    here = open_site(name)
    fake = here.fakes[name]
    fake.retry_after = 0.1
    for fault in [Fault.DROP_BEFORE, *BEFORE, *AFTER, Fault.TASK_FAILS]:
        heal(here, name)
        before, available = fake.accepted, Wallet.objects.get(user=here.user).available
        fake.fault, fake.times = fault, 1
        job = here.place(f"This is about {fault}.", name)
        here.work()
        job = settled(job)
        assert job.charged == (job.quoted if job.state == JobState.SUCCEEDED else 0), fault
        assert Wallet.objects.get(user=here.user).available == available - job.charged, fault
        accepted = fake.accepted - before
        piece = job.segments.get()
        if fault in AFTER:
            # A gateway's whole error page is a refusal, whatever happened behind it.
            assert accepted <= 1 + piece.resends + (fault is Fault.GATEWAY), fault
            assert piece.resends <= 1, fault
            assert piece.possible_cost or not piece.resends, fault
        elif fault in BEFORE:
            assert accepted == (job.state == JobState.SUCCEEDED), fault
        if job.state == JobState.FAILED:
            assert piece.possible_cost or not accepted, fault
            assert piece.failure_message, fault
            assert job.failure_message, fault


def heal(here: Site, name: str) -> None:
    """What one fault did to the channel must not be the next one's excuse."""
    health.reset(here.channel(name))


def test_what_cannot_have_been_lost_is_never_bought_twice(
    open_site: Open, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again under its key while the provider is closed: the first one may be running."""
    hurry(settings, monkeypatch)
    here = open_site("rivya", "elevenlabs")
    Channel.objects.filter(slug="elevenlabs").update(priority=50)
    rivya = here.fakes["rivya"]
    rivya.fault, rivya.times = Fault.DROP_AFTER, 1
    job = here.place(channel="rivya")
    closed: list[bool] = []

    def close(segment: Segment, outcome: Any, inner: Any = moves._lost) -> bool:
        rivya.fault, rivya.times = Fault.MAINTENANCE, None
        closed.append(True)
        return bool(inner(segment, outcome))

    monkeypatch.setitem(moves._APPLY, moves.Lost, close)
    here.work()
    job = settled(job)
    piece = job.segments.get()
    assert closed
    assert (job.state, piece.failure_code, piece.possible_cost) == (
        JobState.FAILED,
        "unclear",
        True,
    )
    assert (rivya.accepted, here.fakes["elevenlabs"].accepted) == (1, 0)


@pytest.mark.parametrize("fault", [Fault.AUDIO_HTML, Fault.AUDIO_TRUNCATED, Fault.DROP_AFTER])
def test_elevenlabs_keeps_what_was_damaged_on_its_way(open_site: Open, fault: Fault) -> None:
    here = open_site("elevenlabs")
    fake = here.fakes["elevenlabs"]
    fake.fault, fake.times = fault, 1
    job = here.place()
    here.work()
    assert (settled(job).state, fake.accepted) == (JobState.SUCCEEDED, 1)


@pytest.mark.parametrize("name", TASKS)
def test_a_billed_figure_is_written_down_and_nonsense_is_not(open_site: Open, name: str) -> None:
    here = open_site(name)
    fake = here.fakes[name]
    honest = here.place(channel=name)
    here.work()
    fake.fault = Fault.ABSURD_USAGE
    absurd = here.place(channel=name)
    here.work()
    assert settled(absurd).charged == settled(honest).charged == absurd.quoted
    assert absurd.segments.get().upstream_cost is None


def test_a_task_of_a_removed_channel_ends_and_says_what_it_may_have_cost(open_site: Open) -> None:
    here = open_site("kie")
    here.fakes["kie"].delay = 60
    job = here.place()
    accept(here)
    here.channel("kie").delete()
    here.hurry()
    here.work()
    job = settled(job)
    piece = job.segments.get()
    assert (job.state, piece.failure_code, piece.possible_cost) == (
        JobState.FAILED, "channel_gone", True,
    )  # fmt: skip


def test_a_task_of_a_removed_offer_ends_too(open_site: Open) -> None:
    here = open_site("minimax")
    here.fakes["minimax"].delay = 60
    job = here.place()
    accept(here)
    here.channel("minimax").offers.all().delete()
    here.hurry()
    here.work()
    assert settled(job).segments.get().failure_code == "channel_gone"


def accept(here: Site) -> None:
    """Work until everything that was placed is accepted upstream."""

    def is_accepted() -> bool:
        waiting = (SegmentState.WAITING, SegmentState.SUBMITTING)
        return not Segment.objects.filter(state__in=waiting).exists()

    here.work(until=is_accepted)


def test_a_switched_off_channel_still_ends_its_tasks(open_site: Open) -> None:
    here = open_site("kie")
    here.fakes["kie"].delay = 0.3
    job = here.place()
    accept(here)
    Channel.objects.filter(slug="kie").update(is_enabled=False)
    here.hurry()
    here.work()
    assert settled(job).state == JobState.SUCCEEDED


def test_work_that_nobody_takes_waits_with_a_reason_and_then_gives_the_credits_back(
    open_site: Open, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(settings, monkeypatch)
    here = open_site("minimax")
    here.channel("minimax").offers.all().delete()
    job = here.place()
    here.work(until=lambda: bool(job.segments.get().waiting_reason))
    assert job.segments.get().waiting_reason == "No provider offers this model."
    here.work()
    job = settled(job)
    assert (job.state, job.charged) == (JobState.FAILED, 0)
    assert "No provider offers this model." in job.failure_message


def test_the_time_to_find_a_provider_is_not_that_of_a_task(open_site: Open) -> None:
    here = open_site("kie")
    fake = here.fakes["kie"]
    fake.delay = 60
    job = here.place()
    accept(here)
    late = timezone.now() - timedelta(hours=1)
    Segment.objects.update(submitted_at=late)
    here.hurry()
    here.work()
    piece = settled(job).segments.get()
    assert (piece.failure_code, piece.possible_cost) == ("timed_out", True)
