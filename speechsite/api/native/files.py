"""Files: recordings that wait to be cleaned."""

from __future__ import annotations

from typing import cast

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import uploads
from jobs.errors import OrderError
from jobs.models import Upload
from speechsite.api import reading, worlds
from speechsite.api.auth import Caller
from speechsite.api.errors import Conflict, Invalid, TooLarge
from speechsite.api.native import base, ids, inputs, recordings, schema
from speechsite.api.native.schema import operation

SLACK = 64 * 1024  # of a form, around its file


class Files(base.NativeView):
    """Uploads."""

    scopes = {"POST": "files:create"}
    parser_classes = (MultiPartParser,)

    @operation(
        "uploadFile",
        "files",
        schema.FileObjectSerializer,
        good=201,
        refusals=(413,),
        request={"multipart/form-data": inputs.FileRequestSerializer},
    )
    def post(self, request: Request) -> Response:
        """Upload a recording."""
        # Before anything is parsed: what is too large is refused by its own word.
        reading.check_size(request._request, uploads.LARGEST + SLACK)
        form = base.checked(inputs.FileRequestSerializer, request.data)
        upload = _taken(self.caller, form["file"])
        body = recordings.described(upload, reading.origin_of(request._request))
        if form.get("client_request_id"):
            body["client_request_id"] = form["client_request_id"]
        return Response(body, status=201)


class File(base.NativeView):
    """One upload."""

    scopes = {"GET": "files:read", "DELETE": "files:create"}

    def upload(self, file_id: str) -> Upload:
        """The recording of an id, if it is the caller's."""
        mine = worlds.uploads(self.caller)
        return cast(Upload, base.found(ids.FILE, file_id, lambda pk: mine.filter(pk=pk).first()))

    @operation("getFile", "files", schema.FileObjectSerializer, refusals=(404,))
    def get(self, request: Request, file_id: str) -> Response:
        """A recording, with a fresh link to it."""
        origin = reading.origin_of(request._request)
        return Response(recordings.described(self.upload(file_id), origin))

    @operation("deleteFile", "files", None, good=204, refusals=(404, 409))
    def delete(self, request: Request, file_id: str) -> Response:
        """Remove a recording; one that a generation still shows must stay."""
        upload = self.upload(file_id)
        uploads.discard(upload)
        upload.refresh_from_db()
        if upload.deleted_at is None:
            message = _("A generation still uses this recording. Delete the generation first.")
            raise Conflict(message, code="file_in_use")
        return Response(status=204)


def _taken(caller: Caller, file: UploadedFile) -> Upload:
    try:
        content = cast(uploads.Uploaded, file)
        return uploads.take(caller.user, content, is_test=caller.is_test)
    except OrderError as error:
        # A form that came in pieces may be larger than it said.
        kind = TooLarge if (file.size or 0) > uploads.LARGEST else Invalid
        raise kind(error.message, code=error.code, field=error.field) from error
