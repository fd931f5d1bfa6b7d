"""Orders as this dialect gives them, and the sound of a job for who waits on the line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _

from jobs import concurrency, streaming
from jobs.models import Job
from jobs.orders import cleaned
from speechsite.accounts import plans
from speechsite.api import auth, hearing, idempotency, limits, ordering
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import ids, preferences, pronouncing
from speechsite.api.elevenlabs.wire import speech as wire
from speechsite.api.errors import ApiError, ConcurrencyLimited, Invalid, Unavailable
from speechsite.api.hearing import Heard
from speechsite.api.idempotency import NEVER_AGAIN, Once
from speechsite.audio.answer import Answer
from speechsite.audio.wording import Wording
from speechsite.core.threads import in_thread
from speechsite.credits import prices
from speechsite.upstreams import catalogue

SCOPE = "generations:create"
# A moment's wait spares a client the error when its last job is just being put together.
QUEUE_SECONDS = 3.0
_CONTROLS = {entry.slug: entry.controls for entry in catalogue.MODELS}


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants to hear, but for the text."""

    voice_id: str
    model_id: str = ""
    settings: Mapping[str, Any] | None = None
    output_format: str = wire.DEFAULT_FORMAT
    locators: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    is_heard: bool = False  # while it is made, and not only when it is whole
    once: Once = NEVER_AGAIN


@dataclass(frozen=True, slots=True)
class Begun:
    """A speech that is under way, and what an answer with its sound says about the work."""

    speech: streaming.Speech
    headers: Mapping[str, str]


def refuse_forgetting(query: Mapping[str, Any]) -> None:
    """Every job is kept in the history: who asks for none of it has to be told."""
    if not query["enable_logging"]:
        raise ApiError(
            _("Speech without a history item is not offered here."),
            code="feature_not_available",
            status=403,
            field="enable_logging",
        )


async def admitted(secret: str, address: str) -> Caller:
    """The caller on a socket; opening one counts as a request."""

    def admit() -> Caller:
        caller = auth.caller_of_secret(secret, address, scope=SCOPE)
        limits.admit(caller)
        return caller

    return await in_thread(admit)


async def placed(caller: Caller, order: Order, text: str, *, is_stream: bool) -> Begun:
    """An order for speech, placed and begun: we speak it ourselves. Raises ApiError."""
    [wording] = await _pronounced(caller, order, [text])
    return await _queued(
        QUEUE_SECONDS,
        lambda: caller,
        lambda who: _place(who, order, wording),
        is_stream=is_stream,
    )


async def placed_on_socket(
    secret: str, address: str, order: Order, text: str, *, patience: float, answer: Answer
) -> Begun:
    """The same for a connection that stays open, as a part of its answer. Raises ApiError.

    The key that was good when it opened may be revoked, blocked or changed since, and the plan
    another: each order asks anew.
    """

    def ask() -> Caller:
        return auth.caller_of_secret(secret, address, scope=SCOPE)

    wording: str | Wording = text
    if order.locators:
        [wording] = await pronouncing.pronounced(await in_thread(ask), [text], order.locators)
    return await _queued(
        patience, ask, lambda caller: _place(caller, order, wording), answer=answer
    )


async def placed_dialogue(
    caller: Caller, order: Order, lines: Sequence[tuple[str, str]], *, is_stream: bool
) -> Begun:
    """An order for a dialogue, placed and begun. Raises ApiError."""
    texts = await _pronounced(caller, order, [text for _, text in lines])
    spoken = [(voice, text) for (voice, _), text in zip(lines, texts, strict=True)]
    return await _queued(
        QUEUE_SECONDS,
        lambda: caller,
        lambda who: _place_dialogue(who, order, spoken),
        is_stream=is_stream,
    )


async def whole(speech: streaming.Speech) -> Heard:
    """All of a speech. Raises ApiError, and then nothing will be charged."""
    try:
        return await hearing.whole(speech)
    except streaming.SpeechFailed as error:
        raise failure(error.code, error.message) from error


async def stored(job: Job) -> bytes:
    """The sound of a job once it is put together. Raises ApiError."""
    try:
        return await hearing.stored(job)
    except streaming.SpeechFailed as error:
        raise failure(error.code, error.message) from error


def failure(code: str, message: str) -> ApiError:
    """A job that failed, as an error of the request that waits for it."""
    if code in ("rejected", "unsupported", "moderated"):
        return Invalid(message, code=code)
    return Unavailable(message, retry_after=1)


