"""The request that a page behind `login_required` gets: it has a user, and htmx's words."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from speechsite.accounts.models import User


class SignedIn(HttpRequest):
    """Only ever an annotation; Django makes the requests."""

    user: User
    htmx: HtmxDetails
