"""The ASGI entry point: pages and REST by Django, sockets by the dialect that has them.

Also keeps out what is too large for any path, before a byte of it is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speechsite.settings")
django_application: Any = get_asgi_application()

from jobs import adapters  # noqa: E402 - needs the apps to be loaded
from speechsite.api import handler  # noqa: E402
from speechsite.api.elevenlabs import sockets  # noqa: E402
from speechsite.core import hands  # noqa: E402

partner_application: Any = handler.PartnerHandler()

Event = Mapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

LARGEST_BODY = 512 * 1024 * 1024
MESSAGE = f"At most {LARGEST_BODY // 1024 // 1024} MB can be sent at once."
# Readable in every dialect: each looks at its own key.
REFUSAL = {
    "detail": {
        "type": "invalid_request",
        "code": "request_too_large",
        "status": "request_too_large",
        "message": MESSAGE,
    },
    "error": {
        "type": "invalid_request_error",
        "code": "request_too_large",
        "message": MESSAGE,
        "param": None,
    },
    "code": 413,
    "msg": MESSAGE,
    "base_resp": {"status_code": 2013, "status_msg": MESSAGE},
}


async def application(scope: Event, receive: Receive, send: Send) -> None:
    """Hand a connection to whom it belongs."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    async with hands.visit():
        await _answer(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    """Wait until the server stops, then close what is kept open for as long as it runs."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await adapters.leave()
    await send({"type": "lifespan.shutdown.complete"})


async def _answer(scope: Event, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await sockets.serve(scope, receive, send)
        return
    if scope["type"] == "http" and _declared_length(scope) > LARGEST_BODY:
        await _refuse(send)
        return
    answers = partner_application if handler.is_for_partners(scope["path"]) else django_application
    await answers(scope, _counted(receive), send)


def _declared_length(scope: Event) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _counted(receive: Receive) -> Receive:
    """A body that does not say how long it is breaks off where it is too long."""
    read = 0

    async def counted() -> Event:
        nonlocal read
        event = await receive()
        read += len(event.get("body", b""))
        return event if read <= LARGEST_BODY else {"type": "http.disconnect"}

    return counted


async def _refuse(send: Send) -> None:
    body = json.dumps(REFUSAL).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
