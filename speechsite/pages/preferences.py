"""Applies a person's language, time zone and theme to each page, and changes them.

A visitor's choice lives in cookies; a signed-in person's also in the account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

THEMES = ("system", "light", "dark")
THEME_COOKIE = "theme"
COOKIE_SECONDS = 365 * 24 * 3600


class PreferencesMiddleware:
    """Works in both worlds, so that a live stream does not hold a thread."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self.is_async:
            return self._acall(request)
        _apply(request, request.user)
        return self.get_response(request)

    async def _acall(self, request: HttpRequest) -> HttpResponse:
        _apply(request, await request.auser())
        return await self.get_response(request)


def _apply(request: HttpRequest, user: Any) -> None:
    """Set both, always: a thread may still carry the last visitor's."""
    language = getattr(user, "language", "")
    if language and language in dict(settings.LANGUAGES):
        translation.activate(language)
        request.LANGUAGE_CODE = translation.get_language()
    try:
        timezone.activate(ZoneInfo(getattr(user, "timezone", "") or settings.TIME_ZONE))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        timezone.deactivate()


def theme_of(request: HttpRequest) -> str:
    """light, dark, or system where nobody chose."""
    user = getattr(request, "user", None)
    chosen = getattr(user, "preferences", {}).get("theme") or request.COOKIES.get(THEME_COOKIE)
    return chosen if chosen in THEMES else "system"


def shortcuts_are_on(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return bool(getattr(user, "preferences", {}).get("shortcuts", True))


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """The footer's switches: theme and language, then back to where one was."""
    response = HttpResponseRedirect(_back(request))
    theme = request.POST.get("theme", "")
    language = request.POST.get("language", "")
    if theme in THEMES:
        remember_theme(request, response, theme)
    if language in dict(settings.LANGUAGES):
        remember_language(request, response, language)
    return response


def remember_theme(request: HttpRequest, response: HttpResponse, theme: str) -> None:
    _set_cookie(response, THEME_COOKIE, theme)
    if request.user.is_authenticated:
        request.user.preferences["theme"] = theme
        request.user.save(update_fields=["preferences"])


def remember_language(request: HttpRequest, response: HttpResponse, language: str) -> None:
    _set_cookie(response, settings.LANGUAGE_COOKIE_NAME, language)
    if request.user.is_authenticated:
        request.user.language = language
        request.user.save(update_fields=["language"])


def _set_cookie(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(
        name, value, max_age=COOKIE_SECONDS, samesite="Lax", secure=settings.IS_HTTPS
    )


def _back(request: HttpRequest) -> str:
    target = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else resolve_url("pages:landing")
