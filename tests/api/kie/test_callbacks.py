"""kie.ai's callback: its body is the record, its signature covers task and time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest

from jobs import callbacks, lifecycle
from jobs.models import Job
from speechsite.accounts.models import User
from speechsite.api.kie import tasks
from speechsite.providers.kie import Kie
from speechsite.providers.types import UpstreamState
from tests.api.kie.talk import Partner
from tests.fakes.server import serving
from tests.fakes.upstream import Upstream
from tests.jobs.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
SPOKEN = {"text": "Good morning.", "voice": "EkK5I93UQWFDigLMpZcX"}


class Receiver(Upstream):
    async def answer(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    fake = Receiver()
    with serving(fake):
        yield fake


@pytest.mark.parametrize(
    ("key", "task_id", "sent_at", "expected"),
    [
        (
            "test-key",
            "task_1",
            "1767225600",
            "20pTlUx8Y10O+Mj+xjvqJk4UsbqfIt5sLiIYm5VeDdg=",
        ),
        (
            "whk_0123456789abcdef",
            "3f0c9a7be1d24f6aa5b2c1d0e9f87654",
            "1767225604",
            "Sl93jGcWoFcHADGeRZtQhzHtlRtwLxt5NAuWpF6nvDc=",
        ),
    ],
)
def test_signatures_are_kies(key: str, task_id: str, sent_at: str, expected: str) -> None:
    assert tasks.signature(key, task_id, sent_at) == expected


def test_our_own_adapter_believes_the_callback(
    tester: Partner, receiver: Receiver, ada: User
) -> None:
    answer = tester.create(input=SPOKEN, callBackUrl=f"{receiver.base_url}/hook?t=1")
    work()
    assert asyncio.run(callbacks.send_due()) == 1
    request = receiver.seen[-1]
    assert request.headers["content-type"] == "application/json"
    kie = Kie("", {"api_key": "x", "webhook_key": callbacks.signing_key(ada)})
    event = kie.read_webhook(dict(request.headers), request.content)
    assert event.upstream_id == answer["data"]["taskId"]
    assert event.state is UpstreamState.SUCCEEDED
    assert event.result[0].startswith("http://testserver/files/")
    assert json.loads(request.content)["msg"] == "Playground task completed successfully."


def test_a_failure_is_code_501(tester: Partner, receiver: Receiver) -> None:
    tester.create(input=SPOKEN, callBackUrl=receiver.base_url)
    lifecycle.fail(Job.objects.get(), code="unavailable", message="Nobody could do it.")
    asyncio.run(callbacks.send_due())
    body = json.loads(receiver.seen[-1].content)
    assert (body["code"], body["data"]["state"]) == (501, "fail")
    assert (body["data"]["failCode"], body["data"]["failMsg"]) == ("500", "Nobody could do it.")
