"""However many ask at once, a web process opens a stated number of connections and keeps them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest
from django.db import connection

from speechsite.accounts.models import Plan
from speechsite.api.auth import Caller
from speechsite.core import hands
from speechsite.core.threads import slowly
from tests.api.asgi import HOST, transport
from tests.flushing import close_elsewhere

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE, REQUESTS = 40, 2000


@pytest.fixture(autouse=True)
def _none_yet() -> Iterator[None]:
    """Threads of other tests end, and so do this one's."""
    close_elsewhere()
    yield
    close_elsewhere()


def opened() -> int:
    """Connections to the site's database, apart from the test's own."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return int(cursor.fetchone()[0])
    # SQLite closes a file for good when nobody in the process has it open any more.
    connection.close()
    name = str(connection.settings_dict["NAME"])
    return sum(file.path == name for file in psutil.Process().open_files())


def none_soon() -> bool:
    """A server needs a moment to see that somebody has left."""
    until = time.monotonic() + 5
    while opened() and time.monotonic() < until:
        time.sleep(0.05)
    return not opened()


def asked(key: str) -> list[tuple[str, str, str, Any]]:
    """A request of each kind: method, path, key, body."""
    speech = {"model": "tts-1", "input": "", "voice": "alloy"}
    return [
        ("GET", "/api/v1/models", key, None),
        ("GET", "/api/v1/models", "sk_live_wrong", None),
        ("GET", "/api/v1/credits", key, None),
        ("GET", "/api/v1/generations?limit=2", key, None),
        ("POST", "/api/v1/generations", key, {"text": ""}),
        ("GET", "/v1/user", key, None),
        ("GET", "/v1/history", key, None),
        ("GET", "/v1/voices", "", None),
        ("POST", "/v1/text-to-speech/nobody", "sk_live_wrong", {"text": "Hello."}),
        ("POST", "/v1/audio/speech", key, speech),
        ("POST", "/v1/audio/speech", "sk_live_wrong", speech),
        ("GET", "/api/v1/jobs/recordInfo?taskId=none", key, None),
        ("POST", "/minimax/v1/t2a_v2", key, {"model": "speech-02-hd", "text": ""}),
        ("POST", "/minimax/v1/get_voice", "sk_live_wrong", {"voice_type": "all"}),
        ("GET", "/", "", None),
        ("GET", "/account/login/", "", None),
        ("GET", "/studio/", "", None),
        ("GET", "/readyz", "", None),
    ]


async def rush(requests: list[tuple[str, str, str, Any]], most: Callable[[], None]) -> set[int]:
    """Ask all of it, 40 at a time; the statuses."""
    statuses: set[int] = set()
    left = iter(requests)

    async with httpx.AsyncClient(
        transport=transport(), base_url=HOST, timeout=60, trust_env=False
    ) as client:

        async def ask() -> None:
            for number, (method, path, key, body) in enumerate(left):
                headers = {"Authorization": f"Bearer {key}"} if key else {}
                answer = await client.request(method, path, headers=headers, json=body)
                statuses.add(answer.status_code)
                if number % 100 == 0:
                    await asyncio.to_thread(_and_close, most)

        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
        await asyncio.to_thread(_and_close, most)
    return statuses


def _and_close(call: Callable[[], None]) -> None:
    call()
    connection.close()


def test_a_web_process_has_a_bounded_number_of_connections(live: tuple[Caller, str]) -> None:
    seen: list[int] = []

    def note() -> None:
        seen.append(opened())

    kinds = asked(live[1])
    requests = kinds * (REQUESTS // len(kinds) + 1)
    random.Random(13).shuffle(requests)

    async def story() -> None:
        statuses = await rush(requests, note)
        assert max(statuses) < 500, statuses
        assert statuses >= {200, 401}
        await asyncio.sleep(1)
        await asyncio.to_thread(_and_close, note)

    connection.close()
    asyncio.run(story())
    assert len(seen) > REQUESTS / 200
    assert max(seen) <= hands.MOST_CONNECTIONS, seen


def test_threads_that_end_close_what_they_opened(live: tuple[Caller, str]) -> None:
    async def story() -> int:
        await rush(asked(live[1]) * 3, lambda: None)
        return await slowly(Plan.objects.count)

    assert asyncio.run(story())
    hands.end()
    assert none_soon()


def test_a_connection_that_is_not_to_be_kept_is_closed_at_once(
    live: tuple[Caller, str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in (settings.DATABASES["default"], connection.settings_dict):
        monkeypatch.setitem(known, "CONN_MAX_AGE", 0)
    asyncio.run(rush(asked(live[1]) * 3, lambda: None))
    assert none_soon()
