"""MiniMax's tasks, files and voices. What is spoken at once is in `talk`."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, cast

from django.core import signing
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.http import JsonResponse as Json
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobs import names, numbers, ranges
from jobs.models import Job, NumberedFile
from jobs.options import unheard as unheard_options
from jobs.states import JobState
from speechsite.accounts import quota
from speechsite.api import idempotency, reading, worlds
from speechsite.api.auth import Caller
from speechsite.api.minimax import answers, archives, options, tasks, texts, wire
from speechsite.api.minimax.answers import INVALID, Refusal
from speechsite.api.minimax.guard import endpoint
from speechsite.providers.errors import ProviderError
from voices import cloning
from voices.models import Voice

LIFETIME = timedelta(hours=9)
FILES_SALT = "api.minimax.files"
SUBTITLES_SALT = "api.minimax.subtitles"
UNHEARD = "X-Speechsite-Ignored"
FAMILIES = ("minimax", "builtin")
KINDS = ("system", "voice_cloning", "voice_generation", "all")


@endpoint("POST", "generations:create")
def t2a_async(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """Take a long text, or a file of texts."""
    body = reading.json_of(request)
    order, once = wire.task_of(body), idempotency.once_of(request, body)
    numbered = tasks.place(caller, order, once)
    job = cast(Job, numbered.job)
    answer = answers.created(
        numbered.number, tasks.token_of(numbered), answers.characters_of(job.text)
    )
    return idempotency.marked(with_unheard(Json(answer), job), job)


@endpoint("GET", "generations:read")
def query(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """How a task stands."""
    number = wire.asked_number(request.GET.get("task_id"), "task_id")
    _, job = tasks.job_of(caller, number)
    return Json(answers.queried(number, job.state))


@endpoint("POST", "files:create")
def upload(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """Keep a text for a later order."""
    reading.check_size(request, texts.MOST_BYTES)
    purpose, file = request.POST.get("purpose"), request.FILES.get("file")
    if purpose != tasks.INPUT:
        raise Refusal(INVALID, f"invalid params, purpose must be {tasks.INPUT}")
    if not isinstance(file, UploadedFile) or file.file is None or not file.size:
        raise Refusal(INVALID, "invalid params, file is required")
    # Read once now, so that what cannot be spoken is refused where it comes in.
    texts.read(file.file)
    file.file.seek(0)
    try:
        kept = numbers.keep(
            caller.user,
            name=file.name or "text.txt",
            purpose=tasks.INPUT,
            content=cast(Any, file.file),
            size=file.size,
            is_test=caller.is_test,
        )
    except quota.Full as error:
        raise Refusal(INVALID, error.message) from error
    return Json(_described(kept, ""))


@endpoint("GET", "files:read")
def retrieve(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """What a file is, and a link to it that works for some hours."""
    numbered = _asked_file(request, caller)
    if numbered.job is not None:
        _check_done(numbered.job)
    signed = signing.dumps(numbered.number, salt=FILES_SALT)
    path = reverse("minimax:download", args=(signed, _name(numbered)))
    return Json(_described(numbered, reading.origin_of(request) + path))


@endpoint("GET", "files:read")
def retrieve_content(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """The bytes of a file."""
    return _content(request, _asked_file(request, caller))


@require_safe
def download(request: HttpRequest, signed: str, name: str) -> HttpResponseBase:
    """What a link of `retrieve` opens."""
    number = _ticket(signed, FILES_SALT)
    numbered = NumberedFile.objects.filter(pk=number).select_related("job").first()
    if numbered is None or (numbered.job is not None and numbered.job.deleted_at is not None):
        return HttpResponse("gone", status=410, content_type="text/plain")
    try:
        return _content(request, numbered)
    except Refusal as error:
        raise Http404 from error


@require_safe
def subtitles(request: HttpRequest, signed: str) -> HttpResponseBase:
    """Sentence times of a speech that was answered at once."""
    job = Job.objects.filter(pk=_ticket(signed, SUBTITLES_SALT), deleted_at__isnull=True).first()
    if job is None:
        raise Http404
    return Json(archives.titles(job), safe=False)


@endpoint("POST", "voices:read")
def get_voice(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """The voices that MiniMax's models and the built-in engine speak with."""
    body = reading.json_of(request)
    wanted = body.get("voice_type") if isinstance(body, dict) else None
    if wanted not in KINDS:
        raise Refusal(INVALID, f"invalid params, voice_type must be one of {', '.join(KINDS)}")
    voices = worlds.voices(caller).usable().order_by("position", "name")
    system = voices.filter(owner__isnull=True, family__in=FAMILIES)
    own = voices.filter(owner=caller.user)
    return Json(answers.voices([_told(one) for one in system], [_told(one) for one in own], wanted))


