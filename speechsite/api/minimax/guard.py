"""What stands before every endpoint of MiniMax's dialect: key, limits, refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from speechsite.api import auth, limits
from speechsite.api.auth import Caller
from speechsite.api.errors import ApiError
from speechsite.api.minimax import answers

View = Callable[[HttpRequest, Caller], HttpResponseBase]
AsyncView = Callable[[HttpRequest, Caller], Awaitable[HttpResponseBase]]


def endpoint(method: str, scope: str) -> Callable[[View], Callable[..., HttpResponseBase]]:
    """One endpoint: its method, its key's scope, every refusal with a `base_resp`."""

    def guarded(view: View) -> Callable[..., HttpResponseBase]:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest) -> HttpResponseBase:
            if request.method != method:
                return _not_allowed(request, method)
            try:
                caller, rate = _admitted(request, scope)
                response = view(request, caller)
            except (ApiError, answers.Refusal) as error:
                return refusal(error)
            return _with_headers(response, rate)

        return answer

    return guarded


def async_endpoint(
    method: str, scope: str
) -> Callable[[AsyncView], Callable[..., Coroutine[Any, Any, HttpResponseBase]]]:
    """`endpoint` for views that wait."""

    def guarded(view: AsyncView) -> Callable[..., Coroutine[Any, Any, HttpResponseBase]]:
        @csrf_exempt
        @wraps(view)
        async def answer(request: HttpRequest) -> HttpResponseBase:
            if request.method != method:
                return _not_allowed(request, method)
            try:
                caller, rate = await sync_to_async(_admitted)(request, scope)
                response = await view(request, caller)
            except (ApiError, answers.Refusal) as error:
                return refusal(error)
            return _with_headers(response, rate)

        return answer

    return guarded


def refusal(error: ApiError | answers.Refusal) -> JsonResponse:
    """A refusal in MiniMax's words."""
    refused = _refused(error) if isinstance(error, ApiError) else error
    response = JsonResponse(answers.base(refused.code, refused.message), status=refused.status)
    if isinstance(error, ApiError) and error.retry_after is not None:
        response["Retry-After"] = str(max(1, round(error.retry_after)))
    return response


def _refused(error: ApiError) -> answers.Refusal:
    if error.code == "voice_not_found":
        return answers.Refusal(answers.NO_VOICE, error.message, 400)
    if error.code == "model_not_found":
        return answers.Refusal(answers.INVALID, error.message, 400)
    return answers.refused(error.status, error.message)


def _admitted(request: HttpRequest, scope: str) -> tuple[Caller, limits.RateState]:
    caller = auth.caller_of(request, scope=scope)
    return caller, limits.admit(caller)


def _not_allowed(request: HttpRequest, method: str) -> JsonResponse:
    message = f"invalid params, use {method} instead of {request.method}"
    return JsonResponse(answers.base(answers.INVALID, message), status=405)


def _with_headers(response: HttpResponseBase, rate: limits.RateState) -> HttpResponseBase:
    for name, value in rate.headers.items():
        response[name] = value
    return response
