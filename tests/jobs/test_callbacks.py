"""Callbacks of single orders: sent once at the end, tried again, public addresses only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from jobs import callbacks, lifecycle
from jobs.errors import OrderError
from jobs.models import Callback, Job
from jobs.outcomes import Refused
from speechsite.accounts.models import User
from tests.fakes.server import serving
from tests.fakes.upstream import Upstream
from tests.jobs.conftest import claimed, delivered

pytestmark = pytest.mark.django_db(transaction=True)
Place = Callable[..., Job]


class Receiver(Upstream):
    """A partner's server; answers with `status`."""

    status: int = 200

    async def answer(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(self.status)


def plain(callback: Callback) -> callbacks.Message:
    return callbacks.Message(callback.job.state.encode(), {"X-Job": str(callback.job_id)})


def broken(callback: Callback) -> callbacks.Message:
    raise ValueError("nothing can be said")


@pytest.fixture(autouse=True)
def _styles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("plain", "broken"):
        monkeypatch.setitem(callbacks.STYLES, name, f"{__name__}.{name}")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    fake = Receiver()
    with serving(fake):
        yield fake


def ask(job: Job, url: str, style: str = "plain") -> Job:
    callbacks.ask(job, url=url, style=style, origin="https://speech.example")
    return job


def finished(job: Job) -> Job:
    segment = claimed(job.segments.get())
    lifecycle.record(segment, delivered(segment))
    lifecycle.finish(job, audio="jobs/x.mp3", size=1, duration_ms=500, peaks=[])
    return job


def send() -> int:
    return asyncio.run(callbacks.send_due())


def test_nothing_is_sent_before_the_end(place: Place, receiver: Receiver) -> None:
    ask(place(), receiver.base_url)
    assert (send(), receiver.seen) == (0, [])


def test_an_ending_is_told_once(place: Place, receiver: Receiver) -> None:
    job = finished(ask(place(), f"{receiver.base_url}/done"))
    assert (send(), send()) == (1, 0)
    request = receiver.seen[-1]
    assert (request.url.path, request.content) == ("/done", b"succeeded")
    assert request.headers["x-job"] == str(job.pk)
    assert Callback.objects.get().is_taken


def test_a_failure_is_told_too(place: Place, receiver: Receiver) -> None:
    job = ask(place(), receiver.base_url)
    lifecycle.record(claimed(job.segments.get()), Refused("moderated", "no"))
    send()
    assert receiver.seen[-1].content == b"failed"


def test_a_cancel_is_told_too(place: Place, receiver: Receiver) -> None:
    lifecycle.cancel(ask(place(), receiver.base_url))
    send()
    assert receiver.seen[-1].content == b"canceled"


def test_a_receiver_that_fails_is_tried_again_and_then_given_up(
    place: Place, receiver: Receiver
) -> None:
    receiver.status = 503
    finished(ask(place(), receiver.base_url))
    waits = []
    while send():
        callback = Callback.objects.get()
        waits.append(round((callback.due_at - timezone.now()) / timedelta(seconds=1)))
        Callback.objects.update(due_at=timezone.now())
    assert waits[:-1] == list(callbacks.SCHEDULE[1:])
    assert len(receiver.seen) == len(callbacks.SCHEDULE)
    assert callback.finished_at is not None
    assert not callback.is_taken


def test_a_private_address_is_not_called(place: Place, receiver: Receiver, monkeypatch) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "0")
    finished(ask(place(), receiver.base_url))
    send()
    assert receiver.seen == []
    assert Callback.objects.get().attempts == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1/x", "ftp://a.example", "http://[::1]/", "no"])
def test_an_address_that_nobody_can_see_is_refused(url: str) -> None:
    with pytest.raises(OrderError):
        callbacks.check_address(url)


def test_a_message_that_cannot_be_made_stops_nobody_else(
    place: Place, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    finished(ask(place(), receiver.base_url, "broken"))
    finished(ask(place(), receiver.base_url))
    assert send() == 1
    assert "no message could be made" in caplog.text
    assert not Callback.objects.filter(finished_at__isnull=True).exists()


def test_every_account_has_a_signing_key_of_its_own(ada: User, ben: User) -> None:
    keys = {callbacks.signing_key(one) for one in (ada, ben, ada)}
    assert len(keys) == 2
