"""What every path has in common: shape first, then the key, then the limits, then the view.

A view gets the caller and what was checked, and answers with plain data or a response.
Everything that can be wrong becomes ElevenLabs' kind of error here.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    UnreadablePostError,
)
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from jobs.errors import OrderError
from speechsite.api import auth, limits
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import refusals, schema
from speechsite.api.elevenlabs.schema import Fields, SchemaError
from speechsite.api.errors import ApiError, Invalid, NotFound, TooLarge, from_order
from speechsite.core.threads import in_thread
from speechsite.credits.errors import CreditError

View = Callable[..., Any]
Entered = tuple[dict[str, Any], Caller, limits.RateState]
EXPOSED = (
    "request-id, history-item-id, character-cost, x-character-count, x-trace-id, idempotent-replayed, "
    "current-concurrent-requests, maximum-concurrent-requests, "
    "x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, retry-after"
)
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Allow-Methods": "POST, PATCH, OPTIONS, DELETE, GET, PUT",
    "Access-Control-Max-Age": "600",
    "Access-Control-Expose-Headers": EXPOSED,
}
PROBLEMS = (ApiError, OrderError, CreditError, SchemaError)


def serves(
    scope: str,
    *,
    body: Fields | None = None,
    query: Fields | None = None,
    form: Fields | None = None,
) -> Callable[[View], View]:
    """Make a view of `view(request, caller, **checked, **path)`; sync and async alike."""

    def enter(request: HttpRequest, path: Mapping[str, str]) -> Entered:
        _check_path(path)
        if form is not None:
            # A form may be long: nobody has it read without a key.
            admitted = _admit(request, scope)
            return _given(request, body, query, form), *admitted
        given = _given(request, body, query, form)
        return given, *_admit(request, scope)

    def wrap(view: View) -> View:
        answer = _awaited(view, enter) if iscoroutinefunction(view) else _called(view, enter)
        return csrf_exempt(functools.wraps(view)(answer))

    return wrap


def _called(view: View, enter: Callable[..., Entered]) -> View:
    def answer(request: HttpRequest, **path: Any) -> HttpResponseBase:
        try:
            given, caller, rate = enter(request, path)
            return _answer(request, view(request, caller, **given, **path), rate)
        except PROBLEMS as error:
            return refused(request, error)

    return answer


def _awaited(view: View, enter: Callable[..., Entered]) -> View:
    async def answer(request: HttpRequest, **path: Any) -> HttpResponseBase:
        try:
            given, caller, rate = await in_thread(enter, request, path)
            return _answer(request, await view(request, caller, **given, **path), rate)
        except PROBLEMS as error:
            return refused(request, error)

    return answer


def by_method(**views: View) -> View:
    """One path, a view for each method; the views are all sync."""

    def choose(request: HttpRequest, **path: Any) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        view = views.get(request.method or "")
        return view(request, **path) if view else _other_method(request, views)

    async def achoose(request: HttpRequest, **path: Any) -> HttpResponseBase:
        view = views.get(request.method or "")
        return await view(request, **path) if view else _other_method(request, views)

    is_async = any(iscoroutinefunction(view) for view in views.values())
    return csrf_exempt(achoose if is_async else choose)


def refused(request: HttpRequest, error: Exception) -> HttpResponse:
    """The answer to a request that cannot be served."""
    trace = _trace(request)
    if isinstance(error, SchemaError):
        return _marked(JsonResponse({"detail": error.faults}, status=422), trace)
    known = from_order(error)
    response = JsonResponse(
        {"detail": refusals.detail(known, trace)},
        status=refusals.http_status(known),
        headers=dict(refusals.headers(known)),
    )
    return _marked(response, trace)


def _check_path(path: Mapping[str, str]) -> None:
    if any("\x00" in part for part in path.values()):
        raise NotFound(_("There is nothing of this name."))


def _admit(request: HttpRequest, scope: str) -> tuple[Caller, limits.RateState]:
    caller = auth.caller_of(request, scope=scope)
    return caller, limits.admit(caller)


def _given(
    request: HttpRequest, body: Fields | None, query: Fields | None, form: Fields | None
) -> dict[str, Any]:
    """What was sent, where it has the documented shape."""
    given: dict[str, Any] = {}
    try:
        if query is not None:
            given["query"] = schema.read_query(dict(request.GET.lists()), query)
        if body is not None:
            given["body"] = schema.read_json(request.body, body)
        if form is not None:
            fields = dict(request.POST.items())
            given["form"] = schema.check(fields, form, ("body",))
    except RequestDataTooBig as error:
        raise TooLarge(_("The request is too large.")) from error
    except (MultiPartParserError, SuspiciousOperation, UnreadablePostError) as error:
        raise Invalid(_("The form cannot be read."), code="bad_request") from error
    return given


def _answer(request: HttpRequest, answer: Any, rate: limits.RateState) -> HttpResponseBase:
    if not isinstance(answer, HttpResponseBase):
        answer = JsonResponse(answer, safe=False, json_dumps_params={"ensure_ascii": False})
    for name, value in rate.headers.items():
        answer[name] = value
    return _marked(answer, _trace(request))


def _marked(response: Any, trace: str) -> Any:
    response["x-trace-id"] = trace
    for name in ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers"):
        response[name] = CORS[name]
    return response


def _other_method(request: HttpRequest, views: Mapping[str, View]) -> HttpResponse:
    allowed = ", ".join(views)
    if request.method == "OPTIONS":
        return HttpResponse(status=200, headers={**CORS, "Allow": allowed})
    response = JsonResponse({"detail": "Method Not Allowed"}, status=405)
    response["Allow"] = allowed
    return _marked(response, _trace(request))


def _trace(request: HttpRequest) -> str:
    return getattr(request, "request_id", "")
