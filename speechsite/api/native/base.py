"""What all native endpoints share: the key, the limits, strict JSON, the shape of errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, UnreadablePostError
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from speechsite.accounts import plans
from speechsite.api import auth, limits, reading
from speechsite.api.auth import Caller
from speechsite.api.errors import ApiError, Invalid, NotFound, RateLimited, TooLarge
from speechsite.api.limits import RateState
from speechsite.api.native import ids, wire

LARGEST_JSON = 16 * 1024 * 1024
POLL_AFTER = "2"  # seconds until it is worth asking for a generation again


class OneFormat(BaseContentNegotiation):
    """Answers are JSON whatever the Accept header says: an error must never be a 406."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class NativeView(APIView):
    """One object's endpoints. `scopes` names what a key needs, by method."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    renderer_classes = (JSONRenderer,)
    parser_classes: Any = (JSONParser,)
    content_negotiation_class = OneFormat
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    scopes: ClassVar[dict[str, str]] = {}

    caller: Caller
    rate: RateState | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """The key first, then the limits; the body is not touched before both."""
        super().initial(request, *args, **kwargs)
        method = "GET" if request.method == "HEAD" else str(request.method)
        scope = self.scopes.get(method)
        if scope is None:
            return
        self.caller = auth.caller_of(request._request, scope=scope)
        try:
            self.rate = limits.admit(self.caller)
        except RateLimited as error:
            self.rate = _used_up(self.caller, error)
            raise

    def handle_exception(self, exc: Exception) -> Response:
        """Every refusal in one shape. What is nobody's refusal is a fault of ours."""
        refusal = refusal_of(exc)
        if refusal is None:
            raise exc
        request_id = getattr(self.request, "request_id", "")
        body = wire.error(refusal, request_id)
        response = Response(body, status=wire.status_of_error(refusal))
        seconds = wire.retry_after(refusal)
        if seconds is not None:
            response["Retry-After"] = seconds
        if refusal.status == 401:
            response["WWW-Authenticate"] = "Bearer"
        response.exception = True
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        for name, value in (self.rate.headers if self.rate else {}).items():
            answer[name] = value
        answer["Cache-Control"] = answer.get("Cache-Control", "no-store")
        return answer


def body_of(request: HttpRequest) -> Any:
    """The body as JSON that a database can keep. Raises Invalid or TooLarge."""
    reading.check_size(request, LARGEST_JSON)
    return reading.json_of(request, drops_nul=False)


def checked(serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """What a serializer made of the input. Raises Invalid on the first field to blame."""
    form = serializer(data=data)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def refusal_of(exc: Exception) -> ApiError | None:
    """An exception as a refusal that a partner can read; None for a fault of ours."""
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, Http404 | exceptions.NotFound):
        return NotFound(_("There is no such thing here."))
    if isinstance(exc, exceptions.ValidationError):
        field, message = first_problem(exc.detail)
        return Invalid(f"{field}: {message}" if field else message, field=field)
    if isinstance(exc, exceptions.APIException):
        code = "method_not_allowed" if exc.status_code == 405 else "validation_failed"
        return ApiError(str(exc.detail), code=code, status=exc.status_code)
    if isinstance(exc, RequestDataTooBig):
        return TooLarge(_("The request is too large."))
    if isinstance(exc, SuspiciousOperation | UnreadablePostError):
        return Invalid(_("The request could not be read."))
    return None


def first_problem(detail: Any, path: str = "") -> tuple[str, str]:
    """The first field with a problem, as a path such as `params.dialogue.0.text`."""
    if isinstance(detail, dict):
        key, rest = next(iter(detail.items()))
        own = "" if key == "non_field_errors" else str(key)
        return first_problem(rest, ".".join(part for part in (path, own) if part))
    if isinstance(detail, list):
        place = next((index for index, part in enumerate(detail) if part), 0)
        inner = detail[place]
        deeper = f"{path}.{place}" if isinstance(inner, dict) else path
        return first_problem(inner, deeper)
    return path, str(detail)


def found(kind: str, public: str, query: Callable[[Any], Any]) -> Any:
    """The row behind a public id of this kind. Raises NotFound."""
    pk = ids.private(kind, public)
    row = query(pk) if pk is not None else None
    if row is None:
        raise NotFound(_("There is nothing with the id %s here.") % public)
    return row


def _used_up(caller: Caller, error: RateLimited) -> RateState:
    limit = plans.plan_of(caller.user).requests_per_second or limits.UNLIMITED
    reset = int(error.resets_at.timestamp()) if error.resets_at else 0
    return RateState(limit, 0, reset)
