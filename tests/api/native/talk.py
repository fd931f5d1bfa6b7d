"""A partner at the native API, and plain orders."""

from __future__ import annotations

import asyncio
import io
from typing import Any

from django.test import Client

from jobs.worker import Worker
from tests.fakes.tones import tone

GENERATIONS = "/api/v1/generations"
FILES = "/api/v1/files"
LIAM = "TX3LPaxmHKxFdv7VOQHJ"
SPEECH: dict[str, Any] = {
    "model": "builtin-speech",
    "prompt": "Hello there.",
    "params": {"voice": "en-us"},
}


class Partner(Client):
    """A client with a key."""

    def __init__(self, secret: str = "") -> None:
        super().__init__(headers={"authorization": f"Bearer {secret}"} if secret else {})

    def send(self, path: str, body: Any = None, **headers: str) -> Any:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post(path, body, content_type="application/json", headers=names)

    def order(self, body: Any = None, **headers: str) -> Any:
        return self.send(GENERATIONS, SPEECH if body is None else body, **headers)

    def upload(self, content: bytes = b"", **fields: Any) -> Any:
        file = io.BytesIO(content or tone("wav_16000", 1500))
        file.name = "memo.wav"
        return self.post(FILES, {"kind": "audio", "file": file, **fields})


def speech(**params: Any) -> dict[str, Any]:
    """The plain order with more params."""
    return {**SPEECH, "params": {**SPEECH["params"], **params}}


def work(seconds: float = 30) -> None:
    """Run a worker until nothing is under way."""

    async def run() -> None:
        await asyncio.wait_for(Worker(lambda: False).run(), seconds)

    asyncio.run(run())
