"""The upstream of `bench_gateway`: ElevenLabs' paths and OpenAI's, one 40 kB mp3 for everybody.

Answers at once, or as ten chunks over half a second when the text says "slowly".
Run by uvicorn; it does as little as it can, since it shares a core with the load.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

from tests.fakes import tones

MP3 = tones.tone("mp3_44100_128", 2500)  # 40 kB
CHUNKS = 10
PAUSE = 0.05  # seconds between chunks
SLOWLY = b"slowly"


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Any POST is an order for speech; anything else gets an empty object."""
    body = await _body(receive)
    if scope["method"] != "POST":
        await _whole(send, b"{}", b"application/json")
        return
    is_timed = scope["path"].endswith("/with-timestamps")
    kind = b"application/json" if is_timed else b"audio/mpeg"
    if SLOWLY in body:
        await _chunks(send, kind, is_timed, body)
    else:
        await _whole(send, _line(MP3, body) if is_timed else MP3, kind)


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        event = await receive()
        parts.append(event.get("body", b""))
        if not event.get("more_body"):
            return b"".join(parts)


async def _whole(send: Any, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _chunks(send: Any, kind: bytes, is_timed: bool, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    for number, part in enumerate(_parts()):
        if number:
            await asyncio.sleep(PAUSE)
        piece = (_line(part, body if not number else b"") + b"\n") if is_timed else part
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _parts() -> Iterator[bytes]:
    size = -(-len(MP3) // CHUNKS)
    return (MP3[start : start + size] for start in range(0, len(MP3), size))


def _line(audio: bytes, body: bytes) -> bytes:
    """Sound with the times of its characters, a twentieth of a second each."""
    text = json.loads(body)["text"] if body else ""
    alignment = {
        "characters": list(text),
        "character_start_times_seconds": [place / 20 for place in range(len(text))],
        "character_end_times_seconds": [(place + 1) / 20 for place in range(len(text))],
    }
    return json.dumps(
        {
            "audio_base64": base64.b64encode(audio).decode(),
            "alignment": alignment if text else None,
            "normalized_alignment": None,
        }
    ).encode()
