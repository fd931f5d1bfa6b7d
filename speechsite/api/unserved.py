"""What a program is told when a path does not exist, or when something broke on our side.

Programs read JSON, so they do not get the pages that people get. Which dialect a program
speaks shows only in the path; where two share one, the answer has what both look for.
"""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views import defaults

from speechsite.api.handler import is_for_partners
from speechsite.api.minimax import answers as minimax


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Nothing is served at this path."""
    if not _is_for_programs(request.path):
        return defaults.page_not_found(request, exception)
    message = _("There is no such path here: %s") % request.path[:200]
    return _answer(request.path, 404, "not_found", message)


def broken(request: HttpRequest) -> HttpResponse:
    """Our own mistake; the log has it under the request's id."""
    if not _is_for_programs(request.path):
        return defaults.server_error(request)
    message = _("Something broke on our side. Nothing was charged for this.")
    return _answer(request.path, 500, "internal_error", message)


def _is_for_programs(path: str) -> bool:
    return is_for_partners(path) or path.startswith("/v2/")


def _answer(path: str, status: int, code: str, message: str) -> JsonResponse:
    is_theirs = status == HTTPStatus.NOT_FOUND
    error = {"code": code, "message": message}
    if path.startswith("/minimax/"):
        number = minimax.INVALID if is_theirs else minimax.INTERNAL
        return JsonResponse(minimax.base(number, message), status=status)
    if path.startswith("/api/"):
        # Our own and kie's: a client of theirs reads only the code beside the message.
        body = {"error": error, "code": status, "msg": message, "data": None}
        return JsonResponse(body, status=status)
    # ElevenLabs' under `detail`, OpenAI's under `error`.
    detail = {"type": code, "status": code, **error}
    kind = "invalid_request_error" if is_theirs else "server_error"
    return JsonResponse({"detail": detail, "error": error | {"type": kind}}, status=status)
