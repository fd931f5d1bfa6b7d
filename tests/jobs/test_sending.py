"""Posting many messages: no receiver keeps the others waiting."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from jobs import sending

pytestmark = pytest.mark.django_db(transaction=True)


class Box:
    """Messages by receiver; whoever is called `slow` answers only when it is told to."""

    def __init__(self, **numbers: int) -> None:
        self.waiting = [(name, f"{name}{i}") for name, n in numbers.items() for i in range(n)]
        self.sent: list[str] = []
        self.noted: list[str] = []
        self.on_the_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.gate = asyncio.Event()

    def claim(self, limit: int, busy: Counter[Any]) -> list[tuple[str, str]]:
        rows = [(letter, name) for name, letter in self.waiting if name not in sending.full(busy)]
        chosen = sending.fairly(rows, limit, busy)
        found = [pair for pair in self.waiting if pair[1] in chosen]
        self.waiting = [pair for pair in self.waiting if pair[1] not in chosen]
        return found

    async def send(self, letter: str) -> str:
        name = letter.rstrip("0123456789")
        self.on_the_way[name] += 1
        self.most[name] = max(self.most[name], self.on_the_way[name])
        if name == "slow":
            await self.gate.wait()
        self.on_the_way[name] -= 1
        self.sent.append(letter)
        return letter

    def note(self, letter: str, outcome: str) -> None:
        assert letter == outcome
        self.noted.append(letter)

    def post(self) -> sending.Post:
        return sending.Post(self.claim, self.send, self.note)


def test_a_slow_receiver_with_a_thousand_messages_stops_nobody() -> None:
    async def scene() -> None:
        box = Box(slow=1000, quick=20)
        drained = asyncio.create_task(sending.drain(box.post()))
        async with asyncio.timeout(20):
            while sum(letter.startswith("quick") for letter in box.noted) < 20:
                await asyncio.sleep(0.01)
        assert not any(letter.startswith("slow") for letter in box.sent)
        box.gate.set()
        assert await drained == 1020
        assert box.most["slow"] <= sending.OF_ONE

    asyncio.run(scene())


def test_who_is_to_stop_takes_nothing_more() -> None:
    async def scene() -> None:
        box = Box(quick=1000)
        assert await sending.drain(box.post(), lambda: len(box.sent) > 10) < 1000
        assert sorted(box.noted) == sorted(box.sent)

    asyncio.run(scene())


def test_a_message_that_breaks_our_code_ends_the_run_and_leaves_its_lease() -> None:
    async def scene() -> None:
        box = Box(quick=3)
        broken = sending.Post(box.claim, box.send, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await sending.drain(broken)

    asyncio.run(scene())
