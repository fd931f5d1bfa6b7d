"""How the tests of MiniMax talk to it: a fake, or a host that says what a file says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from speechsite.providers.minimax import MiniMax
from speechsite.providers.types import (
    Chunk,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
)
from tests.fakes.minimax import FakeMiniMax

WIRE = Path(__file__).parent.parent / "wire" / "minimax"
VOICE = "English_Graceful_Lady"
ORDER = SpeechOrder("Good morning. Sit down.", VOICE, "speech-2.8-hd", "order-1")
DONE = UpstreamEvent(UpstreamState.SUCCEEDED, "1", result=("2",))


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


def told(name: str) -> httpx.Response:
    """An answer from a wire file, with its HTTP status where the file has one."""
    said = message(name)
    return httpx.Response(said.get("status", 200), json=said["body"])


def query(name: str) -> httpx.Response:
    return httpx.Response(200, json=message(name))


def stream_of(name: str) -> httpx.Response:
    headers = {"content-type": "text/event-stream"}
    return httpx.Response(200, headers=headers, content=(WIRE / name).read_bytes())


def using(host: Any, story: Any, prefix: str = "", options: dict[str, Any] | None = None) -> Any:
    """Run `story(adapter)` against a fake, or against a host that only talks."""
    handler = host.handle if isinstance(host, FakeMiniMax) else host
    key = host.key if isinstance(host, FakeMiniMax) else "key-0123456789"

    async def run() -> Any:
        transport = httpx.MockTransport(handler)
        async with MiniMax(
            "https://upstream.test" + prefix,
            {"api_key": key},
            options,
            transport=transport,
            downloads=transport,
        ) as api:
            return await story(api)

    return asyncio.run(run())


async def heard(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in chunks]


async def done(api: MiniMax, order: SpeechOrder = ORDER) -> list[Chunk]:
    submitted = await api.submit(order)
    return await heard(api.fetch(await api.check(submitted.upstream_id), order))


def spoken(host: Any, order: SpeechOrder = ORDER) -> list[Chunk]:
    return using(host, lambda api: heard(api.speak(order)))


def sound_of(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.audio for chunk in chunks)


def texts(order: SpeechOrder, chunks: list[Chunk]) -> list[str]:
    return [order.text[word.start : word.end] for chunk in chunks for word in chunk.words]
