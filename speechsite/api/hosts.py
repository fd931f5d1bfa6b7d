"""Refuses requests that came under a name which is none of this site's.

Django would refuse them too, with a page that says nothing. Whoever sets a site up meets
this one first, so it names the setting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponseBase

from speechsite.api import unserved

# Balancers and machines on watch ask by address, and nothing there depends on the name.
ASKED_BY_ADDRESS = frozenset({"/healthz", "/readyz", "/metrics"})


class HostMiddleware:
    """Works in both worlds, so that a request of the API costs no thread."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._acall(request)
        return _refusal(request) or self.get_response(request)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        return _refusal(request) or await self.get_response(request)


def _refusal(request: HttpRequest) -> HttpResponseBase | None:
    try:
        request.get_host()
    except DisallowedHost:
        if request.path not in ASKED_BY_ADDRESS:
            return unserved.under_this_name(request)
        # The middleware after this one asks for the name as well.
        request.get_host = lambda: "localhost"  # type: ignore[method-assign]
    return None
