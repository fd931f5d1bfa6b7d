"""The fakes over real sockets: what a provider's fault looks like on the wire."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from speechsite.providers.errors import Garbled, ProviderError, Unavailable, Unclear
from speechsite.providers.kie import Kie
from speechsite.providers.rivya import Rivya
from speechsite.providers.types import SpeechOrder
from tests.fakes.kie import FakeKie
from tests.fakes.rivya import FakeRivya
from tests.fakes.server import serving
from tests.fakes.upstream import Fault

ORDER = SpeechOrder("Hello", "TX3LPaxmHKxFdv7VOQHJ", "elevenlabs-turbo-2-5", "k-1")
KIE_ORDER = SpeechOrder("Hello", "Rachel", "elevenlabs/text-to-speech-turbo-2-5", "k-1")


@pytest.fixture(autouse=True)
def open_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")


def run(story: Callable[[], Any]) -> Any:
    return asyncio.run(story())


async def spoken(adapter: Kie | Rivya, order: SpeechOrder) -> bytes:
    event = await adapter.check((await adapter.submit(order)).upstream_id)
    return b"".join([chunk.audio async for chunk in adapter.fetch(event, order)])


def test_a_fake_speaks_over_a_socket():
    fake = FakeKie()
    with serving(fake) as url:

        async def story() -> bytes:
            async with Kie(url, {"api_key": fake.key}) as kie:
                return await spoken(kie, KIE_ORDER)

        assert len(run(story)) > 5000
    assert fake.accepted == 1


@pytest.mark.parametrize(
    ("fault", "kind", "accepted"),
    [
        (Fault.DROP_BEFORE, Unclear, 0),
        (Fault.DROP_AFTER, Unclear, 1),
        (Fault.GATEWAY, Unavailable, 1),
        (Fault.AUDIO_TRUNCATED, Unavailable, 1),
        (Fault.AUDIO_EMPTY, Garbled, 1),
        (Fault.LINK_GONE, Garbled, 1),
    ],
)
def test_a_fault_looks_the_same_on_the_wire(fault: Fault, kind: type[ProviderError], accepted: int):
    fake = FakeRivya(fault=fault)
    with serving(fake) as url:

        async def story() -> bytes:
            async with Rivya(url, {"api_key": fake.key}) as rivya:
                return await spoken(rivya, ORDER)

        with pytest.raises(kind):
            run(story)
    assert fake.accepted == accepted


def test_faults_are_switched_over_http():
    fake = FakeRivya()
    with serving(fake) as url:
        answer = httpx.post(
            f"{url}/_fault", json={"fault": "task_fails", "times": 1}, trust_env=False
        )
        assert answer.json()["fault"] == "task_fails"
        assert (fake.fault, fake.times) == (Fault.TASK_FAILS, 1)
        assert httpx.get(f"{url}/_state", trust_env=False).json()["accepted"] == 0


def test_a_thousand_lost_answers_are_a_thousand_tasks_and_no_more():
    fake = FakeRivya(fault=Fault.DROP_AFTER)
    with serving(fake) as url:

        async def lost(rivya: Rivya, number: int) -> int:
            order = SpeechOrder("Hello", ORDER.voice, ORDER.model, f"k-{number}")
            unclear = 0
            for _ in range(2):  # a repeat under the same key is the same task
                try:
                    await rivya.submit(order)
                except Unclear:
                    unclear += 1
            return unclear

        async def story() -> int:
            async with Rivya(url, {"api_key": fake.key}) as rivya:
                return sum(await asyncio.gather(*(lost(rivya, n) for n in range(1000))))

        assert run(story) == 2000
    assert fake.accepted == 1000
    assert len(fake.tasks) == 1000


def test_a_fake_runs_as_a_program():
    command = [sys.executable, "-m", "tests.fakes.server", "kie", "--key", "abc"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            url = program.stdout.readline().strip()
            headers = {"Authorization": "Bearer abc"}
            answer = httpx.get(f"{url}/api/v1/chat/credit", headers=headers, trust_env=False)
            assert answer.json() == {"code": 200, "msg": "success", "data": 1000}
        finally:
            program.terminate()


def test_a_callback_arrives_over_a_socket():
    receiver = FakeRivya()
    fake = FakeKie(webhook_key="hook")
    with serving(receiver) as there, serving(fake) as url:

        async def story() -> None:
            async with Kie(url, {"api_key": fake.key}) as kie:
                hook = SpeechOrder(
                    "Hi", "Rachel", KIE_ORDER.model, "k-1", callback_url=f"{there}/hooks/"
                )
                await kie.submit(hook)
                while not receiver.seen:
                    await asyncio.sleep(0.01)

        run(lambda: asyncio.wait_for(story(), 10))
    assert receiver.seen[0].headers["x-webhook-signature"]
    assert receiver.seen[0].url.path == "/hooks/"
