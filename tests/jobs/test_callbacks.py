"""Callbacks from providers: hints that wake us up, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.test import Client
from django_q.models import OrmQ

from jobs import late
from jobs.models import Job, Segment
from jobs.states import JobState, SegmentState
from speechsite.credits.models import LedgerEntry, Wallet
from speechsite.duties.models import Duty
from speechsite.upstreams import secrets
from speechsite.upstreams.models import Channel
from tests.fakes.kie import FakeKie
from tests.fakes.upstream import Fault, Task
from tests.jobs.upstream_site import Site, hurry, settled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kie(open_site: Callable[..., Site], live_server: Any, settings: Any) -> Site:
    """kie.ai alone, told to call back over the wire; polling is no help for a long time."""
    settings.SITE_URL = live_server.url
    settings.ALLOW_PRIVATE_NETWORKS = True
    return open_site("kie")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.attempts.FIRST_LOOK", 25.0)


def fake_of(here: Site) -> FakeKie:
    fake = here.fakes["kie"]
    assert isinstance(fake, FakeKie)
    return fake


def accepted(here: Site) -> tuple[Job, Segment, Task]:
    """A job whose task the provider took and has not told about."""
    fake_of(here).fault = Fault.CALLBACK_LOST
    job = here.place()
    here.work(until=lambda: job.segments.filter(state=SegmentState.RUNNING).exists())
    [task] = fake_of(here).tasks.values()
    return job, job.segments.get(), task


def send(here: Site, request: httpx.Request, path: str = "") -> int:
    """A callback through Django's own client."""
    headers = {name: value for name, value in request.headers.items() if name.startswith("x-")}
    target = path or request.url.raw_path.decode()
    body = request.content
    answer = Client().post(target, body, content_type="application/json", headers=headers)
    return answer.status_code


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "fault", [Fault.NONE, Fault.CALLBACK_TWICE, Fault.CALLBACK_LATE, Fault.CALLBACK_FORGED]
)
def test_a_callback_ends_the_job_at_once(kie: Site, fault: Fault) -> None:
    fake = fake_of(kie)
    fake.fault, fake.delay = fault, 0.5
    job = kie.place()
    kie.work(seconds=20)
    assert (settled(job).state, fake.accepted) == (JobState.SUCCEEDED, 1)
    assert job.segments.get().polls == 0


