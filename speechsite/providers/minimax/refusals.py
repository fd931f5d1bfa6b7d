"""MiniMax's status codes in our words.

Every answer carries `base_resp`, usually with HTTP 200; gateways add a status
of their own. So `base_resp` is read first, whatever the HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from speechsite.providers.errors import (
    AccountEmpty,
    BadCredentials,
    Garbled,
    Moderated,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
    Unsupported,
)
from speechsite.providers.http import error_from_status, retry_after

CODES: dict[int, tuple[type[ProviderError], str]] = {
    1000: (Unavailable, "unknown error at the provider"),
    1001: (Unavailable, "the provider ran out of time"),
    1002: (RateLimited, "too many requests a minute"),
    1004: (BadCredentials, "the provider refuses the key"),
    1008: (AccountEmpty, "the account at the provider has no funds"),
    1013: (Unavailable, "internal error at the provider"),
    1024: (Unavailable, "internal error at the provider"),
    1026: (Moderated, "the text was refused for its content"),
    1027: (Moderated, "the sound was refused for its content"),
    1033: (Unavailable, "a service behind the provider failed"),
    1039: (RateLimited, "too much text a minute"),
    1041: (RateLimited, "too many connections"),
    1042: (Rejected, "too many invisible characters in the text"),
    1043: (Rejected, "the recording does not match its text"),
    1044: (Rejected, "the recording does not match its prompt"),
    2013: (Rejected, "the provider refuses a parameter"),
    20132: (Rejected, "the provider does not know this recording or voice"),
    2037: (Rejected, "the recording is too short or too long"),
    2038: (Unsupported, "the account may not clone voices"),
    2039: (Rejected, "a voice of this name exists already"),
    2042: (Rejected, "the account has no right to this voice"),
    2045: (RateLimited, "the number of requests grew too fast"),
    2048: (Rejected, "the prompt recording is too long"),
    2049: (BadCredentials, "the provider refuses the key"),
    2054: (Rejected, "the provider does not know this voice"),
    2056: (AccountEmpty, "the plan at the provider is used up for now"),
}


def error_from(response: httpx.Response) -> ProviderError | None:
    """What an answer complains about; None when it does not."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    error = error_in(body, status=response.status_code)
    if isinstance(error, RateLimited):
        error.retry_after = retry_after(response)
    if error is None and not response.is_success:
        return error_from_status(response)
    return error


def error_in(body: Any, *, status: int | None = None) -> ProviderError | None:
    """The complaint in a message's `base_resp`; None when there is none."""
    base = body.get("base_resp") if isinstance(body, Mapping) else None
    code = _code(base) if isinstance(base, Mapping) else 0
    if not isinstance(base, Mapping) or code == 0:
        return None
    kind, meaning = CODES.get(code, (Garbled, "a code that is not listed"))
    said = str(base.get("status_msg") or "")[:300]
    return kind(
        f"{meaning}: {said}" if said else meaning,
        status=status,
        vendor_code=str(code),
        raw={"base_resp": dict(base)},
    )


def _code(base: Mapping[str, Any]) -> int:
    try:
        return int(base.get("status_code") or 0)
    except (TypeError, ValueError, OverflowError):
        return -1
