"""A partner at the native API, and the seed's own request."""

from __future__ import annotations

import asyncio
from typing import Any

from django.test import Client

from jobs.worker import Worker

GENERATIONS = "/api/v1/generations"
SPEECH: dict[str, Any] = {
    "model": "builtin-speech",
    "prompt": "Hello there.",
    "params": {"voice": "en-us"},
}


class Partner(Client):
    """A client with a key."""

    def __init__(self, secret: str = "", **more: Any) -> None:
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        super().__init__(headers=headers, **more)

    def send(self, path: str, body: Any = None, **headers: str) -> Any:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post(path, body, content_type="application/json", headers=names)

    def order(self, body: Any = None, **headers: str) -> Any:
        return self.send(GENERATIONS, SPEECH if body is None else body, **headers)


def speech(**changes: Any) -> dict[str, Any]:
    """The plain order with some fields changed."""
    return {**SPEECH, **changes}


def work(seconds: float = 30) -> None:
    """Run a worker until nothing is under way."""

    async def run() -> None:
        await asyncio.wait_for(Worker(lambda: False).run(), seconds)

    asyncio.run(run())
