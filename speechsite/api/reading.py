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


def json_of(request: HttpRequest, *, drops_nul: bool = True) -> Any:
    """The body as JSON, whatever its content type says. Raises Invalid or TooLarge.

    Half of a surrogate pair can be written in JSON and nowhere else: no database keeps it, no
    provider reads it. A NUL is the same for most of them, and nobody can say it: it is dropped,
    except where a dialect names the field that holds one.
    """
    try:
        body = json.loads(request.body, parse_constant=_no_number)
        if b"\\u" in request.body or b"\xed" in request.body:
            json.dumps(body, ensure_ascii=False).encode()
        return _without_nul(body) if drops_nul and b"\\u0000" in request.body else body
    except RequestDataTooBig as error:
        raise TooLarge(_("The request is too large.")) from error
    except UnreadablePostError as error:
        raise Invalid(_("The request broke off.")) from error
    except UnicodeEncodeError as error:
        raise Invalid(_("The request body is not valid Unicode.")) from error
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


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(part) for name, part in value.items()}
    return [_without_nul(part) for part in value] if isinstance(value, list) else value
