"""Work through all four providers, over real sockets against fakes that follow the facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage

from jobs.models import Job
from jobs.states import JobState, SegmentState
from speechsite.accounts.models import User
from speechsite.audio import probe
from speechsite.credits import ledger
from speechsite.credits.models import Wallet
from tests.fakes.upstream import Fault
from tests.jobs.upstream_site import Site, site

pytestmark = pytest.mark.django_db(transaction=True)
Open = Callable[..., Site]


@pytest.fixture
def open_site(
    ada: User, wallet: Wallet, catalogue: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    opened: list[AbstractContextManager[Site]] = []

    def open_(*names: str) -> Site:
        opened.append(site(ada, monkeypatch, *names))
        return opened[-1].__enter__()

    yield open_
    for one in opened:
        one.__exit__(None, None, None)


def settled(job: Job) -> Job:
    """The job as it ended; the ledger must agree with it."""
    job.refresh_from_db()
    assert job.is_finished, (job.state, list(job.segments.values("state", "waiting_reason")))
    assert ledger.audit() == []
    return job


@pytest.mark.parametrize("name", ["elevenlabs", "kie", "minimax", "rivya"])
def test_each_provider_speaks_a_job(open_site: Open, name: str) -> None:
    here = open_site(name)
    job = here.place("Hello from upstream. It works.", name)
    here.work()
    job = settled(job)
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)
    assert here.fakes[name].accepted == 1
    with default_storage.open(job.audio) as file:
        assert abs(probe.probe(file.read()).duration_ms - job.duration_ms) <= 20


@pytest.mark.parametrize("name", ["elevenlabs", "kie", "minimax", "rivya"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault.DROP_BEFORE, Fault.SERVER_ERROR, Fault.MAINTENANCE, Fault.RATE_LIMIT,
        Fault.NO_FUNDS, Fault.BAD_KEY, Fault.REJECTED, Fault.MODERATED, Fault.TASK_FAILS,
        Fault.NEGATIVE_USAGE, Fault.ABSURD_USAGE, Fault.AUDIO_HTML, Fault.AUDIO_EMPTY,
        Fault.AUDIO_TRUNCATED, Fault.UNKNOWN_STATE, Fault.LINK_GONE,
    ],
)  # fmt: skip
def test_a_fault_ends_in_success_or_with_the_credits_back(
    open_site: Open, name: str, fault: Fault, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UNCLEAR_DEADLINE_SECONDS = settings.WAITING_DEADLINE_SECONDS = 1
    monkeypatch.setattr("jobs.attempts.FIRST_LOOK", 0.05)
    monkeypatch.setattr("jobs.attempts.TASK_LIMIT", timedelta(seconds=3))
    monkeypatch.setattr("jobs.worker.SWEEP", 0.5)
    here = open_site(name)
    here.fakes[name].fault, here.fakes[name].times = fault, 1
    here.fakes[name].retry_after = 0.1
    job = here.place(channel=name)
    here.work()
    job = settled(job)
    wallet = Wallet.objects.get(user=job.user)
    assert wallet.held == 0
    assert wallet.available == 100_000 - job.charged
    assert job.charged == (job.quoted if job.state == JobState.SUCCEEDED else 0)


def test_a_dead_provider_hands_its_work_to_another_of_the_family(open_site: Open) -> None:
    here = open_site("elevenlabs", "kie")
    here.fakes["elevenlabs"].fault = Fault.MAINTENANCE
    job = here.place()
    here.work()
    job = settled(job)
    assert job.state == JobState.SUCCEEDED
    assert here.fakes["kie"].accepted == 1
    assert job.segments.get(state=SegmentState.DONE).channel == here.channel("kie")
