"""Sound out of ElevenLabs' answers: bare bytes, or JSON lines that carry times.

What was accepted and then breaks off is `Unclear`: it was billed, and the
history may still hold it. What is not sound at all is `Garbled`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from speechsite.providers.elevenlabs import refusals
from speechsite.providers.elevenlabs.times import WordTimer
from speechsite.providers.errors import Garbled, Unclear
from speechsite.providers.types import Chunk

LONGEST_LINE = 64 * 1024 * 1024  # of one JSON object; a WAV comes as a single one
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml")


async def plain(response: httpx.Response, audio_format: str) -> AsyncIterator[Chunk]:
    """Bare sound, handed on as it arrives."""
    kind = response.headers.get("content-type", "")
    if kind.startswith(("text/", "application/json")):
        raise Garbled(f"{kind} arrived where sound was promised", status=response.status_code)
    started = False
    async for piece in response.aiter_bytes():
        if not started and _is_page(piece):
            raise Garbled("a page arrived where sound was promised", raw={"body": _start(piece)})
        started = True
        yield Chunk(piece, audio_format)
    if not started:
        raise Garbled("the answer holds no sound", status=response.status_code)


async def timed(
    response: httpx.Response, audio_format: str, timer: WordTimer
) -> AsyncIterator[Chunk]:
    """Sound and word times, as each line arrives."""
    heard = False
    async for line in _lines(response):
        message = _message(line)
        audio = _audio(message)
        words = timer.feed(message.get("alignment"))
        heard = heard or bool(audio)
        if audio or words:
            yield Chunk(audio, audio_format, words)
    if not heard:
        raise Garbled("the answer holds no sound", status=response.status_code)
    if words := timer.rest():
        yield Chunk(b"", audio_format, words)


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    line = bytearray()
    async for piece in response.aiter_bytes():
        *ended, rest = piece.split(b"\n")
        for part in ended:
            line += part
            if line.strip():
                yield bytes(line)
            line.clear()
        line += rest
        if len(line) > LONGEST_LINE:
            raise Garbled("a line without an end")
    if not line.strip():
        return
    if line.lstrip().startswith(b"{") and not line.rstrip().endswith(b"}"):
        raise Unclear("the answer broke off in the middle of a line")
    yield bytes(line)


def _message(line: bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Garbled("a line is not JSON", raw={"body": _start(line)}) from error
    if not isinstance(message, Mapping):
        raise Garbled("a line is not an object", raw={"body": _start(line)})
    complaint = refusals.error_in_stream(message)
    if complaint is not None:
        raise complaint
    return message


def _audio(message: Mapping[str, Any]) -> bytes:
    encoded = message.get("audio_base64") or ""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise Garbled("the sound in a line cannot be decoded") from error


def _is_page(piece: bytes) -> bool:
    return piece[:64].lstrip().lower().startswith(_PAGE_STARTS)


def _start(text: bytes) -> str:
    return text[:300].decode("utf-8", "replace")
