"""kie.ai's endpoints. HTTP 200 and a `code`, as kie does; uploads and 429 carry a status too."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from jobs import files
from jobs.states import JobState
from speechsite.api import auth, idempotency, limits, reading
from speechsite.api.auth import Caller
from speechsite.api.errors import ApiError, KeyInvalid, KeyMissing
from speechsite.api.kie import tasks, wire
from speechsite.credits import ledger

View = Callable[[HttpRequest, Caller], JsonResponse]
NO_ACCESS = "You do not have access permissions"
FILES = "/files/"


def endpoint(method: str, scope: str) -> Callable[[View], Callable[[HttpRequest], JsonResponse]]:
    """One endpoint: its method, its key's scope, and every refusal in kie's envelope."""

    def guarded(view: View) -> Callable[[HttpRequest], JsonResponse]:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest) -> JsonResponse:
            if request.method != method:
                return refused(404, f"{request.method} is not served here", status=405)
            try:
                caller = auth.caller_of(request, scope=scope)
                rate = limits.admit(caller)
                response = view(request, caller)
            except ApiError as error:
                return _api_error(error)
            except wire.Refusal as error:
                return refused(error.code, error.message)
            for name, value in rate.headers.items():
                response[name] = value
            return response

        return answer

    return guarded


@endpoint("POST", "generations:create")
def create_task(request: HttpRequest, caller: Caller) -> JsonResponse:
    """Take an order; `code` 200 means taken, not done."""
    body = reading.json_of(request)
    order, once = wire.order_of(body), idempotency.once_of(request, body)
    # A repeated one first: the names and the recording that it was for may be gone since.
    job = once.known(caller)
    if job is None:
        job = tasks.place(caller, order, once, origin=reading.origin_of(request))
    return idempotency.marked(JsonResponse(wire.created(job.pk.hex)), job)


@endpoint("GET", "generations:read")
def record_info(request: HttpRequest, caller: Caller) -> JsonResponse:
    """How a task stands."""
    task_id = request.GET.get("taskId", "")
    if not task_id:
        raise wire.Refusal(400, "taskId is required")
    job = tasks.find(caller, task_id)
    if job is None:
        raise wire.Refusal(422, "recordInfo is null")
    return JsonResponse(wire.record(tasks.described(job, origin=reading.origin_of(request))))


@endpoint("GET", "credits:read")
def credit(request: HttpRequest, caller: Caller) -> JsonResponse:
    """The credits that are left, as a bare number."""
    wallet = ledger.open_wallet(caller.user)
    whole, rest = divmod(wallet.available, 1000)
    return JsonResponse(wire.envelope(whole if not rest else wallet.available / 1000))


@endpoint("POST", "generations:read")
def download_url(request: HttpRequest, caller: Caller) -> JsonResponse:
    """A fresh link for a result whose link may have run out."""
    body = reading.json_of(request)
    url = body.get("url") if isinstance(body, dict) else None
    if not isinstance(url, str) or not url:
        raise wire.Refusal(422, "url is required")
    job_id = files.job_in(_path(url))
    job = tasks.find(caller, job_id.hex) if job_id is not None else None
    if job is None or job.state != JobState.SUCCEEDED:
        raise wire.Refusal(422, "url: only results of this site can be downloaded")
    fresh = files.link(job, "audio", download=True)
    return JsonResponse(wire.envelope(f"{reading.origin_of(request)}{fresh}"))


def refused(code: int, message: str, *, status: int = 200, **more: Any) -> JsonResponse:
    """A refusal in kie's envelope."""
    return JsonResponse({**wire.envelope(code=code, message=message), **more}, status=status)


def code_of(error: ApiError) -> tuple[int, str]:
    """A refusal of ours as kie's code and words."""
    message = NO_ACCESS if isinstance(error, KeyMissing | KeyInvalid) else error.message
    # A model or voice that is not there is an input that is wrong; only tasks are "not found".
    if error.code in ("model_not_found", "voice_not_found"):
        return 422, message
    return wire.CODES.get(error.status, 500), message


def _api_error(error: ApiError) -> JsonResponse:
    code, message = code_of(error)
    response = refused(code, message, status=code if code in (409, 429) else 200)
    if error.retry_after is not None:
        response["Retry-After"] = str(max(1, round(error.retry_after)))
    return response


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
