"""kie.ai's three ways to upload: as a form, from an address, and as base64 in JSON."""

from __future__ import annotations

import base64
import binascii
import io
import re
from typing import BinaryIO, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from speechsite.api import auth, limits, reading
from speechsite.api.auth import Caller
from speechsite.api.errors import ApiError
from speechsite.api.kie import recordings, views, wire

LARGEST = 100 * 1024 * 1024
SLACK = 64 * 1024  # of a form, around its file
SCOPE = "files:create"
NAME = re.compile(r"[^\w.\- ]+")
DATA_URL = re.compile(r"data:[^,]{0,200};base64,")


@csrf_exempt
def from_stream(request: HttpRequest) -> JsonResponse:
    """A file in a multipart form."""
    return _answer(request, _streamed)


@csrf_exempt
def from_url(request: HttpRequest) -> JsonResponse:
    """A file that lies at a public address."""
    return _answer(request, _fetched)


@csrf_exempt
def from_base64(request: HttpRequest) -> JsonResponse:
    """A file as text in the request."""
    return _answer(request, _decoded)


def _answer(request: HttpRequest, read: object) -> JsonResponse:
    if request.method != "POST":
        return views.refused(404, "only POST is served here", status=405, success=False)
    try:
        caller = auth.caller_of(request, scope=SCOPE)
        limits.admit(caller)
        reading.check_size(request, LARGEST + SLACK)
        content, name, folder = read(request)  # type: ignore[operator]
        return _kept(request, caller, content, name, folder)
    except ApiError as error:
        code, message = views.code_of(error)
        return views.refused(code, message, status=error.status, success=False)
    except wire.Refusal as error:
        status = 400 if error.code == 422 else error.code
        return views.refused(error.code, error.message, status=status, success=False)


def _kept(
    request: HttpRequest, caller: Caller, content: BinaryIO, name: str, folder: str
) -> JsonResponse:
    upload = recordings.take(caller, content, name)
    answer = wire.uploaded(
        name=upload.name,
        path=f"kieai/{caller.user.public_id.hex[:12]}/{folder}/{upload.name}".replace("//", "/"),
        link=recordings.link(upload, reading.origin_of(request)),
        size=upload.size,
        media_type=upload.media_type,
        at=upload.created_at,
    )
    return JsonResponse(answer)


def _streamed(request: HttpRequest) -> tuple[BinaryIO, str, str]:
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile) or file.file is None:
        raise wire.Refusal(422, "file is required")
    name = request.POST.get("fileName") or file.name or ""
    return cast(BinaryIO, file.file), _name(name), _folder(request.POST.get("uploadPath"))


def _fetched(request: HttpRequest) -> tuple[BinaryIO, str, str]:
    url, name, folder = _fields(request, "fileUrl")
    return recordings.fetched(url, LARGEST), _name(name or recordings.name_in(url)), folder


def _decoded(request: HttpRequest) -> tuple[BinaryIO, str, str]:
    text, name, folder = _fields(request, "base64Data")
    mark = DATA_URL.match(text)
    try:
        content = base64.b64decode(text[mark.end() :] if mark else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise wire.Refusal(422, "base64Data is not base64") from error
    return io.BytesIO(content), _name(name), folder


def _fields(request: HttpRequest, what: str) -> tuple[str, str, str]:
    body = reading.json_of(request)
    given = body if isinstance(body, dict) else {}
    value, name = given.get(what), given.get("fileName") or ""
    if not isinstance(value, str) or not value:
        raise wire.Refusal(422, f"{what} is required")
    if not isinstance(name, str):
        raise wire.Refusal(422, "fileName must be a string")
    return value, name, _folder(given.get("uploadPath"))


def _name(given: str) -> str:
    """A plain file name; links and headers carry it."""
    return NAME.sub("_", given.rpartition("/")[2]).strip(" .")[-120:] or "recording"


def _folder(given: object) -> str:
    if given is not None and not isinstance(given, str):
        raise wire.Refusal(422, "uploadPath must be a string")
    return "/".join(part for part in NAME.sub("/", given or "").split("/") if part.strip("."))[:200]
