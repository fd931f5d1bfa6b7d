"""The old site went on after its backup: what comes back from it sends nothing a second time."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs import callbacks, lifecycle, outbound, restored
from jobs.models import Callback, Delivery, Job, Segment
from jobs.outcomes import Refused
from jobs.states import JobState, SegmentState
from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import Wallet
from speechsite.management.backups import restoring, taking
from tests.fakes.upstream import Fault
from tests.jobs.upstream_site import Site, settled

pytestmark = pytest.mark.django_db(transaction=True)
OPENED = Callable[..., Site]


@pytest.fixture(autouse=True)
def _own_data(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT, settings.DATA_DIR = tmp_path / "media", tmp_path


def turn_back(tmp_path: Path, **choices: bool) -> restoring.Done:
    gc.collect()  # what the worker's threads had open
    asked = {"replace": True, "moved": False, "new_key": True, **choices}
    return restoring.restore(tmp_path / "backup", **asked)


def of_state(state: SegmentState) -> Callable[[], bool]:
    return lambda: Segment.objects.filter(state=state).exists()


def test_a_task_under_way_is_asked_about_however_long_ago_it_was(
    open_site: OPENED,
    tmp_path: Path,
) -> None:
    here = open_site("kie")
    here.fakes["kie"].delay = 60
    job = here.place()
    here.work(until=of_state(SegmentState.RUNNING))
    Segment.objects.update(submitted_at=timezone.now() - timedelta(days=3))
    taking.take(tmp_path / "backup")
    for task in here.fakes["kie"].tasks.values():
        task.ready_at = 0
    done = turn_back(tmp_path)
    assert done.calmed == restored.Calmed(asked=1, ended=0, untold=0)
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert here.fakes["kie"].accepted == 1


@pytest.mark.parametrize("name", ["elevenlabs", "rivya"])
def test_a_lost_answer_is_looked_up_and_not_sent_again(
    open_site: OPENED,
    tmp_path: Path,
    name: str,
) -> None:
    here = open_site(name)
    fake = here.fakes[name]
    fake.fault, fake.times = Fault.DROP_AFTER, 1
    job = here.place()
    here.work(until=of_state(SegmentState.UNKNOWN))
    Segment.objects.update(deadline_at=timezone.now() - timedelta(days=1))
    taking.take(tmp_path / "backup")
    turn_back(tmp_path)
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert fake.accepted == 1


@pytest.mark.parametrize("name", ["kie", "minimax"])
@pytest.mark.parametrize("state", [SegmentState.UNKNOWN, SegmentState.SUBMITTING])
def test_what_nobody_can_be_asked_about_is_not_sent_again(
    open_site: OPENED, tmp_path: Path, settings: Any, name: str, state: SegmentState
) -> None:
    here = open_site(name)
    fake = here.fakes[name]
    fake.fault, fake.times = Fault.DROP_AFTER, 1
    job = here.place()
    here.work(until=of_state(SegmentState.UNKNOWN))
    Segment.objects.update(state=state, worker="elsewhere:1:1:abc")
    taking.take(tmp_path / "backup")
    settings.UNCLEAR_DEADLINE_SECONDS = 3
    turn_back(tmp_path)
    here.work()
    job = settled(job)
    assert (job.state, job.failure_code, job.charged) == (JobState.FAILED, "unclear", 0)
    assert (fake.accepted, Segment.objects.get().possible_cost) == (1, True)


def test_a_call_that_was_being_made_is_unclear_and_is_looked_up(
    open_site: OPENED,
    tmp_path: Path,
) -> None:
    here = open_site("elevenlabs")
    fake = here.fakes["elevenlabs"]
    fake.fault, fake.times = Fault.DROP_AFTER, 1
    job = here.place()
    here.work(until=of_state(SegmentState.UNKNOWN))
    Segment.objects.update(
        state=SegmentState.SUBMITTING,
        worker="elsewhere:1:1:abc",
        possible_cost=False,
        lease_until=timezone.now() + timedelta(hours=1),
    )
    taking.take(tmp_path / "backup")
    turn_back(tmp_path)
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert (fake.accepted, Segment.objects.get().attempts) == (1, 1)


@pytest.mark.parametrize("name", ["elevenlabs", "kie", "minimax"])
def test_what_waited_and_may_have_been_sent_since_ends_and_is_not_sent(
    open_site: OPENED,
    tmp_path: Path,
    wallet: Wallet,
    name: str,
) -> None:
    here = open_site(name)
    job = here.place()
    taking.take(tmp_path / "backup")
    here.work()
    assert here.fakes[name].accepted == 1
    assert turn_back(tmp_path).calmed == restored.Calmed(asked=0, ended=1, untold=0)
    here.work()
    job = settled(job)
    assert (job.state, job.failure_code) == (JobState.FAILED, restored.CODE)
    assert "order it again" in job.failure_message
    wallet.refresh_from_db()
    assert (here.fakes[name].accepted, wallet.available) == (1, 100_000)
    assert Segment.objects.get().possible_cost


def test_what_waited_for_a_provider_that_knows_the_order_again_goes_on(
    open_site: OPENED,
    tmp_path: Path,
) -> None:
    here = open_site("rivya")
    job = here.place()
    taking.take(tmp_path / "backup")
    here.work()
    turn_back(tmp_path)
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert here.fakes["rivya"].accepted == 1


def test_a_site_that_only_moved_goes_on_with_what_waited(
    open_site: OPENED,
    tmp_path: Path,
) -> None:
    here = open_site("kie")
    job = here.place()
    taking.take(tmp_path / "backup")
    assert turn_back(tmp_path, moved=True).calmed is None
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert here.fakes["kie"].accepted == 1


def test_a_callback_to_an_address_given_before_the_backup_still_finds_its_piece(
    open_site: OPENED,
    tmp_path: Path,
    client: Client,
) -> None:
    here = open_site("kie")
    here.fakes["kie"].delay = 60
    here.place()
    here.work(until=of_state(SegmentState.RUNNING))
    taking.take(tmp_path / "backup")
    turn_back(tmp_path)
    later = timezone.now() + timedelta(hours=1)
    Segment.objects.update(due_at=later)
    segment = Segment.objects.get()
    body = {"data": {"taskId": segment.upstream_id, "state": "success"}}
    answer = client.post(f"/hooks/kie/{segment.token}/", body, content_type="application/json")
    assert answer.status_code == 200
    segment.refresh_from_db()
    assert segment.due_at < later  # asked about now: the callback itself is not believed


@pytest.fixture
def told(ada: User, open_site: OPENED) -> tuple[Job, Job]:
    """A job that is over and one that is not, each with a webhook and a callback to come."""
    here = open_site("kie")
    outbound.add_endpoint(ada, url="https://8.8.8.8/hook")
    over, open_ = here.place(), here.place()
    for job in (over, open_):
        callbacks.ask(job, url="https://8.8.8.8/back", style="kie", origin="http://testserver")
    lifecycle.record(over.segments.get(), Refused("moderated", "No."))
    Segment.objects.filter(job=open_).update(state=SegmentState.RUNNING, upstream_id="t-1")
    return over, open_


def test_messages_that_may_have_arrived_are_not_sent_again(
    told: tuple[Job, Job], tmp_path: Path
) -> None:
    taking.take(tmp_path / "backup")
    assert turn_back(tmp_path).calmed == restored.Calmed(asked=1, ended=0, untold=2)
    delivery = Delivery.objects.get()
    assert delivery.state == Delivery.State.FAILED
    assert "restored from a backup" in delivery.log[-1]["error"]
    assert Callback.objects.get(job=told[0]).finished_at is not None
    assert not Callback.objects.get(job=told[0]).is_taken


def test_the_end_of_what_was_under_way_is_told(told: tuple[Job, Job], tmp_path: Path) -> None:
    taking.take(tmp_path / "backup")
    turn_back(tmp_path)
    assert Callback.objects.get(job=told[1]).finished_at is None
    lifecycle.record(told[1].segments.get(), Refused("moderated", "No."))
    assert Delivery.objects.get(job=told[1]).state == Delivery.State.PENDING


def test_to_calm_down_twice_changes_no_more(told: tuple[Job, Job]) -> None:
    restored.calm_down()
    again = restored.calm_down()
    assert (again.ended, again.untold) == (0, 0)
    assert ledger.audit() == []