@endpoint("POST", "voices:write")
def delete_voice(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """Delete a voice of the caller's own."""
    body = reading.json_of(request)
    given = body if isinstance(body, dict) else {}
    if given.get("voice_type") not in ("voice_cloning", "voice_generation"):
        raise Refusal(INVALID, "invalid params, voice_type")
    voice_id = given.get("voice_id")
    if not isinstance(voice_id, str) or not voice_id:
        raise Refusal(INVALID, "invalid params, voice_id is required")
    own = worlds.own_voices(caller).filter(external_id=voice_id).first()
    if own is None:
        raise Refusal(answers.NO_VOICE, "voice id not exist")
    try:
        cloning.retire(own)
    except ProviderError as error:
        raise Refusal(answers.INTERNAL, "the voice could not be deleted") from error
    created = str(int(own.created_at.timestamp()))
    return Json({"voice_id": voice_id, "created_time": created, **answers.base()})


def with_unheard(response: HttpResponseBase, job: Job) -> HttpResponseBase:
    """Say aloud what was asked for and no channel of the model can carry out."""
    if unheard := unheard_options(job):
        response[UNHEARD] = options.named(unheard)
    return response


def subtitles_link(job: Job, origin: str) -> str:
    """An address that opens a job's sentence times for some hours."""
    signed = signing.dumps(job.pk.hex, salt=SUBTITLES_SALT)
    return origin + reverse("minimax:subtitles", args=(signed,))


def _asked_file(request: HttpRequest, caller: Caller) -> NumberedFile:
    number = wire.asked_number(request.GET.get("file_id"), "file_id")
    return tasks.file_of(caller, number)


def _content(request: HttpRequest, numbered: NumberedFile) -> HttpResponseBase:
    name = _name(numbered)
    file, size = _opened(numbered)
    response = ranges.respond(
        request, file, size=size, media_type="application/octet-stream", etag=f'"{name}"'
    )
    names.attach(response, name)
    return response


def _opened(numbered: NumberedFile) -> tuple[Any, int]:
    job = numbered.job
    if job is not None:
        _check_done(job)
        archive = archives.write(numbered, job)
        return archive, os.fstat(archive.fileno()).st_size
    if not default_storage.exists(numbered.file):
        raise Refusal(INVALID, "invalid params, the file is gone")
    return default_storage.open(numbered.file), numbered.size


def _check_done(job: Job) -> None:
    if job.state != JobState.SUCCEEDED or not job.audio:
        raise Refusal(INVALID, "invalid params, the task is not finished")


def _name(numbered: NumberedFile) -> str:
    return f"{numbered.number}.tar" if numbered.job_id else f"{numbered.number}.text"


def _described(numbered: NumberedFile, link: str) -> dict[str, Any]:
    job = numbered.job
    return answers.described(
        numbered.number,
        size=job.audio_bytes if job is not None else numbered.size,
        created_at=int(numbered.created_at.timestamp()),
        name=_name(numbered) if job is not None else numbered.name,
        purpose=numbered.purpose,
        link=link,
    )


def _ticket(signed: str, salt: str) -> Any:
    try:
        return signing.loads(signed, salt=salt, max_age=LIFETIME)
    except signing.BadSignature as error:
        raise Http404 from error


def _told(voice: Voice) -> dict[str, Any]:
    return {
        "voice_id": voice.external_id,
        "voice_name": voice.name,
        "description": [voice.description] if voice.description else [],
        "created_time": voice.created_at.date().isoformat(),
    }
