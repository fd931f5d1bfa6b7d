"""How the tests of ElevenLabs talk to it: a fake, or a host that says what a file says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from speechsite.providers.elevenlabs import ElevenLabs
from speechsite.providers.types import (
    Chunk,
    CleaningOrder,
    Line,
    SpeechOrder,
)
from tests.fakes.elevenlabs import FakeElevenLabs

WIRE = Path(__file__).parent.parent / "wire" / "elevenlabs"
RACHEL, LIAM = "21m00Tcm4TlvDq8ikWAM", "TX3LPaxmHKxFdv7VOQHJ"
ORDER = SpeechOrder("Good morning.", RACHEL, "eleven_flash_v2_5", "order-1")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Wired:
    """A host that says what a wire file says, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def message(name: str) -> Any:
    return json.loads((WIRE / name).read_text())


def refusal(name: str) -> httpx.Response:
    told = message(name)
    return httpx.Response(told["status"], headers=told["headers"], json=told["body"])


def using(host: Any, story: Any) -> Any:
    """Run `story(adapter)` against a fake, or against a host that only talks."""
    handler = host.handle if isinstance(host, FakeElevenLabs) else host
    key = host.key if isinstance(host, FakeElevenLabs) else "key-0123456789"

    async def run() -> Any:
        transport = httpx.MockTransport(handler)
        async with ElevenLabs(
            "https://eleven.test", {"api_key": key}, transport=transport, downloads=transport
        ) as api:
            return await story(api)

    return asyncio.run(run())


async def heard(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in chunks]


def spoken(host: Any, order: SpeechOrder = ORDER) -> list[Chunk]:
    return using(host, lambda api: heard(api.speak(order)))


def texts(order: SpeechOrder, chunks: list[Chunk]) -> list[str]:
    return [order.text[word.start : word.end] for chunk in chunks for word in chunk.words]


def body_of(request: httpx.Request) -> dict[str, Any]:
    return json.loads(request.content)


TALK = SpeechOrder(
    "Hi Ben.\nOh, Ada!",
    RACHEL,
    "eleven_v3",
    "order-2",
    settings={"stability": 0.5},
    lines=(Line("Hi Ben.", RACHEL), Line("Oh, Ada!", LIAM)),
)


def cleaning(path: Path) -> CleaningOrder:
    return CleaningOrder(path, "noisy.mp3", "audio/mpeg", 1000, "audio-isolation", "order-3")