@pytest.mark.parametrize("fault", [Fault.CALLBACK_LOST, Fault.CALLBACK_EARLY])
def test_asking_makes_up_for_a_callback_that_is_missed(
    kie: Site, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.attempts.FIRST_LOOK", 0.2)
    fake_of(kie).fault = fault
    job = kie.place()
    kie.work(seconds=20)
    assert settled(job).state == JobState.SUCCEEDED


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("delay", [0.0, 0.5])
def test_a_lost_order_is_found_by_its_callback(kie: Site, delay: float) -> None:
    """Also when the callback is quicker than the news that the answer was lost."""
    fake = fake_of(kie)
    fake.fault, fake.delay = Fault.DROP_AFTER, delay
    job = kie.place()
    kie.work(seconds=25)
    job = settled(job)
    assert (job.state, fake.accepted) == (JobState.SUCCEEDED, 1)
    assert not job.segments.get().possible_cost


@pytest.mark.usefixtures("patient")
def test_a_hundred_copies_at_once_settle_once(kie: Site, live_server: Any) -> None:
    job, _segment, task = accepted(kie)
    fake = fake_of(kie)
    copies = [fake.callback_for(task, forged=number % 5 == 0) for number in range(100)]

    def over_the_wire(request: httpx.Request) -> int:
        headers = dict(request.headers)
        return httpx.post(
            str(request.url), content=request.content, headers=headers, trust_env=False, timeout=30
        ).status_code

    with ThreadPoolExecutor(12) as hands:
        codes = set(hands.map(over_the_wire, copies))
    kie.work(seconds=20)
    job = settled(job)
    assert codes == {200}
    assert (job.state, job.charged, fake.accepted) == (JobState.SUCCEEDED, job.quoted, 1)
    assert job.events.filter(kind="succeeded").count() == 1
    assert LedgerEntry.objects.filter(job_id=job.pk, kind="capture").count() == 1


def test_a_storm_wakes_the_worker_once(kie: Site) -> None:
    _job, _segment, task = accepted(kie)
    OrmQ.objects.all().delete()
    Segment.objects.update(due_at="2999-01-01T00:00:00Z")
    request = fake_of(kie).callback_for(task)
    assert {send(kie, request) for _ in range(30)} == {200}
    assert OrmQ.objects.count() == 1


def test_a_forged_signature_is_refused_and_wakes_nobody(kie: Site) -> None:
    fake = fake_of(kie)
    fake.webhook_key = "shared"
    sealed = secrets.seal({"api_key": fake.key, "webhook_key": "shared"})
    Channel.objects.filter(slug="kie").update(credentials=sealed)
    _job, segment, task = accepted(kie)
    Segment.objects.update(due_at="2999-01-01T00:00:00Z")
    assert send(kie, fake.callback_for(task, forged=True)) == 403
    segment.refresh_from_db()
    assert segment.due_at.year == 2999
    assert send(kie, fake.callback_for(task)) == 200


def test_a_body_that_lies_changes_nothing(kie: Site) -> None:
    """Signed or not, the body is never believed: the task still runs, so nothing is settled."""
    fake_of(kie).delay = 60
    job, segment, task = accepted(kie)
    assert send(kie, fake_of(kie).callback_for(task, forged=True)) == 200
    kie.work(until=lambda: Segment.objects.get(pk=segment.pk).polls > 0)
    job.refresh_from_db()
    assert (job.state, job.charged) == (JobState.PROCESSING, 0)


def test_a_callback_about_another_task_is_refused(kie: Site) -> None:
    _job, segment, task = accepted(kie)
    body = {"code": 200, "data": {"taskId": "f" * 32, "state": "success"}}
    request = httpx.Request("POST", task.callback_url, json=body)
    assert send(kie, request) == 403
    # Nor can a lost order be told that another segment's task is its own.
    other = kie.place().segments.get()
    channel = segment.channel_id
    Segment.objects.filter(pk=other.pk).update(state=SegmentState.UNKNOWN, channel=channel)
    real = fake_of(kie).callback_for(task)
    assert send(kie, real, f"/hooks/kie/{other.token}/") == 403
    other.refresh_from_db()
    assert other.upstream_id == ""
    Segment.objects.filter(pk=other.pk).update(state=SegmentState.WAITING)


def test_a_callback_about_an_earlier_attempt_teaches_nothing(kie: Site) -> None:
    _job, segment, task = accepted(kie)
    Segment.objects.filter(pk=segment.pk).update(
        state=SegmentState.UNKNOWN, upstream_id="", attempts=2
    )
    assert send(kie, fake_of(kie).callback_for(task)) == 200
    segment.refresh_from_db()
    assert segment.upstream_id == ""


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/hooks/kie/no-such-token/", b"{}", 404),
        ("/hooks/elevenlabs/{token}/", b"{}", 404),
        ("/hooks/kie/{token}/", b"not json", 403),
        ("/hooks/kie/{token}/", b"x" * 300_000, 413),
        ("/hooks/kie/{token}/", json.dumps({"data": {"taskId": 5}}).encode(), 403),
    ],
)
def test_what_is_not_a_callback_is_refused(kie: Site, path: str, body: bytes, code: int) -> None:
    _job, segment, _task = accepted(kie)
    target = path.replace("{token}", segment.token)
    answer = Client().post(target, body, content_type="application/json")
    assert answer.status_code == code


def test_a_callback_to_a_channel_whose_seal_is_broken_only_wakes_us(kie: Site) -> None:
    _job, segment, task = accepted(kie)
    Channel.objects.filter(slug="kie").update(credentials="not sealed by us")
    Segment.objects.update(due_at="2999-01-01T00:00:00Z")
    assert send(kie, fake_of(kie).callback_for(task)) == 200
    segment.refresh_from_db()
    assert segment.due_at.year < 2999


def test_a_success_after_the_release_is_booked_and_charged_to_nobody(
    kie: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Class K, M20: the credits went back; only the administrator's books learn the cost."""
    hurry(settings, monkeypatch)
    fake = fake_of(kie)
    fake.fault, fake.delay = Fault.DROP_AFTER, 60
    job = kie.place()
    kie.work()
    job = settled(job)
    piece = job.segments.get()
    assert (job.state, piece.failure_code, piece.possible_cost) == (
        JobState.FAILED,
        "unclear",
        True,
    )
    available = Wallet.objects.get(user=job.user).available
    [task] = fake.tasks.values()
    task.ready_at = 0
    assert {send(kie, fake.callback_for(task)) for _ in range(20)} == {200}
    assert [(duty.kind, duty.key) for duty in Duty.objects.all()] == [(late.LOOK, str(piece.pk))]
    late.look(str(piece.pk))
    late.look(str(piece.pk))
    piece.refresh_from_db()
    assert (piece.state, piece.possible_cost) == (SegmentState.FAILED, False)
    assert float(piece.upstream_cost or 0) == task.credits
    assert settled(job).charged == 0
    assert Wallet.objects.get(user=job.user).available == available
