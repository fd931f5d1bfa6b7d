"""Recordings to clean: under links of our own, or fetched from public addresses.

A link is signed and runs out by itself, so that whoever has it needs no key; an
order may name only recordings of its own account.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from jobs import ranges, uploads
from jobs.errors import OrderError
from jobs.models import Upload
from speechsite.api import worlds
from speechsite.api.auth import Caller
from speechsite.api.errors import Invalid, NotFound
from speechsite.api.native import ids, wire
from speechsite.core import safehttp

LINK = "api.native.file"
LENGTH = "api.native.length"
FOLDER = "/api/v1/file-content/"
FETCH_LARGEST = 100 * 1024 * 1024
FETCH_SECONDS = 60.0
ITEM = "params.referenceMediaItems.0"


def described(upload: Upload, origin: str) -> dict[str, Any]:
    """A recording as partners see it."""
    return wire.file(upload, url=link(upload, origin), token=length_token(upload))


def link(upload: Upload, origin: str) -> str:
    """An address that opens a recording for a day and needs no key."""
    signed = signing.dumps(upload.pk.hex, salt=LINK)
    name = upload.name.replace("/", "_").strip(".") or "recording"
    return origin + reverse("native:file-content", args=(signed, name))


def length_token(upload: Upload) -> str:
    """Says how long a recording is, in a way that cannot be changed."""
    return signing.Signer(salt=LENGTH).signature(f"{upload.pk.hex}:{upload.duration_ms}")


def named(caller: Caller, params: Mapping[str, Any]) -> Upload:
    """The recording that an order names. Raises Invalid or NotFound."""
    if params.get("file_id"):
        return by_id(caller, params["file_id"])
    items = params.get("referenceMediaItems")
    if not items:
        message = _("Upload the recording first and name it in params.file_id.")
        raise Invalid(message, field="params.file_id", code="file_required")
    upload = _at(caller, items[0]["url"])
    token = items[0].get("durationToken")
    if token and token != length_token(upload):
        message = _("The duration token belongs to another recording.")
        raise Invalid(message, field=f"{ITEM}.durationToken", code="invalid_duration_token")
    return upload


def by_id(caller: Caller, public: str) -> Upload:
    """A recording of this account. Raises NotFound."""
    pk = ids.private(ids.FILE, public)
    upload = worlds.uploads(caller).filter(pk=pk).first() if pk is not None else None
    if upload is None:
        raise NotFound(_("There is no such recording."), field="params.file_id")
    return upload


@require_safe
def serve(request: HttpRequest, signed: str, name: str) -> HttpResponseBase:
    """What a link opens: 404 for a forged one, 410 when it ran out or its file is deleted."""
    try:
        upload = _behind(signed)
    except signing.SignatureExpired:
        upload = None
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


def _at(caller: Caller, url: str) -> Upload:
    """The recording at an address: one of ours, or fetched from a public one."""
    path = _path(url)
    if not path.startswith(FOLDER):
        return _fetched(caller, url, unquote(path.rpartition("/")[2])[:200] or "recording")
    try:
        upload = _behind(path.removeprefix(FOLDER).partition("/")[0])
    except signing.BadSignature:
        upload = None
    if upload is None or not worlds.uploads(caller).filter(pk=upload.pk).exists():
        raise NotFound(_("There is no such recording."), field=f"{ITEM}.url")
    return upload


def _behind(signed: str) -> Upload | None:
    lifetime = timedelta(seconds=settings.FILE_LINK_SECONDS)
    pk = signing.loads(signed, salt=LINK, max_age=lifetime)
    return Upload.objects.filter(pk=pk, deleted_at__isnull=True).first()


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _fetched(caller: Caller, url: str, name: str) -> Upload:
    try:
        with async_to_sync(_fetch)(url) as content:
            file = cast(uploads.Uploaded, File(content, name=name))
            return uploads.take(caller.user, file, is_test=caller.is_test)
    except safehttp.FetchError as error:
        message = _("The recording could not be fetched: %s") % error
        raise Invalid(message, field=f"{ITEM}.url", code="file_not_fetched") from error
    except OrderError as error:
        raise Invalid(error.message, field=f"{ITEM}.url", code=error.code) from error


async def _fetch(url: str) -> BinaryIO:
    file = tempfile.TemporaryFile(prefix="speechsite-")  # noqa: SIM115  (the caller closes it)
    try:
        async with safehttp.client(user_agent="speechsite-fetch/1") as client:
            pieces = safehttp.stream(client, url, limit=FETCH_LARGEST, seconds=FETCH_SECONDS)
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return cast(BinaryIO, file)
