"""What every template may use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from speechsite.credits import ledger
from speechsite.credits.models import MILLI
from speechsite.pages import preferences


def site(request: HttpRequest) -> dict[str, Any]:
    """The wallet is opened only if a template looks at it."""
    user: Any = getattr(request, "user", None)
    is_known = user is not None and user.is_authenticated
    return {
        "wallet": SimpleLazyObject(lambda: ledger.open_wallet(user)) if is_known else None,
        "theme": preferences.theme_of(request),
        "shortcuts_are_on": preferences.shortcuts_are_on(request),
        "languages": settings.LANGUAGES,
        "signup_open": settings.SIGNUP_OPEN,
        "sends_mail": settings.HAS_EMAIL,
        "welcome_credits": settings.WELCOME_CREDITS * MILLI,
        "credits_offer": settings.CREDITS_OFFER,
        "site_version": settings.VERSION,
    }
