"""Django's ASGI handler for partners: what they need between the socket and the view, no more.

The portal's middleware is for people: sessions, languages, messages. Most of it is written for
threads, and under ASGI each such step, and each signal around a request, is a trip to a thread
and back. Paths of the API know neither cookies nor pages, so they go without.
"""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import set_script_prefix

from speechsite.core import bodies

PREFIXES = ("/v1/", "/api/v1/", "/api/file-", "/minimax/")


def is_for_partners(path: str) -> bool:
    """Whether a path belongs to the API; its documentation is a page like others."""
    return path.startswith(PREFIXES)


class _AtOnce:
    """Middleware that only reads and writes headers needs no thread for it."""

    async def __acall__(self: Any, request: ASGIRequest) -> HttpResponseBase:
        response = self.process_request(request) or await self.get_response(request)
        return self.process_response(request, response)


class Security(_AtOnce, SecurityMiddleware):  # type: ignore[misc]
    """HTTPS where it is asked for, and the headers that go with it."""


class Common(_AtOnce, CommonMiddleware):  # type: ignore[misc]
    """Lengths of answers."""


class PageHandler(ASGIHandler):
    """Django's own, for bodies without a length too, and in UTF-8 whatever a client says."""

    def create_request(self, scope: Any, body_file: Any) -> Any:
        request, refusal = super().create_request(scope, body_file)
        if request is not None:
            bodies.measured(request, body_file)
            # Django decodes forms and even addresses by the charset that a client names, and
            # Python knows some that make halves of characters.
            if request.encoding is not None:
                request.encoding = "utf-8"
        return request, refusal


class PartnerHandler(PageHandler):
    """Answers one request, and stops when who asked is gone."""

    def load_middleware(self, is_async: bool = False) -> None:
        # Django has one list for the whole site and reads it here, before the first request.
        of_pages = settings.MIDDLEWARE
        settings.MIDDLEWARE = settings.PARTNER_MIDDLEWARE
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = of_pages

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        set_script_prefix(scope.get("root_path") or "/")
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with closing(body):
            request, refusal = self.create_request(scope, body)
            if request is None:
                await self.send_response(cast(HttpResponseBase, refusal), send)
                return
            answering = asyncio.create_task(self._answer(request, send))
            leaving = asyncio.create_task(self.listen_for_disconnect(receive))
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
            for task in (leaving, answering):
                task.cancel()
            with suppress(asyncio.CancelledError, RequestAborted):
                await leaving
            with suppress(asyncio.CancelledError):
                await answering

    async def _answer(self, request: ASGIRequest, send: Any) -> None:
        response = await self.run_get_response(request)
        try:
            await self.send_response(response, send)
        finally:
            _close(response)


def _close(response: HttpResponseBase) -> None:
    """Its files, and the line in the log.

    Django's own way also tells the whole site that a request is over. Who listens there tidies up
    after the thread that answered, and this is the loop's, which has nothing to tidy.
    """
    for close in response._resource_closers:  # type: ignore[attr-defined]
        with suppress(Exception):
            close()
    # They know the response: left there, it would stay until somebody looks for circles.
    response._resource_closers.clear()  # type: ignore[attr-defined]
    response.closed = True
