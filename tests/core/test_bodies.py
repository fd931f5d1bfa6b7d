"""What unfinished bodies hold together, and the part of it that one account may have."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from speechsite.core.bodies import FROM_ANYBODY, Allowance, Body, Refused, Room

PIECE = FROM_ANYBODY + 1


def body_of(whose: str, known: Room, anybody: Room) -> Body:
    """A body of endless pieces, each larger than what is taken from anybody."""

    async def more() -> Mapping[str, Any]:
        return {"type": "http.request", "body": bytes(PIECE), "more_body": True}

    async def allowed() -> Allowance:
        return Allowance(100 * PIECE, whose=whose)

    return Body(
        {"headers": []}, more, largest=100 * PIECE, allowed=allowed, anybody=anybody, known=known
    )


def test_one_account_does_not_take_what_others_need() -> None:
    known, anybody = Room(6 * PIECE, each=3 * PIECE), Room(6 * PIECE)
    first, second, others = (body_of(name, known, anybody) for name in ("ada", "ada", "ben"))

    async def story() -> None:
        for body in (first, second, first):
            await body.receive()
        assert (await second.receive())["type"] == "http.disconnect"
        assert (second.refused, first.refused) == (429, 0)
        assert (await others.receive())["type"] == "http.request"

    asyncio.run(story())
    first.close()
    second.close()
    assert (known.held, known.shares) == (PIECE, {"ben": PIECE})
    others.close()
    assert (known.held, known.shares, anybody.held) == (0, {}, 0)


def test_everything_together_has_its_end_too() -> None:
    room = Room(10, each=8)
    room.take(8, "ada")
    with pytest.raises(Refused) as refused:
        room.take(3, "ben")
    assert refused.value.status == 503
    room.take(2, "ben")
    assert (room.held, room.shares) == (10, {"ada": 8, "ben": 2})


def test_who_is_not_known_has_no_share() -> None:
    room = Room(10, each=1)
    room.take(5)
    room.give_back(5)
    assert (room.held, room.shares) == (0, {})
