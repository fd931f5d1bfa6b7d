"""Short ways to ask the dialect something in process, streamed answers read to their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from asgiref.sync import sync_to_async
from django.test import AsyncClient

from jobs.worker import Worker


def ask(method: str, path: str, secret: str = "", body: Any = None, **more: Any) -> Any:
    """The answer, with all of its body as `sound`; a body goes out as JSON or as it stands."""
    headers = {"xi-api-key": secret} if secret else {}
    if body is not None:
        more["data"] = body if isinstance(body, bytes) else json.dumps(body)
        more["content_type"] = "application/json"
    return _heard(getattr(AsyncClient(), method.lower())(path, headers=headers, **more))


def work() -> None:
    """Run a worker until nothing is under way."""
    asyncio.run(Worker(lambda: False).run())


def _heard(talk: Coroutine[Any, Any, Any]) -> Any:
    async def run() -> Any:
        answer = await talk
        if answer.streaming:
            answer.sound = b"".join([chunk async for chunk in answer.streaming_content])
            await sync_to_async(answer.close)()
        else:
            answer.sound = answer.content
        return answer

    return asyncio.run(run())
