"""What a program is told when a path does not exist, or when something broke on our side.

Programs read JSON, so they do not get the pages that people get. Which dialect a program
speaks shows only in the path; where two share one, the answer has what both look for.
"""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views import defaults

from speechsite.api.handler import is_for_partners
from speechsite.api.minimax import answers as minimax
from speechsite.core import away

# For when there is no stylesheet to ask for: it would be refused as the page was.
PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title} · Speechsite</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<style>:root{{color-scheme:light dark;font:1rem/1.55 system-ui,sans-serif}}"
    "main{{max-width:38rem;margin:4rem auto;padding:0 1rem;overflow-wrap:anywhere}}</style>"
    "<main><h1>{title}</h1><p>{message}</p></main></html>"
)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Nothing is served at this path."""
    if not _is_for_programs(request.path):
        return defaults.page_not_found(request, exception)
    message = _("There is no such path here: %s") % request.path[:200]
    return _answer(request.path, 404, "not_found", message)


def broken(request: HttpRequest) -> HttpResponse:
    """Our own mistake; the log has it under the request's id. Or the database is away."""
    if away.is_away(sys.exc_info()[1]):
        return _for_now(request)
    if not _is_for_programs(request.path):
        return defaults.server_error(request)
    message = _("Something broke on our side. Nothing was charged for this.")
    return _answer(request.path, 500, "internal_error", message)


def _for_now(request: HttpRequest) -> HttpResponse:
    message = _("The site's database does not answer. Please try again in a moment.")
    if _is_for_programs(request.path):
        response: HttpResponse = _answer(request.path, 503, "unavailable", message)
    else:
        # Who is signed in cannot be asked either, so the page is given nothing to ask with.
        response = HttpResponse(loader.render_to_string("503.html"), status=503)
    response["Retry-After"] = str(away.RETRY_AFTER)
    return response


def under_this_name(request: HttpRequest) -> HttpResponse:
    """The site is not known by the name in the `Host` header: which setting would change that."""
    name = request.headers.get("Host", "")[:100]
    message = _(
        "This site does not answer to the name %s. Whoever runs it can allow the name with the "
        "setting ALLOWED_HOSTS, or make it the site's own with SITE_URL."
    )
    if _is_for_programs(request.path):
        return _answer(request.path, 400, "host_not_allowed", message % name)
    words = {"title": _("Unknown host name"), "message": message % name}
    return HttpResponse(format_html(PAGE, **words), status=400)


def _is_for_programs(path: str) -> bool:
    return is_for_partners(path) or path.startswith("/v2/")


def _answer(path: str, status: int, code: str, message: str) -> JsonResponse:
    is_theirs = status < HTTPStatus.INTERNAL_SERVER_ERROR
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
