"""`/v1/audio/speech` and the voices that it takes; errors in OpenAI's shape."""

from __future__ import annotations

from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from jobs import streaming
from jobs.models import Job
from speechsite.api import auth, hearing, idempotency, limits, ordering, reading, worlds
from speechsite.api.auth import Caller
from speechsite.api.errors import ApiError
from speechsite.api.idempotency import Once
from speechsite.api.limits import RateState
from speechsite.api.openai import wire
from speechsite.upstreams import catalogue
from voices import known, library
from voices.models import SpeechModel, Voice

# The fields of an order as OpenAI's clients call them.
PARAMS = {
    "text": "input",
    "voice": "voice",
    "model": "model",
    "format": "response_format",
    "settings": "speed",
}
FAILED_INPUT = frozenset({"moderated", "rejected", "unsupported"})
UNHEARD = "X-Speechsite-Ignored"
JOB = "X-Speechsite-Job"


@csrf_exempt
async def speech(request: HttpRequest) -> HttpResponseBase:
    """Speak a text; the sound is sent as it is made."""
    if request.method != "POST":
        return refused("Only POST is served here.", status=405)
    try:
        caller, rate = await sync_to_async(admitted)(request, "generations:create")
        body = reading.json_of(request)
        order, once = wire.order_of(body), idempotency.once_of(request, body)
        speech = await hearing.begin(_place, caller, order, once)
        response = await _spoken(speech, order)
    except wire.Refusal as error:
        return refused(error.message, status=400, param=error.param, code=error.code)
    except ApiError as error:
        return api_error(error)
    except streaming.SpeechFailed as error:
        status = 400 if error.code in FAILED_INPUT else 503
        return refused(error.message, status=status, code=error.code)
    except streaming.StreamBroken as error:
        return refused(error.message, status=503)
    if order.unheard:
        response[UNHEARD] = ", ".join(order.unheard)
    return with_headers(response, rate)


@csrf_exempt
def voices(request: HttpRequest) -> HttpResponseBase:
    """The names and ids that `voice` takes."""
    if request.method != "GET":
        return refused("Only GET is served here.", status=405)
    try:
        caller, rate = admitted(request, "voices:read")
    except ApiError as error:
        return api_error(error)
    columns = ("external_id", "name", "language", "gender")
    ours = [wire.voice(*row) for row in worlds.choosable_voices(caller).values_list(*columns)]
    own = {voice["id"] for voice in ours}
    theirs = [wire.voice(name, name.title(), "en") for name in wire.VOICES if name not in own]
    listed = [*theirs, *ours]
    return with_headers(JsonResponse({"voices": listed}), rate)


def admitted(request: HttpRequest, scope: str) -> tuple[Caller, RateState]:
    caller = auth.caller_of(request, scope=scope)
    return caller, limits.admit(caller)


def _place(caller: Caller, order: wire.Order, once: Once) -> Job:
    if (first := once.known(caller)) is not None:
        return first
    voice_id, model_name = _chosen(caller, order)
    model = library.model_named(model_name)
    bounds = model.controls.get("speed") if model is not None else None
    speed = wire.speed_within(order.speed, bounds)
    return ordering.speech(
        caller,
        model_name=model_name,
        voice_id=voice_id,
        text=order.text,
        voice_settings={} if speed is None else {"speed": speed},
        output_format=order.output_format,
        reserve_seconds=streaming.RESERVE,
        is_heard=True,
        **once.order,
    )


def _chosen(caller: Caller, order: wire.Order) -> tuple[str, str]:
    """The voice and model of ours that an order's names mean."""
    stand_in = wire.VOICES.get(order.voice.lower())
    if order.is_theirs and (pair := _served(caller, order)) is not None:
        return pair
    if order.is_theirs:
        voice = ordering.find_voice(caller, stand_in or order.voice)
        return voice.external_id, wire.model_for(order.model, voice.family)
    if stand_in is None:
        return order.voice, order.model
    model = library.model_named(order.model)
    return _nearest(caller, order.voice.lower(), stand_in, model), order.model


def _served(caller: Caller, order: wire.Order) -> tuple[str, str] | None:
    """The same voice and model at a speech server behind this site, if it has the voice.

    Where it does not know the model by that name, it speaks with the first of its own.
    """
    voice = library.voice_of_id(order.voice, caller.user)
    if voice is None or voice.family != catalogue.SERVED or not voice.is_usable:
        return None
    names = [model.slug for model in library.models_for(voice)]
    same = catalogue.served_slug(order.model)
    return (voice.external_id, same if same in names else names[0]) if names else None


def _nearest(caller: Caller, name: str, stand_in: str, model: SpeechModel | None) -> str:
    """A voice that the model speaks with, always the same one for a name of theirs."""
    if model is None or model.family == "builtin":
        return stand_in
    public = Voice.objects.usable().filter(owner__isnull=True, family=model.family)
    if model.family == catalogue.SERVED and public.filter(external_id=name).exists():
        return name
    first = list(public.order_by("position", "pk").values_list("external_id", flat=True)[:13])
    if caller.is_test and not first:
        first = [one.external_id for one in known.found(family=model.family)][:13]
    return first[list(wire.VOICES).index(name) % len(first)] if first else stand_in


async def _spoken(speech: streaming.Speech, order: wire.Order) -> StreamingHttpResponse:
    job, pieces = speech.job, speech.pieces()
    # Waited for here, so that an order that fails is refused with a status of its own.
    first = await _sounding(pieces)
    body = _events(job, first, pieces) if order.is_events else _sound(first, pieces)
    kind = "text/event-stream" if order.is_events else order.media_type
    response = StreamingHttpResponse(body, content_type=kind)
    # Whoever is left with half a sound finds under this name what became of the work.
    response[JOB] = job.pk.hex
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return idempotency.marked(response, job)


async def _sounding(pieces: AsyncIterator[streaming.Piece]) -> bytes:
    """The next piece with sound in it; empty at the end."""
    async for piece in pieces:
        if piece.audio:
            return piece.audio
    return b""


async def _sound(first: bytes, pieces: AsyncIterator[streaming.Piece]) -> AsyncIterator[bytes]:
    """The bare sound. Breaking off is all that a client can be told on the way."""
    audio = first
    while audio:
        yield audio
        audio = await _sounding(pieces)


async def _events(
    job: Job, first: bytes, pieces: AsyncIterator[streaming.Piece]
) -> AsyncIterator[bytes]:
    audio = first
    try:
        while audio:
            yield wire.delta(audio)
            audio = await _sounding(pieces)
    except (streaming.SpeechFailed, streaming.StreamBroken) as error:
        yield wire.broken(error.message)
        return
    yield wire.done(job.characters)


def refused(
    message: str, *, status: int, param: str | None = None, code: str | None = None
) -> JsonResponse:
    return JsonResponse(wire.error(message, status=status, param=param, code=code), status=status)


def api_error(error: ApiError) -> JsonResponse:
    # OpenAI's clients know some codes of their own; the others are ours.
    code = None if error.status in wire.CODES else error.code
    param = PARAMS.get(error.field, error.field) or None
    response = refused(error.message, status=error.status, param=param, code=code)
    if error.retry_after is not None:
        response["Retry-After"] = str(max(1, round(error.retry_after)))
    return response


def with_headers(response: HttpResponseBase, rate: RateState) -> HttpResponseBase:
    for name, value in rate.headers.items():
        response[name] = value
    return response