def headers(caller: Caller, job: Job) -> dict[str, str]:
    """What an answer with sound says about the work. Asks the database."""
    name = ids.public(job.pk)
    under_way = concurrency.under_way(caller.user) if job.under_way is None else job.under_way
    allowed = plans.plan_of(caller.user).concurrent_jobs or limits.UNLIMITED
    return {
        "request-id": name,
        "history-item-id": name,
        "character-cost": str(characters(job.quoted)),
        "x-character-count": str(job.characters),
        "current-concurrent-requests": str(min(under_way, allowed)),
        "maximum-concurrent-requests": str(allowed),
    }


def millicredits_per_character() -> int:
    """What a character of the default model costs; looked up once a minute."""
    return _millicredits_per_character(int(time.time()) // 60)


def characters(millicredits: int) -> int:
    """Credits as ElevenLabs counts: what one character of its default model costs is 1."""
    return -(-millicredits // millicredits_per_character())


@lru_cache(maxsize=2)
def _millicredits_per_character(minute: int) -> int:
    model = catalogue.canonical(wire.DEFAULT_MODEL) or ""
    try:
        return prices.price_of(model).millicredits_per_unit or 1
    except prices.NoPrice:
        return 1


async def _pronounced(
    caller: Caller, order: Order, texts: Sequence[str]
) -> Sequence[str | Wording]:
    """The texts by the order's dictionaries, which a repeated order does not need any more."""
    if not order.locators or await in_thread(order.once.known, caller) is not None:
        return texts
    return await pronouncing.pronounced(caller, texts, order.locators)


async def _queued(
    patience: float,
    ask: Callable[[], Caller],
    place: Callable[[Caller], Job],
    *,
    is_stream: bool = True,
    answer: Answer | None = None,
) -> Begun:
    """Place an order; while the plan's jobs are all under way, wait a little for one to end."""
    end = time.monotonic() + patience
    pause = 0.05
    more: dict[str, str] = {}

    def placed() -> Job:
        caller = ask()
        job = place(caller)
        more.update(headers(caller, job))
        if job.is_replay:
            more[idempotency.REPLAYED] = "true"
        return job

    while True:
        try:
            speech = await hearing.begin(placed, is_stream=is_stream, answer=answer)
            return Begun(speech, more)
        except ConcurrencyLimited:
            if time.monotonic() + pause > end:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def _place(caller: Caller, order: Order, text: str | Wording) -> Job:
    if (first := order.once.known(caller)) is not None:
        return first
    model_name = order.model_id
    voice_id = order.voice_id or _default_voice(caller)
    if not model_name:
        model_name = ordering.default_model(caller, voice_id)
    given = order.settings
    if given is None:
        given = preferences.settings_of(caller, voice_id)
    return ordering.speech(
        caller,
        model_name=model_name or wire.DEFAULT_MODEL,
        voice_id=voice_id,
        text=_wording(text),
        voice_settings=wire.settings(given, _controls(caller, model_name)),
        options=order.options,
        output_format=order.output_format,
        reserve_seconds=streaming.RESERVE,
        is_heard=order.is_heard,
        **order.once.order,
    )


def _place_dialogue(
    caller: Caller, order: Order, lines: Sequence[tuple[str, str | Wording]]
) -> Job:
    model_name = order.model_id or wire.DEFAULT_DIALOGUE_MODEL
    if model_name == wire.DEFAULT_DIALOGUE_MODEL:
        # The same name means the model that speaks and the one that holds dialogues.
        model_name = "elevenlabs-dialogue-v3"
    takes = _controls(caller, model_name)
    return ordering.dialogue(
        caller,
        model_name=model_name,
        lines=[(voice, _wording(text)) for voice, text in lines],
        voice_settings=wire.settings(order.settings, takes, wire.DIALOGUE_SETTINGS),
        options=order.options,
        output_format=order.output_format,
        reserve_seconds=streaming.RESERVE,
        **order.once.order,
    )


def _wording(text: str | Wording) -> Wording:
    """A text to the letter as it came: their alignment spells it."""
    return cleaned(text) if isinstance(text, str) else text


def _controls(caller: Caller, model_name: str) -> Mapping[str, Any]:
    """The settings of a model; a test order's are sorted out where it is placed."""
    slug = catalogue.canonical(model_name or wire.DEFAULT_MODEL)
    if caller.is_test and slug is None:
        return {name: {} for name in wire.SETTINGS.values()}
    return _CONTROLS.get(slug or "", {})


def _default_voice(caller: Caller) -> str:
    from voices import library

    return library.default_voice(caller.user).external_id
