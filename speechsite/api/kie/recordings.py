"""Recordings for isolation: kept under links of our own, or fetched from public addresses.

A link is signed and runs out by itself, so whoever has it needs no key; a task may
name only links to its own account's recordings.
"""

from __future__ import annotations

import asyncio
import tempfile
from datetime import timedelta
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from asgiref.sync import async_to_sync
from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobs import ranges, uploads
from jobs.errors import OrderError
from jobs.models import Upload
from speechsite.api import worlds
from speechsite.api.auth import Caller
from speechsite.api.kie import wire
from speechsite.core import safehttp

SALT = "api.kie.recordings"
LIFETIME = timedelta(days=3)
LARGEST = 10 * 1024 * 1024  # of a recording that a task names
FETCH_SECONDS = 30.0
FOLDER = "/api/file-download/"


def link(upload: Upload, origin: str) -> str:
    """An address that opens a recording for some days."""
    signed = signing.dumps(upload.pk.hex, salt=SALT)
    return origin + reverse("kie:download", args=(signed, upload.name))


def at(caller: Caller, url: str) -> Upload:
    """The recording at an address: our own, or fetched from a public one."""
    upload = _own(caller, url) or take(caller, *_fetched(url))
    if upload.size > LARGEST:
        raise wire.Refusal(422, "audio_url: the file must not exceed 10 MB")
    return upload


def take(caller: Caller, content: BinaryIO, name: str) -> Upload:
    """Check and keep a recording, and close what it came in."""
    try:
        with content:
            file = cast(uploads.Uploaded, File(content, name=name))
            return uploads.take(caller.user, file, is_test=caller.is_test)
    except OrderError as error:
        raise wire.Refusal(422, error.message) from error


def fetched(url: str, limit: int) -> BinaryIO:
    """What lies at a public address, in a temporary file."""
    try:
        return async_to_sync(_fetch)(url, limit)
    except safehttp.TooLarge as error:
        size = limit // 1024 // 1024
        raise wire.Refusal(422, f"the file must not exceed {size} MB") from error
    except safehttp.FetchError as error:
        raise wire.Refusal(422, f"the file could not be fetched: {error}") from error


def name_in(url: str) -> str:
    """The file name at the end of an address."""
    return unquote(_path(url).rpartition("/")[2])[:200] or "recording"


@require_safe
def serve(request: HttpRequest, signed: str, name: str) -> HttpResponseBase:
    """What a link opens: 404 for a forged one, 410 when it ran out or its file is deleted."""
    try:
        upload = _of_ticket(signed)
    except signing.SignatureExpired:
        return HttpResponse("gone", status=410, content_type="text/plain")
    except signing.BadSignature as error:
        raise Http404 from error
    if upload is None:
        return HttpResponse("gone", status=410, content_type="text/plain")
    response = ranges.respond(
        request,
        default_storage.open(upload.file),
        size=upload.size,
        media_type=upload.media_type,
        etag=f'"{upload.sha256}"',
    )
    # What was uploaded as sound must never be taken for a page.
    response["Content-Security-Policy"] = "sandbox"
    return response


def _own(caller: Caller, url: str) -> Upload | None:
    """The recording behind a link that we signed; None for any other address."""
    path = _path(url)
    if not path.startswith(FOLDER):
        return None
    try:
        upload = _of_ticket(path.removeprefix(FOLDER).partition("/")[0])
    except signing.SignatureExpired as error:
        raise wire.Refusal(422, "audio_url: the link has run out") from error
    except signing.BadSignature:
        return None
    if upload is None or not worlds.uploads(caller).filter(pk=upload.pk).exists():
        raise wire.Refusal(422, "audio_url: there is no such file")
    return upload


def _of_ticket(signed: str) -> Upload | None:
    pk = signing.loads(signed, salt=SALT, max_age=LIFETIME)
    return Upload.objects.filter(pk=pk, deleted_at__isnull=True).first()


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _fetched(url: str) -> tuple[BinaryIO, str]:
    return fetched(url, LARGEST), name_in(url)


async def _fetch(url: str, limit: int) -> BinaryIO:
    file = tempfile.TemporaryFile(prefix="speechsite-")  # noqa: SIM115  (the caller reads it)
    try:
        async with safehttp.client(user_agent="speechsite-fetch/1") as client:
            async for piece in safehttp.stream(client, url, limit=limit, seconds=FETCH_SECONDS):
                await asyncio.to_thread(file.write, piece)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return cast(BinaryIO, file)
