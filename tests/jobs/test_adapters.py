"""Adapters that are kept open: as the channel is now, and closed in the end."""

from __future__ import annotations

import asyncio

import pytest

from jobs import adapters
from speechsite.providers.errors import Unavailable
from speechsite.providers.http import HttpAdapter
from speechsite.upstreams.models import Channel


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[HttpAdapter]:
    """Adapters, in the order in which they were closed."""
    seen: list[HttpAdapter] = []

    async def note(self: HttpAdapter) -> None:
        seen.append(self)

    monkeypatch.setattr(HttpAdapter, "aclose", note)
    return seen


def channel(**more: object) -> Channel:
    return Channel(pk=1, name="ours", adapter="elevenlabs", **more)


def test_a_channel_has_one_adapter_until_it_is_changed(closed: list[HttpAdapter]) -> None:
    kept = adapters.Adapters()
    first = kept.of(channel(base_url="https://one.example"))
    assert kept.of(channel(base_url="https://one.example")) is first
    second = kept.of(channel(base_url="https://two.example"))
    assert second is not first
    assert kept.known(channel()) is second
    assert closed == []  # somebody may still speak through the first

    asyncio.run(kept.aclose())
    assert closed == [first, second]
    assert kept.known(channel()) is None


def test_a_channel_that_was_removed_has_none() -> None:
    with pytest.raises(Unavailable):
        adapters.Adapters().of(None)


def test_a_loop_that_ends_takes_its_adapters_with_it(closed: list[HttpAdapter]) -> None:
    async def story() -> object:
        opened = adapters.here().of(channel())
        assert adapters.here().of(channel()) is opened
        await adapters.leave()
        await adapters.leave()
        return opened

    first, second = asyncio.run(story()), asyncio.run(story())
    assert closed == [first, second]
    assert first is not second


def test_a_server_that_stops_closes_them(closed: list[HttpAdapter]) -> None:
    from speechsite.asgi import application

    async def story() -> list[str]:
        events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        told: list[str] = []

        async def receive() -> dict[str, str]:
            return events.pop(0)

        async def send(event: dict[str, str]) -> None:
            told.append(event["type"])

        adapters.here().of(channel())
        await application({"type": "lifespan"}, receive, send)
        return told

    assert asyncio.run(story()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert len(closed) == 1
