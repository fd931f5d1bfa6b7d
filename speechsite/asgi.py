"""The ASGI entry point: pages and REST by Django, sockets by the dialect that has them.

Also keeps out what is too large for any path, before a byte of it is read.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speechsite.settings")
django.setup(set_prefix=False)

from jobs import adapters  # noqa: E402 - needs the apps to be loaded
from speechsite.api import gate, handler  # noqa: E402
from speechsite.api.elevenlabs import sockets  # noqa: E402
from speechsite.core import bodies, hands  # noqa: E402

pages_application: Any = handler.PageHandler()
partner_application: Any = handler.PartnerHandler()

Event = Mapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


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
    # PostgreSQL takes no NUL, not even to look for it.
    if "\0" in scope["path"]:
        await gate.refuse(scope, receive, send, 404)
        return
    if b"%00" in scope["query_string"]:
        scope = {**scope, "query_string": scope["query_string"].replace(b"%00", b"")}
    if scope["type"] == "http" and bodies.is_head_too_large(scope):
        await gate.refuse(scope, receive, send, 431)
        return
    answers = partner_application if handler.is_for_partners(scope["path"]) else pages_application
    body = gate.body_of(scope, receive)
    try:
        if await body.is_welcome():
            await answers(scope, body.receive, send)
        if body.refused:
            await gate.refuse(scope, receive, send, body.refused)
    finally:
        body.close()
