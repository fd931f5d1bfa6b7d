"""What the entry point keeps out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

# A checkout that was never started has no folder of collected static files.
pytestmark = pytest.mark.filterwarnings("ignore:No directory at:UserWarning")

GONE = {"type": "http.disconnect"}


@pytest.fixture
def asgi() -> ModuleType:
    return import_module("speechsite.asgi")


def scope(**headers: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/audio-isolation",
        "raw_path": b"/v1/audio-isolation",
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "headers": [
            (name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()
        ],
    }


def answers(
    asgi: ModuleType, asked: dict[str, Any], events: Iterator[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return next(events)

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    asyncio.run(asgi.application(asked, receive, send))
    return sent


def test_a_body_that_says_it_is_too_long_is_not_read(asgi: ModuleType) -> None:
    sent = answers(asgi, scope(content_length=str(2 * 1024**3)), iter([GONE]))
    assert sent[0]["status"] == 413
    body = json.loads(sent[1]["body"])
    assert body["detail"]["code"] == body["error"]["code"] == "request_too_large"


def test_a_body_that_does_not_say_so_is_refused_where_it_is_too_long(
    asgi: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi.gate, "LARGEST_BODY", 1000)
    read = []

    def endless() -> Iterator[Mapping[str, Any]]:
        while True:
            read.append(1)
            yield {"type": "http.request", "body": b"x" * 100, "more_body": True}

    assert answers(asgi, scope(), endless())[0]["status"] == 413
    assert len(read) < 50_000
