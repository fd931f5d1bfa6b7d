"""Webhooks out: signed, tried again, given up, and only to public addresses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from jobs import lifecycle, outbound
from jobs.errors import OrderError
from jobs.models import Job
from jobs.outcomes import Refused
from jobs.webhook_models import Delivery, WebhookEndpoint
from speechsite.accounts.models import User
from speechsite.upstreams import secrets
from tests.fakes.server import serving
from tests.fakes.upstream import Upstream
from tests.jobs.conftest import claimed, delivered

pytestmark = pytest.mark.django_db(transaction=True)


class Receiver(Upstream):
    """A partner's server; answers with `status`."""

    status: int = 200

    async def answer(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(self.status)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    fake = Receiver()
    with serving(fake):
        yield fake


@pytest.fixture
def endpoint(ada: User, receiver: Receiver) -> tuple[WebhookEndpoint, str]:
    return outbound.add_endpoint(ada, url=f"{receiver.base_url}/in")


def finished(job: Job) -> Job:
    segment = claimed(job.segments.get())
    lifecycle.record(segment, delivered(segment))
    lifecycle.finish(job, audio="jobs/x.mp3", size=1, duration_ms=500, peaks=[])
    return job


def send() -> int:
    return asyncio.run(outbound.send_due())


def test_an_ending_is_told_with_a_signature_that_the_library_accepts(
    place: Callable[..., Job], endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    job = finished(place())
    assert send() == 1
    request = receiver.seen[-1]
    message = Webhook(endpoint[1]).verify(request.content, dict(request.headers))
    assert message["type"] == "generation.succeeded"
    assert job.pk.hex in message["id"]
    assert Delivery.objects.get().state == Delivery.State.DELIVERED


def test_a_failure_is_told_too(
    place: Callable[..., Job], endpoint: Any, receiver: Receiver
) -> None:
    lifecycle.record(claimed(place().segments.get()), Refused("moderated", "no"))
    send()
    assert json.loads(receiver.seen[-1].content)["type"] == "generation.failed"


def test_a_receiver_that_fails_is_tried_again_on_schedule(
    place: Callable[..., Job], endpoint: Any, receiver: Receiver
) -> None:
    receiver.status = 500
    finished(place())
    waits = []
    while True:
        Delivery.objects.update(due_at=timezone.now())
        if send() == 0:
            break
        row = Delivery.objects.get()
        waits.append((row.due_at - timezone.now()).total_seconds())
    assert row.state == Delivery.State.FAILED
    assert row.attempts == len(outbound.SCHEDULE) == len(receiver.seen)
    assert waits[0] == pytest.approx(5, rel=0.3)
    assert 2.5 * 86_400 < sum(outbound.SCHEDULE) < 4 * 86_400


def test_gone_means_never_again(
    place: Callable[..., Job], endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    receiver.status = 410
    finished(place())
    send()
    endpoint[0].refresh_from_db()
    assert Delivery.objects.get().state == Delivery.State.FAILED
    assert not endpoint[0].is_enabled
    assert "410" in endpoint[0].disabled_reason


def test_days_of_failure_switch_an_endpoint_off(
    place: Callable[..., Job], endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    receiver.status = 500
    long_ago = timezone.now() - timedelta(days=4)
    WebhookEndpoint.objects.update(failing_since=long_ago)
    finished(place())
    send()
    endpoint[0].refresh_from_db()
    assert not endpoint[0].is_enabled


def test_both_secrets_sign_while_one_is_rotated(
    place: Callable[..., Job], endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    row, old = endpoint
    new = outbound.rotate_secret(row)
    finished(place())
    send()
    request = receiver.seen[-1]
    for secret in (old, new):
        assert Webhook(secret).verify(request.content, dict(request.headers))
    assert old not in row.secret + row.previous_secret


def test_a_rotated_secret_runs_out(
    place: Callable[..., Job], endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    outbound.rotate_secret(endpoint[0])
    WebhookEndpoint.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    finished(place())
    send()
    assert len(receiver.seen[-1].headers["webhook-signature"].split()) == 1


def test_a_replay_has_the_same_id(
    place: Callable[..., Job], endpoint: Any, receiver: Receiver
) -> None:
    finished(place())
    send()
    outbound.replay(Delivery.objects.get())
    assert send() == 1
    first, second = (request.headers["webhook-id"] for request in receiver.seen[-2:])
    assert first == second


def test_an_ending_is_announced_once(
    place: Callable[..., Job], endpoint: Any, receiver: Receiver
) -> None:
    job = finished(place())
    outbound.announce(job, "generation.succeeded")
    assert Delivery.objects.count() == 1


def test_only_what_was_asked_for_is_told(
    place: Callable[..., Job], ada: User, receiver: Receiver
) -> None:
    outbound.add_endpoint(ada, url=receiver.base_url, event_types=["generation.failed"])
    finished(place())
    assert send() == 0


def test_somebody_elses_jobs_are_not_told(
    place: Callable[..., Job], ben: User, receiver: Receiver
) -> None:
    outbound.add_endpoint(ben, url=receiver.base_url)
    finished(place())
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "http://localhost/x", "http://10.0.0.1/", "ftp://example.com/",
     "http://[::1]/", "http://169.254.169.254/latest", "http://user:pw@example.com/", "nonsense"],
)  # fmt: skip
def test_private_and_strange_addresses_are_refused(ada: User, url: str) -> None:
    with pytest.raises(OrderError) as refused:
        outbound.add_endpoint(ada, url=url)
    assert refused.value.code == "webhook_url_rejected"


def test_a_redirect_is_not_followed(
    place: Callable[..., Job], endpoint: Any, receiver: Receiver
) -> None:
    receiver.status = 302
    finished(place())
    send()
    row = Delivery.objects.get()
    assert (row.state, row.log[-1]["status"]) == (Delivery.State.PENDING, 302)
    assert len(receiver.seen) == 1


def test_secrets_are_sealed_in_the_database(endpoint: tuple[WebhookEndpoint, str]) -> None:
    row = WebhookEndpoint.objects.get()
    assert endpoint[1] not in row.secret
    assert secrets.open_sealed(row.secret) == {"secret": endpoint[1]}
