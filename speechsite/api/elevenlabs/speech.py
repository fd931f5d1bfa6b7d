"""Text to speech and text to dialogue, each in its four forms."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from itertools import zip_longest
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _

from jobs import streaming
from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import orders
from speechsite.api.elevenlabs.answers import by_method, serves
from speechsite.api.elevenlabs.orders import Order
from speechsite.api.elevenlabs.wire import speech as wire
from speechsite.api.errors import Invalid
from speechsite.api.idempotency import once_of
from speechsite.audio import formats
from speechsite.audio.wording import Wording

# Some clients read line by line and give up on long ones.
LARGEST_BLOCK = 36 * 1024
MOST_CHARACTERS = 1000


async def _place(
    request: HttpRequest,
    caller: Caller,
    query: Mapping[str, Any],
    body: Mapping[str, Any],
    voice_id: str = "",
    *,
    is_stream: bool = False,
) -> tuple[orders.Begun, list[wire.Turn]]:
    """A request for either kind of speech, placed and begun."""
    orders.refuse_forgetting(query)
    order = Order(
        voice_id=voice_id,
        model_id=body["model_id"] or "",
        settings=body["voice_settings"] if voice_id else body["settings"],
        output_format=_format(query, body),
        locators=tuple(body["pronunciation_dictionary_locators"]),
        options=wire.options(body),
        is_heard=is_stream,
        once=once_of(request, json.loads(request.body)),
    )
    if voice_id:
        return await orders.placed(caller, order, body["text"], is_stream=is_stream), []
    lines = [(line["voice_id"], line["text"].strip()) for line in body["inputs"]]
    begun = await orders.placed_dialogue(caller, order, lines, is_stream=is_stream)
    return begun, wire.turns(lines, begun.speech.job.text)


async def whole(
    request: HttpRequest, caller: Caller, query: Any, body: Any, voice_id: str = ""
) -> HttpResponseBase:
    """The sound, once it is all there."""
    begun, _turns = await _place(request, caller, query, body, voice_id)
    heard = await orders.whole(begun.speech)
    return HttpResponse(
        heard.audio, content_type=_media_type(begun.speech.job), headers=begun.headers
    )


async def stream(
    request: HttpRequest, caller: Caller, query: Any, body: Any, voice_id: str = ""
) -> HttpResponseBase:
    """The sound as it is made."""
    _refuse_whole_formats(query, body)
    begun, _turns = await _place(request, caller, query, body, voice_id, is_stream=True)
    pieces = await _begun(begun.speech)
    return _streamed(_audio(pieces), _media_type(begun.speech.job), begun.headers)


async def whole_timed(
    request: HttpRequest, caller: Caller, query: Any, body: Any, voice_id: str = ""
) -> HttpResponseBase:
    """Sound and times, once they are all there."""
    begun, turns = await _place(request, caller, query, body, voice_id)
    heard = await orders.whole(begun.speech)
    sent, spoken = wire.Spelling(begun.speech.job.wording).take(heard.words, is_last=True)
    answer = wire.timed(heard.audio, sent, spoken)
    if not voice_id:
        answer["voice_segments"] = wire.voice_segments(turns, sent, 0)
    return HttpResponse(_json(answer), content_type="application/json", headers=begun.headers)


async def stream_timed(
    request: HttpRequest, caller: Caller, query: Any, body: Any, voice_id: str = ""
) -> HttpResponseBase:
    """Sound and times as they are made, an object a line."""
    _refuse_whole_formats(query, body)
    begun, turns = await _place(request, caller, query, body, voice_id, is_stream=True)
    pieces = await _begun(begun.speech)
    lines = _lines(pieces, begun.speech.job.wording, None if voice_id else turns)
    return _streamed(lines, "application/json", begun.headers)


async def _begun(speech: streaming.Speech) -> AsyncIterator[streaming.Piece]:
    """The pieces of a speech once the first is there: until then a failure can be told."""
    pieces = speech.pieces()
    try:
        first = await anext(pieces, None)
    except (streaming.SpeechFailed, streaming.StreamBroken) as error:
        code = getattr(error, "code", "unavailable")
        raise orders.failure(code, error.message) from error

    async def all_of_them() -> AsyncIterator[streaming.Piece]:
        if first is not None:
            yield first
        async for piece in pieces:
            yield piece

    return all_of_them()


async def _audio(pieces: AsyncIterator[streaming.Piece]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        if piece.audio:
            yield piece.audio


async def _lines(
    pieces: AsyncIterator[streaming.Piece], wording: Wording, turns: list[wire.Turn] | None
) -> AsyncIterator[bytes]:
    spelling = wire.Spelling(wording)
    async for piece in pieces:
        first = spelling.place
        sent, spoken = (
            columns.parts(MOST_CHARACTERS) if columns else []
            for columns in spelling.take(piece.words)
        )
        blocks = [
            piece.audio[start : start + LARGEST_BLOCK]
            for start in range(0, len(piece.audio), LARGEST_BLOCK)
        ]
        for block, part, said in zip_longest(blocks, sent, spoken):
            line = wire.timed(block or b"", part, said)
            if turns is not None:
                line["voice_segments"] = wire.voice_segments(turns, part, first)
            first += len(part.characters) if part else 0
            yield _json(line) + b"\n"


def _streamed(
    content: AsyncIterator[bytes], media_type: str, more: Mapping[str, str]
) -> StreamingHttpResponse:
    response = StreamingHttpResponse(content, content_type=media_type, headers=dict(more))
    # A proxy in front should not wait for the end either.
    response["X-Accel-Buffering"] = "no"
    response["Cache-Control"] = "no-cache"
    return response


def _format(query: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """The query wins; the body is where an older description has it."""
    return query["output_format"] or body["output_format"] or wire.DEFAULT_FORMAT


def _refuse_whole_formats(query: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    wanted = _format(query, body)
    if wanted.startswith(("wav_", "m4a_")):
        raise Invalid(
            _("%(format)s has its length in front, so it cannot be streamed: choose PCM.")
            % {"format": wanted[:3].upper()},
            code="invalid_output_format",
            field="format",
        )


def _media_type(job: Job) -> str:
    return formats.parse(job.output_format).media_type


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _served(view: Any, body: Any) -> Any:
    return by_method(POST=serves(orders.SCOPE, body=body, query=wire.QUERY)(view))


FORMS = {
    "": whole,
    "/stream": stream,
    "/with-timestamps": whole_timed,
    "/stream/with-timestamps": stream_timed,
}
speech_forms = {ending: _served(view, wire.SPEECH) for ending, view in FORMS.items()}
dialogue_forms = {ending: _served(view, wire.DIALOGUE) for ending, view in FORMS.items()}
