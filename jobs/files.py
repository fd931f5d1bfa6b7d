"""Files of jobs: signed links to them, and the view that serves them.

A link is a secret that says what it opens and runs out by itself, so that an
`<audio>` element, a download manager or a partner needs no session to use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from jobs import bundles, names, ranges, renditions
from jobs.models import Job, Segment
from speechsite.accounts.models import User
from speechsite.audio import formats
from speechsite.duties import outbox

SALT = "jobs.files"
FILE = "file"  # the kind of duty that deletes one
CAPTIONS = {"srt": "application/x-subrip", "vtt": "text/vtt", "json": "application/json"}


def link(
    job: Job,
    kind: str,
    *,
    format: str | None = None,
    download: bool = False,
    segment: int | None = None,
) -> str:
    """A path that opens one file: kind is audio, srt, vtt, json, segment or original."""
    ticket: dict[str, Any] = {"j": job.pk.hex, "k": kind}
    if format is not None and kind == "audio" and format != job.output_format:
        ticket["f"] = format
    if download:
        ticket["d"] = 1
    if segment is not None:
        ticket["s"] = segment
    part = {"original": _("original"), "segment": f"{(segment or 0) + 1:03d}"}.get(kind, "")
    return _path(ticket, names.file_name(job, _extension(job, kind, format), part=part))


def job_in(path: str) -> UUID | None:
    """The job whose result a path of ours opens or once opened; None for any other path."""
    _nothing, prefix, signed = ([*path.split("/", 3), "", "", ""])[:3]
    if prefix != "files":
        return None
    try:
        ticket = signing.loads(signed, salt=SALT)
    except signing.BadSignature:
        return None
    return UUID(hex=ticket["j"]) if "j" in ticket else None


def bulk_link(user: User, job_ids: Iterable[UUID | str]) -> str:
    """A path that opens a zip of several of a person's results, with captions."""
    ids = [UUID(str(job_id)).hex for job_id in job_ids][: bundles.MOST]
    return _path({"k": "zip", "u": user.pk, "z": ids}, names.bundle_name(timezone.localtime()))


def remove(names: Iterable[str]) -> None:
    """Have stored files and everything made from them deleted, in the caller's transaction."""
    outbox.add(FILE, names)


def erase(name: str, _data: object = None) -> None:
    """Delete a stored file and its renditions now; a file that is gone already is fine."""
    for one in (name, *renditions.names_beside(name)):
        if default_storage.exists(one):
            default_storage.delete(one)


@require_safe
def serve(request: HttpRequest, signed: str, name: str) -> HttpResponseBase:
    """What a link opens: 404 for a forged one, 410 when it ran out or its file is deleted."""
    try:
        ticket = signing.loads(
            signed, salt=SALT, max_age=timedelta(seconds=settings.FILE_LINK_SECONDS)
        )
    except signing.SignatureExpired:
        return _gone(_("This link has run out."))
    except signing.BadSignature as error:
        raise Http404 from error
    # The last part of the path is for people and is not signed.
    name = names.safe(name)
    if ticket["k"] == "zip":
        return bundles.respond(ticket["u"], ticket["z"], name)
    job = (
        Job.objects.filter(pk=UUID(hex=ticket["j"]))
        .select_related("voice", "user", "upload")
        .first()
    )
    if job is None or job.deleted_at is not None:
        return _gone(_("This file was deleted."))
    response = _answer(request, job, ticket)
    names.attach(response, name, is_download=bool(ticket.get("d")))
    return response


def _gone(message: str) -> HttpResponse:
    return HttpResponse(message, status=410, content_type="text/plain; charset=utf-8")


def _answer(request: HttpRequest, job: Job, ticket: dict[str, Any]) -> HttpResponseBase:
    kind = ticket["k"]
    if kind in CAPTIONS:
        media_type = f"{CAPTIONS[kind]}; charset=utf-8"
        captions = HttpResponse(renditions.captions_of(job, kind), content_type=media_type)
        captions["Cache-Control"] = "private, no-cache"
        return captions
    if kind == "segment":
        segment = Segment.objects.filter(job=job, index=ticket["s"]).exclude(audio="").first()
        if segment is None:
            raise Http404
        media_type = formats.parse(formats.PLAYER_FORMAT).media_type
        return _send(request, partial(renditions.of_segment, segment), media_type)
    if kind == "original":
        upload = job.upload
        if upload is None or upload.deleted_at is not None:
            return _gone(_("This file was deleted."))
        media_type = renditions.upload_type(upload)
        return _send(request, partial(renditions.of_upload, upload), media_type)
    if not job.audio:
        raise Http404
    wanted = ticket.get("f", job.output_format)
    media_type = formats.parse(wanted).media_type
    return _send(request, partial(renditions.of_job, job, wanted), media_type)


def _send(request: HttpRequest, made: Callable[[], str], media_type: str) -> HttpResponseBase:
    """Send a stored file, which may have to be made first; 404 when its source is not there."""
    try:
        stored = made()
        file = default_storage.open(stored)
        size = file.size
    except FileNotFoundError as error:
        raise Http404 from error
    etag = f'"{PurePosixPath(stored).stem}"'
    return ranges.respond(request, file, size=size, media_type=media_type, etag=etag)


def _extension(job: Job, kind: str, form: str | None) -> str:
    if kind in CAPTIONS:
        return kind
    if kind == "segment":
        return formats.parse(formats.PLAYER_FORMAT).extension
    if kind == "original" and job.upload is not None:
        return renditions.upload_extension(job.upload)
    return formats.parse(form or job.output_format).extension


def _path(ticket: dict[str, Any], name: str) -> str:
    signed = signing.dumps(ticket, salt=SALT, compress=True)
    return reverse("files", args=(signed, name))
