"""Short texts that are spoken while the client waits: at once, or piece by piece."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse

from jobs import files, streaming
from jobs.models import Job
from jobs.states import JobState
from speechsite.api import hearing, idempotency, ordering, reading, waiting
from speechsite.api.auth import Caller
from speechsite.api.idempotency import Once
from speechsite.api.minimax import answers, views, wire
from speechsite.api.minimax.answers import Refusal
from speechsite.api.minimax.guard import async_endpoint
from speechsite.audio import formats, probe

PATIENCE = 240.0  # seconds that a client waits for a link
FAILURES = {
    "moderated": answers.MODERATED,
    "rejected": answers.INVALID,
    "unsupported": answers.INVALID,
}


@async_endpoint("POST", "generations:create")
async def t2a(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """Speak a text, and answer with the sound in hex, a link to it, or a stream."""
    body = reading.json_of(request)
    talk, once = wire.talk_of(body), idempotency.once_of(request, body)
    origin = reading.origin_of(request)
    answer: HttpResponseBase
    if talk.is_link:
        job = await sync_to_async(_place)(caller, talk, once)
        answer = JsonResponse(await _linked(job, talk, origin))
    else:
        speech = await hearing.begin(_place, caller, talk, once, is_stream=talk.is_stream)
        job = speech.job
        if talk.is_stream:
            answer = await _streamed(speech, talk, origin)
        else:
            answer = JsonResponse(await _whole(speech, talk, origin))
    return idempotency.marked(await sync_to_async(views.with_unheard)(answer, job), job)


def _place(caller: Caller, talk: wire.Talk, once: Once) -> Job:
    order = talk.order
    return ordering.speech(
        caller,
        model_name=order.model,
        voice_id=order.voice,
        text=order.text,
        voice_settings=order.voice_settings,
        options=order.options,
        output_format=order.sound.output_format,
        # A link opens the joined result, which a worker makes.
        reserve_seconds=0.0 if talk.is_link else streaming.RESERVE,
        is_heard=talk.is_stream,
        **once.order,
    )


async def _linked(job: Job, talk: wire.Talk, origin: str) -> dict[str, Any]:
    ended = await waiting.finished(job.pk, PATIENCE)
    if ended.state != JobState.SUCCEEDED:
        raise _failed(ended.failure_code, ended.failure_message or "the speech took too long")
    form = formats.parse(ended.output_format)
    extra = answers.notes(
        milliseconds=ended.duration_ms,
        sound=form,
        size=ended.audio_bytes,
        codec=talk.order.sound.codec,
        text=ended.text,
    )
    link = origin + await sync_to_async(files.link)(ended, "audio")
    return answers.spoken(link, extra_info=extra, trace=job.pk.hex, **_subtitles(job, talk, origin))


async def _whole(speech: streaming.Speech, talk: wire.Talk, origin: str) -> dict[str, Any]:
    job = speech.job
    try:
        sound = (await hearing.whole(speech)).audio
    except streaming.SpeechFailed as error:
        raise _failed(error.code, error.message) from error
    extra = await _notes(job, talk, sound)
    return answers.spoken(
        sound.hex(), extra_info=extra, trace=job.pk.hex, **_subtitles(job, talk, origin)
    )


async def _streamed(
    speech: streaming.Speech, talk: wire.Talk, origin: str
) -> StreamingHttpResponse:
    job, pieces = speech.job, speech.pieces()
    try:
        # Waited for here, so that an order that fails is refused with a status of its own.
        first = await anext(pieces, None)
    except streaming.SpeechFailed as error:
        raise _failed(error.code, error.message) from error
    except streaming.StreamBroken as error:
        raise Refusal(answers.INTERNAL, error.message) from error
    events = _events(job, talk, origin, first, pieces)
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


async def _events(
    job: Job,
    talk: wire.Talk,
    origin: str,
    first: streaming.Piece | None,
    pieces: AsyncIterator[streaming.Piece],
) -> AsyncIterator[bytes]:
    whole, piece = b"", first
    try:
        while piece is not None:
            if piece.audio:
                whole += piece.audio
                yield _event(answers.spoken(piece.audio.hex(), status=1, trace=job.pk.hex))
            piece = await anext(pieces, None)
    except (streaming.SpeechFailed, streaming.StreamBroken) as error:
        # The trace names the job: what was made of it is kept under that name.
        broken = answers.base(answers.INTERNAL, error.message)
        yield _event({**broken, "trace_id": job.pk.hex})
        return
    last = whole.hex() if talk.repeats_whole else ""
    extra = await _notes(job, talk, whole)
    more = _subtitles(job, talk, origin)
    yield _event(answers.spoken(last, extra_info=extra, trace=job.pk.hex, **more))


async def _notes(job: Job, talk: wire.Talk, sound: bytes) -> dict[str, Any]:
    form = formats.parse(job.output_format)
    hint = form.name if form.is_raw else None
    length = await asyncio.to_thread(probe.probe, sound, hint)
    return answers.notes(
        milliseconds=length.duration_ms,
        sound=form,
        size=len(sound),
        codec=talk.order.sound.codec,
        text=job.text,
    )


def _subtitles(job: Job, talk: wire.Talk, origin: str) -> dict[str, Any]:
    if not talk.has_subtitles:
        return {}
    return {"subtitle_file": views.subtitles_link(job, origin)}


def _failed(code: str, message: str) -> Refusal:
    return Refusal(FAILURES.get(code, answers.INTERNAL), message)


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
