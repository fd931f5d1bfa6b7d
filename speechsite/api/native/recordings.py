"""Uploaded recordings as partners name them: by id, by link, by the token of their length."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from jobs.models import Upload
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.api.errors import Invalid, NotFound
from speechsite.api.native import ids, wire

LINK = "api.native.file"
LENGTH = "api.native.length"
FOLDER = "/api/v1/file-content/"


def of(user: User) -> QuerySet[Upload]:
    """What a user uploaded and did not delete."""
    return Upload.objects.filter(user=user, deleted_at__isnull=True)


def described(upload: Upload, origin: str) -> dict[str, Any]:
    """A recording as partners see it."""
    token = signing.dumps([upload.pk.hex, upload.duration_ms], salt=LENGTH)
    return wire.file(upload, url=link(upload, origin), token=token)


def link(upload: Upload, origin: str) -> str:
    """An address that opens a recording for a day and needs no key."""
    signed = signing.dumps(upload.pk.hex, salt=LINK)
    return origin + reverse("native:file-content", args=(signed, upload.name))


def by_id(caller: Caller, public: str) -> Upload:
    """The caller's recording of an id. Raises NotFound."""
    pk = ids.private(ids.FILE, public)
    upload = of(caller.user).filter(pk=pk).first() if pk is not None else None
    if upload is None:
        raise NotFound(_("There is no file with the id %s.") % public, field="params.file_id")
    return upload


def by_media(caller: Caller, item: Mapping[str, Any]) -> Upload:
    """The caller's recording behind a link of ours; its token, if given, must fit."""
    field = "params.referenceMediaItems.0.url"
    path = urlsplit(_parsable(item["url"])).path
    if not path.startswith(FOLDER):
        raise Invalid(_("Only files that were uploaded here can be named."), field=field)
    try:
        signed = path.removeprefix(FOLDER).partition("/")[0]
        pk = UUID(hex=signing.loads(signed, salt=LINK, max_age=_lifetime()))
    except signing.SignatureExpired as error:
        raise Invalid(_("This link has run out."), field=field) from error
    except signing.BadSignature as error:
        raise NotFound(_("There is no such file."), field=field) from error
    upload = of(caller.user).filter(pk=pk).first()
    if upload is None:
        raise NotFound(_("There is no such file."), field=field)
    _check_token(upload, item.get("durationToken"))
    return upload


@require_safe
def serve(request: HttpRequest, signed: str, name: str) -> HttpResponseBase:
    """What a link opens: 404 for a forged one, 410 when it ran out or its file is deleted."""
    try:
        pk = signing.loads(signed, salt=LINK, max_age=_lifetime())
    except signing.SignatureExpired:
        return HttpResponse("gone", status=410, content_type="text/plain")
    except signing.BadSignature as error:
        raise Http404 from error
    upload = Upload.objects.filter(pk=pk, deleted_at__isnull=True).first()
    if upload is None:
        return HttpResponse("gone", status=410, content_type="text/plain")
    response = FileResponse(default_storage.open(upload.file), content_type=upload.media_type)
    # What was uploaded as sound must never be taken for a page.
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox"
    return response


def _check_token(upload: Upload, token: str | None) -> None:
    if not token:
        return
    try:
        named = signing.loads(token, salt=LENGTH)
    except signing.BadSignature:
        named = None
    if named != [upload.pk.hex, upload.duration_ms]:
        raise Invalid(
            _("The duration token belongs to another file."),
            field="params.referenceMediaItems.0.durationToken",
        )


def _parsable(url: str) -> str:
    try:
        urlsplit(url)
    except ValueError:
        return ""
    return url


def _lifetime() -> timedelta:
    return timedelta(seconds=settings.FILE_LINK_SECONDS)
