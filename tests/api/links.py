"""Follows links that an answer gave, without a key."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from django.test import Client


def opened(url: str) -> bytes:
    """What a link of ours opens."""
    answer = Client().get(urlsplit(url).path)
    assert answer.status_code == 200, answer.status_code
    return body_of(answer)


def body_of(answer: Any) -> bytes:
    """The whole of an answer, also of one that an async view streams."""
    if not answer.streaming:
        return answer.content
    if not answer.is_async:
        return answer.getvalue()

    async def collected() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return asyncio.run(collected())
