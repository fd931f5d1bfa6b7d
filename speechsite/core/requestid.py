"""One id per request: in the log lines, in the answer's header, in error pages.

Also writes the access log: one line per request, once its answer is out.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.encoding import escape_uri_path
from django.utils.functional import LazyObject, empty

current: ContextVar[str] = ContextVar("request_id", default="-")
access = logging.getLogger("speechsite.access")

ACCEPTED = re.compile(r"[A-Za-z0-9_.-]{8,64}")
HEADER = "X-Request-ID"
# Asked every few seconds by machines, or many times for one page.
DULL = ("/healthz", "/readyz", "/metrics", "/static/")
# Whoever reads the log must not be able to use such a link. A test goes through all addresses
# of the site for parts that are called so.
SECRET_PART = re.compile(
    r"^(/files|/hooks/[^/]+|/api/v1/file-content|/api/file-download"
    r"|/minimax/v1/(?:files/download|subtitles)|/account/(?:password/reset/key|confirm-email))/[^/]+"
)


def shown(path: str) -> str:
    """A path as a log may have it."""
    return SECRET_PART.sub(r"\1/…", path)


class RequestIdFilter(logging.Filter):
    """Adds `request_id` to every log record, and takes secrets out of Django's own lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = current.get()
        if record.name.startswith("django."):
            _mask(record)
        return True


def _mask(record: logging.LogRecord) -> None:
    """A failed request is reported with its path, and as JSON with the whole request."""
    if isinstance(record.args, tuple):
        record.args = tuple(shown(one) if isinstance(one, str) else one for one in record.args)
    vars(record).pop("request", None)


class RequestIdMiddleware:
    """Takes the proxy's X-Request-ID when it is well-formed, else makes one."""

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
    ) -> None:
        self.get_response: Callable[[HttpRequest], Any] = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._acall(request)
        line = Line(request)
        return line.follow(self.get_response(request))

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        line = Line(request)
        return line.follow(await self.get_response(request))


class Line:
    """What the access log says about one request."""

    def __init__(self, request: HttpRequest) -> None:
        given = request.headers.get(HEADER, "")
        self.name = given if ACCEPTED.fullmatch(given) else f"req_{secrets.token_hex(10)}"
        self.request = request
        self.began = time.perf_counter()
        request.request_id = self.name  # type: ignore[attr-defined]
        current.set(self.name)

    def follow(self, response: HttpResponseBase) -> HttpResponseBase:
        """Mark the answer; the line is written when it is closed, however it was sent."""
        response[HEADER] = self.name
        # Django closes every response, streamed or not, and also after a lost connection.
        closers = response._resource_closers  # type: ignore[attr-defined]
        closers.append(lambda: self.write(response.status_code))
        return response

    def write(self, status: int) -> None:
        path = shown(escape_uri_path(self.request.path))
        level = logging.DEBUG if path.startswith(DULL) else logging.INFO
        milliseconds = round((time.perf_counter() - self.began) * 1000, 1)
        method, user = self.request.method, user_id(self.request)
        access.log(
            level,
            "%s %s %s %s ms",
            method,
            path,
            status,
            milliseconds,
            extra={
                "request_id": self.name,
                "method": method,
                "path": path,
                "status": status,
                "ms": milliseconds,
                "user_id": user,
            },
        )


def user_id(request: HttpRequest) -> int | None:
    """Who asked, if that is known by now: a log line is no reason to ask the database."""
    for name in ("_cached_user", "_acached_user", "user"):
        user = vars(request).get(name)
        if user is None or (isinstance(user, LazyObject) and user._wrapped is empty):
            continue
        return getattr(user, "pk", None)
    return None
