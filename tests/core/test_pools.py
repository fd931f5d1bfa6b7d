"""Many small pools: few calls share one, many spread, and every place is given back."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from speechsite.core import pools
from tests.fakes.rivya import FakeRivya
from tests.fakes.server import serving
from tests.fakes.upstream import Fault


async def ask(client: httpx.AsyncClient, url: str) -> int:
    return (await client.get(f"{url}/api/v1/models")).status_code


def test_calls_in_turn_share_the_first_pool():
    with serving(FakeRivya()) as url:

        async def story() -> int:
            transport = pools.Pools()
            async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
                for _ in range(5):
                    assert await ask(client, url) == 200
                return len(transport.pools)

        assert asyncio.run(story()) == 1


def test_many_calls_at_once_spread_and_give_their_places_back():
    fake = FakeRivya(latency=0.2)
    with serving(fake) as url:

        async def story() -> list[int]:
            transport = pools.Pools()
            async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
                await asyncio.gather(*(ask(client, url) for _ in range(3 * pools.PER_POOL)))
                return [pool.in_flight for pool in transport.pools]

        assert asyncio.run(story()) == [0, 0, 0]
    assert fake.most_in_flight == 3 * pools.PER_POOL


def test_when_all_pools_are_full_the_emptiest_takes_the_call(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pools, "POOLS", 2)
    fake = FakeRivya(latency=0.05)
    with serving(fake) as url:

        async def story() -> list[int]:
            transport = pools.Pools()
            async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
                await asyncio.gather(*(ask(client, url) for _ in range(5 * pools.PER_POOL)))
                return [pool.in_flight for pool in transport.pools]

        assert asyncio.run(story()) == [0, 0]
    assert fake.requests == 5 * pools.PER_POOL
    assert fake.most_in_flight == 2 * pools.PER_POOL


def test_a_call_that_fails_gives_its_place_back():
    fake = FakeRivya(fault=Fault.DROP_BEFORE, everywhere=True)
    with serving(fake) as url:

        async def story() -> list[int]:
            transport = pools.Pools()
            headers = {"Authorization": f"Bearer {fake.key}"}
            async with httpx.AsyncClient(
                transport=transport, headers=headers, trust_env=False
            ) as client:
                with pytest.raises(httpx.TransportError):
                    await client.get(f"{url}/api/v1/credits")
                return [pool.in_flight for pool in transport.pools]

        assert asyncio.run(story()) == [0]
