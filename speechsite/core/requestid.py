"""One id per request: in the log lines, in the answer's header, in error pages."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

current: ContextVar[str] = ContextVar("request_id", default="-")
ACCEPTED = re.compile(r"[A-Za-z0-9_.-]{8,64}")
HEADER = "X-Request-ID"


class RequestIdFilter(logging.Filter):
    """Adds `request_id` to every log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current.get()
        return True


class RequestIdMiddleware:
    """Takes the proxy's X-Request-ID when it is well-formed, else makes one."""

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
    ) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._acall(request)
        name = self._name(request)
        response = self.get_response(request)
        response[HEADER] = name
        return response

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        name = self._name(request)
        response = await self.get_response(request)
        response[HEADER] = name
        return response

    def _name(self, request: HttpRequest) -> str:
        given = request.headers.get(HEADER, "")
        name = given if ACCEPTED.fullmatch(given) else f"req_{secrets.token_hex(10)}"
        request.request_id = name
        current.set(name)
        return name
