"""One stream of speech on a socket: what was said so far, and who speaks it.

A context takes text at any time and speaks it piece by piece, in order, in a task of
its own. Leaving a socket stops no piece that was begun: it is a job like any other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from jobs import streaming
from speechsite.api.elevenlabs import orders, refusals
from speechsite.api.elevenlabs.wire import sockets as wire
from speechsite.api.elevenlabs.wire import speech
from speechsite.api.elevenlabs.wire.speech import Columns, Spelling
from speechsite.api.errors import (
    AddressDenied,
    KeyExpired,
    KeyInvalid,
    KeyRevoked,
    ScopeDenied,
)
from speechsite.audio import formats, markup
from speechsite.audio.answer import Answer
from speechsite.core import away
from speechsite.core.threads import slowly

# Pieces of one socket follow each other: the next waits until there is room for it.
PATIENCE = 30.0  # seconds
# A key that may no longer be used ends its socket, and not one context alone.
NO_MORE = (KeyInvalid, KeyRevoked, KeyExpired, AddressDenied, ScopeDenied)
WHOLE = ("wav", "flac", "m4a")  # formats that nobody hears on a socket
MOST_WAITING = 20  # pieces that wait to be spoken before the client is no longer read

logger = logging.getLogger(__name__)
Say = Callable[[dict[str, Any] | bytes], Awaitable[None]]


class Refusal(Exception):
    """The socket ends with this error; with a context, the error names it."""

    def __init__(self, word: str, message: str, context: str | None = None) -> None:
        super().__init__(message)
        self.word = word
        self.message = message
        self.context = context


@dataclass(slots=True)
class Session:
    """What all contexts of a socket share."""

    send: Say
    query: Mapping[str, Any]
    voice_id: str
    model_id: str
    is_binary: bool
    secret: str
    address: str
    tell_known: Callable[[], None]  # that longer messages may be taken now
    caller: orders.Caller | None = None

    def learn_secret(self, message: Mapping[str, Any]) -> None:
        """A key may also come in the first message."""
        if not self.secret:
            names = ("xi_api_key", "xi-api-key", "authorization")
            self.secret = next((message[name] for name in names if message[name]), "")

    async def admit(self) -> None:
        """Ask who this is, once. Raises Refusal."""
        if self.caller is None:
            self.caller = await self._authenticate()
            self.tell_known()

    async def context(self, name: str | None, first: Mapping[str, Any]) -> Context:
        """A new context, opened by its first message. Raises Refusal."""
        await self.admit()
        output_format = self.query["output_format"] or wire.DEFAULT_FORMAT
        output_format = wire.FORMATS.get(output_format, output_format)
        if output_format not in formats.FORMATS or output_format.startswith(WHOLE):
            raise Refusal("invalid_output_format", f"{output_format!r} is not served here.")
        config = first["generation_config"] or {}
        schedule = config.get("chunk_length_schedule") or wire.SCHEDULE
        order = orders.Order(
            voice_id=self.voice_id,
            model_id=self.model_id,
            settings=first["voice_settings"],
            output_format=output_format,
            locators=tuple(first["pronunciation_dictionary_locators"]),
            options=speech.options(self.query),
            is_heard=True,
        )
        buffer = wire.Buffer(schedule, is_auto=self.query["auto_mode"])
        return Context(self, name, order, buffer, Answer(output_format))

    @property
    def key(self) -> str:
        """The secret itself."""
        return self.secret.removeprefix("Bearer ").strip()

    async def _authenticate(self) -> orders.Caller:
        try:
            orders.refuse_forgetting(self.query)
            return await orders.admitted(self.key, self.address)
        except refusals.ApiError as error:
            raise _refusal(error) from error


@dataclass(slots=True)
class Context:
    """Text in, sound out, in order. One with a name fails alone, the other with its socket."""

    session: Session
    name: str | None
    order: orders.Order
    buffer: wire.Buffer
    answer: Answer  # all that is spoken here is one sound
    pieces: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    task: asyncio.Task[None] | None = None
    is_closing: bool = False
    spoken: list[streaming.Speech] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.done()

    def check_settings(self, message: Mapping[str, Any]) -> None:
        """Settings belong to the first message; the same ones again are fine."""
        given = message["voice_settings"]
        if given is None or given == self.order.settings:
            return
        if self.order.settings is not None:
            raise Refusal("invalid_input_message", "voice_settings cannot change any more.")
        self.order = replace(self.order, settings=given)

    async def take(self, message: Mapping[str, Any]) -> None:
        """More text; speaks what is ready to be spoken."""
        piece = self.buffer.add(
            message["text"] or "",
            flush=message["flush"],
            trigger=message["try_trigger_generation"],
        )
        if markup.is_speakable(piece):
            await self._put(piece)

    async def close(self) -> None:
        """Speak what is left; `finished` says when."""
        if self.is_closing:
            return
        self.is_closing = True
        piece = self.buffer.add("", flush=True)
        if markup.is_speakable(piece):
            await self._put(piece)
        await self._put(None)

    async def finished(self) -> None:
        """Wait until all is spoken. Raises what made a nameless context fail."""
        if self.task is not None:
            await asyncio.shield(self.task)

    def abandon(self) -> None:
        """The socket is gone: speak no more. What was begun ends by itself."""
        if self.task is None:
            return
        self.task.cancel()
        self.task.add_done_callback(_forget)

    async def _put(self, piece: str | None) -> None:
        if self.task is None:
            self.task = asyncio.create_task(self._run())
        if not self.task.done():
            await self.pieces.put(piece)

    async def _run(self) -> None:
        try:
            while (piece := await self.pieces.get()) is not None:
                await self._say(piece)
            await self._send_sound(await slowly(self.answer.finish))
            # Whoever reads `isFinal` finds all of it in the history.
            await asyncio.gather(*(speech.settled.wait() for speech in self.spoken))
            if not self.session.is_binary:
                await self.session.send(wire.final(self.name))
        except Exception as error:
            await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        refusal = refusal_of(error)
        while not self.pieces.empty():
            self.pieces.get_nowait()
        if self.name is None or isinstance(error, NO_MORE):
            raise refusal from error
        await self.session.send(wire.error(refusal.word, refusal.message, self.name))

    async def _say(self, text: str) -> None:
        begun = await orders.placed_on_socket(
            self.session.key,
            self.session.address,
            self.order,
            text,
            patience=PATIENCE,
            answer=self.answer,
        )
        speech = begun.speech
        self.spoken.append(speech)
        spelling = Spelling(speech.job.wording)
        since = 0
        async for piece in speech.pieces():
            since = await self._send(piece, spelling, since)

    async def _send(self, piece: streaming.Piece, spelling: Spelling, since: int) -> int:
        """Send one piece of sound; where its times end."""
        await self._send_sound(piece.audio, *spelling.take(piece.words), since)
        return spelling.alignment.at_ms

    async def _send_sound(
        self,
        audio: bytes,
        sent: Columns | None = None,
        spoken: Columns | None = None,
        since: int = 0,
    ) -> None:
        for start in range(0, max(len(audio), 1), wire.LARGEST_BLOCK):
            block = audio[start : start + wire.LARGEST_BLOCK]
            if not self.session.is_binary and (block or spoken):
                await self.session.send(wire.sound(block, sent, spoken, since, self.name))
            elif block:
                await self.session.send(block)
            sent = spoken = None


def _forget(task: asyncio.Task[None]) -> None:
    """Look at how it ended, so that nobody is told that nobody did."""
    if not task.cancelled():
        task.exception()


def refusal_of(error: Exception) -> Refusal:
    """What somebody on a socket is told of an error; the log has what is our own mistake."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, refusals.ApiError):
        return _refusal(error)
    if isinstance(error, streaming.SpeechFailed):
        return Refusal(error.code, error.message)
    if isinstance(error, streaming.StreamBroken):
        return Refusal("unavailable", error.message)
    if away.is_away(error):
        away.tell(error)
        return Refusal("unavailable", _("The site's database does not answer."))
    logger.error("speaking on a socket failed", exc_info=error)
    return Refusal("internal_error", "Something went wrong; the rest was not spoken.")


def _refusal(error: refusals.ApiError) -> Refusal:
    answer = refusals.detail(error)
    return Refusal(answer["status"], answer["message"])
