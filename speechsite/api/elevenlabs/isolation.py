"""Recordings without their noise, and the history of them."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _

from jobs import files, lifecycle, uploads
from jobs.models import Job
from jobs.states import JobState
from speechsite.api import idempotency, ordering, reading, worlds
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import ids, orders
from speechsite.api.elevenlabs.answers import by_method, serves
from speechsite.api.elevenlabs.schema import Field, SchemaError
from speechsite.api.elevenlabs.wire import history as wire
from speechsite.api.elevenlabs.wire.speech import DEFAULT_FORMAT
from speechsite.api.errors import NotFound
from speechsite.audio import formats
from speechsite.core.threads import in_thread, slowly

FORM = {
    "file_format": Field(default="other", choices=("other", "pcm_s16le_16")),
    "preview_b64": Field(),
}
RAW_RATE = 16_000
BLOCK = 64 * 1024


async def clean(request: HttpRequest, caller: Caller, form: Mapping[str, Any]) -> HttpResponseBase:
    """A recording without its noise; both forms answer once it is done."""
    job = await slowly(_place, request, caller, form["file_format"])
    sound = await orders.stored(job)
    more = await in_thread(orders.headers, caller, job)
    media_type = formats.parse(job.output_format).media_type
    answer = HttpResponse(sound, content_type=media_type, headers=more)
    return idempotency.marked(answer, job)


def list_cleaned(request: HttpRequest, caller: Caller, query: Mapping[str, Any]) -> dict[str, Any]:
    jobs = worlds.jobs(caller).filter(kind=Job.Kind.ISOLATION)
    jobs = jobs.exclude(state__in=(JobState.FAILED, JobState.CANCELED))
    if query["search"]:
        jobs = jobs.filter(title__icontains=query["search"])
    size = query["page_size"]
    start = (min(query["page"], 100_000) - 1) * size
    found = list(jobs.order_by("-created_at")[start : start + size + 1])
    items = [wire.cleaned(_seen(request, job)) for job in found[:size]]
    return {"items": items, "has_more": len(found) > size}


def delete_cleaned(request: HttpRequest, caller: Caller, item: str) -> HttpResponse:
    key = ids.private(item)
    jobs = worlds.jobs(caller).filter(kind=Job.Kind.ISOLATION)
    job = jobs.filter(pk=key).first() if key else None
    if job is None:
        raise NotFound(_("There is no such history item."), code="history_item_not_found")
    lifecycle.delete(job)
    return HttpResponse(status=204)


def _place(request: HttpRequest, caller: Caller, file_format: str) -> Job:
    reading.check_size(request, uploads.LARGEST + BLOCK)
    file = request.FILES.get("audio")
    if file is None:
        fault = {"type": "missing", "loc": ["body", "audio"], "msg": "Field required"}
        raise SchemaError([{**fault, "input": None}])
    once = idempotency.once_of(request)
    if (first := once.known(caller)) is not None:
        return first
    recording = _with_header(file) if file_format != "other" else file
    upload = uploads.take(caller.user, recording, is_test=caller.is_test)
    return ordering.cleaning(caller, upload=upload, output_format=DEFAULT_FORMAT, **once.order)


def _with_header(file: UploadedFile) -> UploadedFile:
    """Raw samples as a WAV file, which says itself what it is."""
    whole = io.BytesIO()
    with wave.open(whole, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(RAW_RATE)
        for block in file.chunks():
            target.writeframes(block)
    return SimpleUploadedFile(file.name or "audio.wav", whole.getvalue(), "audio/wav")


def _seen(request: HttpRequest, job: Job) -> wire.Cleaned:
    link = reading.origin_of(request) + files.link(job, "audio") if job.audio else None
    return wire.Cleaned(
        id=ids.public(job.pk),
        created_unix=int(job.created_at.timestamp()),
        format=job.output_format.partition("_")[0],
        title=job.title,
        duration_ms=job.duration_ms,
        is_processing=job.state != JobState.SUCCEEDED,
        url=link,
    )


cleaning = by_method(POST=serves(orders.SCOPE, form=FORM)(clean))
cleaning_stream = by_method(POST=serves(orders.SCOPE, form=FORM)(clean))
cleaned = by_method(GET=serves("history:read", query=wire.CLEANED_QUERY)(list_cleaned))
cleaned_item = by_method(DELETE=serves("history:write")(delete_cleaned))
