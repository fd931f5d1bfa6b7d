"""The sockets: text comes in pieces, sound goes out as it is made.

Plain ASGI, because a socket that waits should cost little more than its buffers.
The database is asked for the key, and then not before the first message with text. Each piece of speech is
a job of its own, charged for itself. `contexts` speaks; this module listens.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, unquote

from django.db import DatabaseError

from speechsite.api import auth
from speechsite.api.elevenlabs import schema
from speechsite.api.elevenlabs.contexts import Context, Refusal, Session, refusal_of
from speechsite.api.elevenlabs.wire import sockets as wire
from speechsite.core.threads import slowly
from speechsite.upstreams import catalogue

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

PATH = re.compile(r"/v1/text-to-speech/([^/]+)/(stream-input|multi-stream-input)/?")
# The documented socket that names a model in its path names no voice at all.
DEFAULT_VOICE = "21m00Tcm4TlvDq8ikWAM"
MOST_CONTEXTS = 5  # open at a time
MOST_CLOSING = 20  # closed ones that still speak; the client is not read while there are more
NORMAL = 1000
# Of somebody whose key was not asked yet: seconds on the line, and characters of a message.
UNKNOWN_SECONDS = 20.0
UNKNOWN_MESSAGE = 64 * 1024
LONG_MESSAGE = 64 * 1024  # characters that take longer to read than the loop should wait


class Gone(Exception):
    """The client left."""


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """One connection, from the handshake to its close."""
    await receive()
    found = PATH.fullmatch(scope["path"])
    if found is None:
        # Before it was accepted, a close is an answer 403.
        await send({"type": "websocket.close"})
        return
    connection = _Connection(scope, receive, send, found[1], is_multi=found[2].startswith("multi"))
    await connection.recognise()
    await send({"type": "websocket.accept"})
    with suppress(Gone):
        await connection.run()


class _Connection:
    """Reads what the client says and hands its text to the contexts."""

    __slots__ = (
        "contexts", "ends_at", "is_multi", "path_id", "receive", "scope", "send", "session"
    )  # fmt: skip

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, path_id: str, *, is_multi: bool
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.path_id = path_id
        self.is_multi = is_multi
        self.contexts: dict[str, Context] = {}
        self.session: Session | None = None
        # Whatever a stranger sends, it does not stay longer than this.
        self.ends_at = asyncio.get_running_loop().time() + UNKNOWN_SECONDS

    async def recognise(self) -> None:
        """Ask for a key that came with the handshake, before the first message can come.

        Its first message may then be a long one. A fault is said when the client speaks.
        """
        with suppress(Refusal, DatabaseError):
            self.session = self._open()
            if self.session.secret:
                await self.session.admit()

    async def run(self) -> None:
        try:
            self.session = self.session or self._open()
            while not await self._next():
                pass
            await self._close(NORMAL)
        except Refusal as refusal:
            await self._refuse(refusal)
        except (Gone, asyncio.CancelledError):
            raise
        except Exception as error:
            await self._refuse(refusal_of(error))
        finally:
            for context in self.contexts.values():
                context.abandon()

    def _open(self) -> Session:
        query = parse_qs(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        try:
            asked = schema.read_query(query, wire.QUERY)
        except schema.SchemaError as error:
            raise Refusal("invalid_parameters", _said(error)) from error
        headers = {name.decode("latin-1"): value for name, value in self.scope["headers"]}
        name = unquote(self.path_id)
        is_model = catalogue.canonical(name) is not None
        return Session(
            send=self._say,
            query=asked,
            voice_id=DEFAULT_VOICE if is_model else name,
            model_id=asked["model_id"] or (name if is_model else ""),
            is_binary=is_model,
            secret=_secret(headers, asked),
            address=auth.trusted_address(
                peer=(self.scope.get("client") or ("",))[0],
                forwarded=headers.get("x-forwarded-for", b"").decode("latin-1"),
            ),
            tell_known=_teller(self.scope),
        )

    async def _next(self) -> bool:
        """Take one message; True when it was the last."""
        session = self._session()
        message = await self._message(wire.timeout_of(session.query["inactivity_timeout"]))
        session.learn_secret(message)
        if self.is_multi:
            return await self._multi(message)
        return await self._single(message)

    async def _single(self, message: Mapping[str, Any]) -> bool:
        text = message["text"]
        if text is None and not message["flush"]:
            raise Refusal("invalid_input_message", "A message needs the field text.")
        context = self.contexts.get("")
        if context is None:
            context = self.contexts[""] = await self._session().context(None, message)
        context.check_settings(message)
        if text == "" and not message["flush"]:
            await context.close()
            await context.finished()
            return True
        await context.take(message)
        return False

    async def _multi(self, message: Mapping[str, Any]) -> bool:
        if message["close_socket"]:
            for context in self.contexts.values():
                await context.close()
            for context in self.contexts.values():
                await context.finished()
            return True
        name = message["context_id"] or "default"
        known = self.contexts.get(name)
        is_open = known is not None and not known.is_closing and not known.is_over
        if not is_open and _is_keep_alive(message):
            return False
        context = known if known and is_open else await self._admit(name, message)
        context.check_settings(message)
        await context.take(message)
        if message["close_context"]:
            await context.close()
        return False

    async def _admit(self, name: str, message: Mapping[str, Any]) -> Context:
        before = self.contexts.get(name)
        if before is not None:
            # The name may be used anew, once all of its old text was spoken.
            await before.finished()
        await self._make_room()
        if sum(not context.is_closing for context in self.contexts.values()) >= MOST_CONTEXTS:
            raise Refusal(
                "max_active_conversations", f"At most {MOST_CONTEXTS} contexts fit on one socket."
            )
        self.contexts[name] = await self._session().context(name, message)
        return self.contexts[name]

    async def _make_room(self) -> None:
        """Forget what is over. Of those that were closed and still speak, wait for the oldest.

        A client that interrupts itself closes each turn: closed ones are nobody's fault.
        """
        while True:
            self.contexts = {
                known: context for known, context in self.contexts.items() if not context.is_over
            }
            closing = [context for context in self.contexts.values() if context.is_closing]
            if len(closing) < MOST_CLOSING:
                return
            await closing[0].finished()

    async def _message(self, seconds: float) -> dict[str, Any]:
        """The next message; one that is long is not looked at before the key."""
        text = await self._text(seconds)
        if len(text) > UNKNOWN_MESSAGE:
            await self._session().admit()
        if len(text) > LONG_MESSAGE:
            return await slowly(_read, text)
        return _read(text)

    async def _text(self, seconds: float) -> str:
        session = self._session()
        if asyncio.get_running_loop().time() > self.ends_at:
            await session.admit()
        is_known = session.caller is not None
        waiting = [context.task for context in self.contexts.values()]
        until = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(until if is_known else min(until, self.ends_at)):
                event = await _first_of(self.receive(), waiting)
        except TimeoutError:
            if is_known or until <= self.ends_at:
                raise Refusal(
                    "input_timeout_exceeded", f"No message came for {seconds:g} seconds."
                ) from None
            await session.admit()
            return await self._text(until - asyncio.get_running_loop().time())
        if event["type"] == "websocket.disconnect":
            raise Gone
        text = event.get("text")
        if text is None:
            raise Refusal("invalid_input_message", "Messages are JSON in text frames.")
        return str(text)

    async def _refuse(self, refusal: Refusal) -> None:
        await self._say(wire.error(refusal.word, refusal.message, refusal.context))
        await self._close(wire.REFUSED, refusal.word)

    async def _say(self, message: dict[str, Any] | bytes) -> None:
        if isinstance(message, bytes):
            await self._out({"type": "websocket.send", "bytes": message})
            return
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        await self._out({"type": "websocket.send", "text": text})

    async def _close(self, code: int, reason: str = "") -> None:
        await self._out({"type": "websocket.close", "code": code, "reason": reason[:120]})

    async def _out(self, event: dict[str, Any]) -> None:
        try:
            await self.send(event)
        except Exception as error:
            # Servers differ in what they raise once the client is gone.
            raise Gone from error

    def _session(self) -> Session:
        assert self.session is not None  # noqa: S101 - made before anything is read
        return self.session


async def _first_of(
    receive: Awaitable[Mapping[str, Any]], speaking: Sequence[asyncio.Task[None] | None]
) -> Mapping[str, Any]:
    """The next event, unless speaking fails before."""
    tasks = {task for task in speaking if task is not None}
    reading = asyncio.ensure_future(receive)
    try:
        while not reading.done():
            done, _ = await asyncio.wait([reading, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done & tasks:
                task.result()
            tasks -= done
        return await reading
    finally:
        reading.cancel()


def _read(text: str) -> dict[str, Any]:
    try:
        return schema.read_json(text, wire.MESSAGE)
    except schema.SchemaError as error:
        raise Refusal("invalid_input_message", _said(error)) from error


def _said(error: schema.SchemaError) -> str:
    fault = error.faults[0]
    where = ".".join(str(part) for part in fault["loc"][1:])
    return f"{where}: {fault['msg']}" if where else fault["msg"]


def _is_keep_alive(message: Mapping[str, Any]) -> bool:
    return not message["text"] and not message["flush"]


def _teller(scope: Scope) -> Callable[[], None]:
    """How to tell the server that a connection is known; other servers than ours have one limit."""
    known = scope.get("extensions", {}).get("speechsite.known")
    return known["tell"] if known else lambda: None


def _secret(headers: Mapping[str, bytes], asked: Mapping[str, Any]) -> str:
    given = headers.get("xi-api-key") or headers.get("authorization") or b""
    return given.decode("latin-1") or asked["authorization"] or asked["single_use_token"] or ""
