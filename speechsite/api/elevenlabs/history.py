"""What was spoken: listed, read, heard, deleted, downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import bundles, lifecycle, names, ranges, renditions
from jobs.models import Job
from jobs.states import JobState
from speechsite.api import waiting, worlds
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import ids
from speechsite.api.elevenlabs.answers import by_method, serves
from speechsite.api.elevenlabs.models import public_name
from speechsite.api.elevenlabs.wire import history as wire
from speechsite.api.errors import ApiError, Invalid, NotFound
from speechsite.audio import formats
from speechsite.core.threads import in_thread, slowly
from voices import library

READ, WRITE = "history:read", "history:write"
DEFAULT_PAGE, LARGEST_PAGE = 100, 1000
WAV = "wav_44100"
# Sound that was streamed a moment ago is still being put together.
PATIENCE = 20.0


def list_items(request: HttpRequest, caller: Caller, query: Mapping[str, Any]) -> dict[str, Any]:
    """One page, the newest first unless asked otherwise."""
    size = _page_size(query)
    is_rising = (query["sort_direction"] or "desc").lower().startswith("asc")
    jobs = _filtered(_spoken(caller), query)
    if query["start_after_history_item_id"]:
        after = _job(caller, query["start_after_history_item_id"])
        jobs = jobs.filter(pk__gt=after.pk) if is_rising else jobs.filter(pk__lt=after.pk)
    # Ids sort by the time of their making.
    found = list(jobs.order_by("pk" if is_rising else "-pk")[: size + 1])
    return wire.page([_seen(job) for job in found[:size]], has_more=len(found) > size)


def get_item(request: HttpRequest, caller: Caller, item: str) -> dict[str, Any]:
    return wire.item(_seen(_job(caller, item)))


def delete_item(request: HttpRequest, caller: Caller, item: str) -> dict[str, Any]:
    lifecycle.delete(_job(caller, item))
    return {"status": "ok"}


async def get_audio(request: HttpRequest, caller: Caller, item: str) -> HttpResponseBase:
    """The sound of an item, by range if asked."""
    job = await in_thread(_job, caller, item)
    if not job.audio:
        job = await waiting.finished(job.pk, PATIENCE)
    return await slowly(_file, request, job, job.output_format)


def download(request: HttpRequest, caller: Caller, body: Mapping[str, Any]) -> HttpResponseBase:
    """One item as its file, several as a zip."""
    wanted = body["output_format"]
    if wanted not in (None, "", "default", "wav"):
        return _plain_refusal("invalid_output_format", "output_format is wav or nothing.")
    wanted = list(dict.fromkeys(body["history_item_ids"]))
    if not wanted or len(wanted) > bundles.MOST:
        return _plain_refusal("invalid_parameters", f"Name 1 to {bundles.MOST} items.")
    jobs = [_job(caller, name) for name in wanted]
    if any(not job.audio for job in jobs):
        return _plain_refusal("not_ready", "An item is not ready yet.")
    if len(jobs) == 1:
        return _file(request, jobs[0], WAV if wanted == "wav" else jobs[0].output_format)
    # Their clients take every member for a sound.
    ids = [job.pk.hex for job in jobs]
    name = names.bundle_name(timezone.localtime())
    return bundles.respond(caller.user.pk, ids, name, with_captions=False)


def _spoken(caller: Caller) -> QuerySet[Job]:
    jobs = worlds.jobs(caller).exclude(kind=Job.Kind.ISOLATION)
    return (
        jobs.filter(state=JobState.SUCCEEDED)
        .select_related("voice", "model")
        .defer("changes", "peaks")
    )


def _filtered(jobs: QuerySet[Job], query: Mapping[str, Any]) -> QuerySet[Job]:
    if query["voice_id"]:
        wanted = query["voice_id"]
        jobs = jobs.filter(Q(asked__voice=wanted) | Q(voice__external_id=wanted))
    if query["model_id"]:
        model = library.model_named(query["model_id"])
        jobs = jobs.filter(Q(asked__model=query["model_id"]) | Q(model=model))
    if query["search"]:
        jobs = jobs.filter(text__icontains=query["search"])
    if query["date_before_unix"] is not None:
        jobs = jobs.filter(created_at__lt=_moment(query["date_before_unix"]))
    if query["date_after_unix"] is not None:
        jobs = jobs.filter(created_at__gte=_moment(query["date_after_unix"]))
    if query["source"] not in (None, "", "TTS"):
        jobs = jobs.none()
    return jobs


def _page_size(query: Mapping[str, Any]) -> int:
    size = query["page_size"] if query["page_size"] is not None else query["pageSize"]
    size = DEFAULT_PAGE if size is None else size
    if not 1 <= size <= LARGEST_PAGE:
        raise Invalid(_("A page has 1 to 1000 items."), code="invalid_page_size", field="page_size")
    return size


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Invalid(_("This is not a time."), code="invalid_parameters") from error


def _job(caller: Caller, name: str) -> Job:
    """A caller's own piece of speech; also one that is still under way. Raises NotFound."""
    key = ids.private(name)
    jobs = worlds.jobs(caller).exclude(kind=Job.Kind.ISOLATION)
    job = jobs.select_related("voice", "model").filter(pk=key).first() if key else None
    if job is None or job.state in (JobState.FAILED, JobState.CANCELED):
        raise not_found()
    return job


def not_found() -> ApiError:
    return NotFound(_("There is no such history item."), code="history_item_not_found")


def _seen(job: Job) -> wire.Item:
    voice = job.voice
    return wire.Item(
        id=ids.public(job.pk),
        voice_id=job.asked.get("voice") or (voice.external_id if voice else None),
        voice_name=voice.name if voice else None,
        voice_category=voice.category if voice else None,
        model_id=job.asked.get("model") or public_name(job.model),
        text=job.text,
        date_unix=int(job.created_at.timestamp()),
        characters=job.characters,
        content_type=formats.parse(job.output_format).media_type,
        output_format=job.output_format,
        settings=job.voice_settings,
    )


def _file(request: HttpRequest, job: Job, form: str) -> HttpResponseBase:
    if not job.audio:
        raise not_found()
    try:
        stored = renditions.of_job(job, form)
        file = default_storage.open(stored)
    except FileNotFoundError as error:
        raise not_found() from error
    described = formats.parse(form)
    response = ranges.respond(
        request, file, size=file.size, media_type=described.media_type, etag=f'"{job.pk.hex}"'
    )
    names.attach(response, names.file_name(job, described.extension))
    return response


def _plain_refusal(word: str, message: str) -> HttpResponse:
    """The one path whose errors have another shape."""
    return JsonResponse({"error": word, "message": message}, status=400)


items = by_method(GET=serves(READ, query=wire.LIST_QUERY)(list_items))
item = by_method(GET=serves(READ)(get_item), DELETE=serves(WRITE)(delete_item))
audio = by_method(GET=serves(READ)(get_audio))
downloads = by_method(POST=serves(READ, body=wire.DOWNLOAD)(download))


__all__ = ["audio", "downloads", "item", "items"]
