"""Sound out of MiniMax's event stream.

Each event holds a piece in hex. The last one tells what it cost and may repeat
the whole sound, which is dropped when the pieces were already handed on.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from speechsite.providers.errors import Garbled, Unclear
from speechsite.providers.minimax import refusals

LONGEST_EVENT = 128 * 1024 * 1024
FINISHED = 2
_DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Piece:
    """One event's sound; the last piece carries the notes on the whole."""

    audio: bytes
    notes: Mapping[str, Any] | None = None
    subtitles: str = ""


async def pieces(response: httpx.Response) -> AsyncIterator[Piece]:
    """The sound as it arrives, then one last piece with the notes."""
    heard = finished = spoke = False
    async for event in _events(response):
        spoke = True
        complaint = refusals.error_in(event, status=response.status_code)
        if complaint is not None:
            raise complaint
        data = _object(event.get("data"))
        finished = data.get("status") == FINISHED
        audio = b"" if finished and heard else _sound(data)
        heard = heard or bool(audio)
        if finished:
            yield Piece(
                audio, _object(event.get("extra_info")), str(data.get("subtitle_file") or "")
            )
            break
        if audio:
            yield Piece(audio)
    if finished and heard:
        return
    if spoke and not finished:
        raise Unclear("the stream ended before its last event")
    raise Garbled("the stream holds no sound", status=response.status_code)


async def _events(response: httpx.Response) -> AsyncIterator[Mapping[str, Any]]:
    # A refusal, or a host that does not stream, answers with a single object.
    if response.headers.get("content-type", "").startswith("application/json"):
        yield _event(await response.aread())
        return
    async for line in _lines(response):
        if not line.startswith(b"data:"):
            continue
        text = line.removeprefix(b"data:").strip()
        if text and text != _DONE:
            yield _event(text)


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    line = bytearray()
    async for piece in response.aiter_bytes():
        *ended, rest = piece.split(b"\n")
        for part in ended:
            line += part
            yield bytes(line.strip())
            line.clear()
        line += rest
        if len(line) > LONGEST_EVENT:
            raise Garbled("an event without an end")
    if line.startswith(b"data:") and not line.rstrip().endswith((b"}", _DONE)):
        raise Unclear("the stream broke off inside an event")
    yield bytes(line.strip())


def _event(text: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as error:
        start = text[:300].decode("utf-8", "replace")
        raise Garbled("an event is not JSON", raw={"body": start}) from error
    return _object(event)


def _sound(data: Mapping[str, Any]) -> bytes:
    try:
        return bytes.fromhex(data.get("audio") or "")
    except (TypeError, ValueError) as error:
        raise Garbled("the sound in an event is not hex") from error


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
