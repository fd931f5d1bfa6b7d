"""Reads requests for the dialects: JSON bodies, sizes, and how this site was called."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError
from django.utils.translation import gettext as _

from speechsite.api.errors import Invalid, TooLarge
from speechsite.core.addresses import origin_of

__all__ = ["check_size", "json_of", "origin_of"]


def json_of(request: HttpRequest) -> Any:
    """The body as JSON, whatever its content type says. Raises Invalid or TooLarge."""
    try:
        return json.loads(request.body, parse_constant=_no_number)
    except RequestDataTooBig as error:
        raise TooLarge(_("The request is too large.")) from error
    except UnreadablePostError as error:
        raise Invalid(_("The request broke off.")) from error
    except (ValueError, RecursionError) as error:
        raise Invalid(_("The request body is not JSON.")) from error


def check_size(request: HttpRequest, limit: int) -> None:
    """Raises TooLarge for a body that says it is longer than this, before any of it is kept."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length > limit:
        raise TooLarge(_("At most %s MB can be sent at once.") % (limit // 1024 // 1024))


def _no_number(name: str) -> Any:
    # Python reads NaN and Infinity, which JSON does not have.
    raise ValueError(f"{name} is not JSON")
