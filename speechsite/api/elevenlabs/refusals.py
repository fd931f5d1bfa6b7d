"""What went wrong, in ElevenLabs' words: HTTP status, type, code and the older status word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from speechsite.api.errors import (
    AddressDenied,
    ApiError,
    CapReached,
    ConcurrencyLimited,
    Conflict,
    Invalid,
    KeyInvalid,
    KeyMissing,
    NotEnoughCredits,
    NotFound,
    RateLimited,
    ScopeDenied,
    TooLarge,
    Unavailable,
)

__all__ = ["ApiError", "detail", "headers", "http_status"]


@dataclass(frozen=True, slots=True)
class Word:
    """How one kind of error is told; an empty code is the error's own."""

    http: int
    type: str
    code: str = ""
    status: str = ""


_KEY = Word(401, "authentication_error", "unauthorized", "invalid_api_key")
_INVALID = Word(400, "validation_error")

# The first class that fits counts: the special ones stand before the general.
_WORDS: tuple[tuple[type[ApiError], Word], ...] = (
    (
        KeyMissing,
        Word(401, "authentication_error", "missing_api_key", "needs_authorization"),
    ),
    (
        ScopeDenied,
        Word(403, "authorization_error", "insufficient_permissions", "missing_permissions"),
    ),
    (AddressDenied, Word(403, "authorization_error", "forbidden", "forbidden")),
    (
        NotEnoughCredits,
        Word(402, "payment_required", "insufficient_credits", "quota_exceeded"),
    ),
    # A cap lasts for days: as 429 the clients would try again at once.
    (CapReached, Word(402, "payment_required", "insufficient_credits", "quota_exceeded")),
    (
        ConcurrencyLimited,
        Word(429, "rate_limit_error", "concurrent_limit_exceeded", "too_many_concurrent_requests"),
    ),
    (RateLimited, Word(429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_exceeded")),
    (NotFound, Word(404, "not_found")),
    (TooLarge, Word(413, "invalid_request", "request_too_large", "request_too_large")),
    (Conflict, Word(409, "conflict", "conflict", "conflict")),
    (Unavailable, Word(503, "service_unavailable", "service_unavailable", "system_busy")),
    (Invalid, _INVALID),
    (KeyInvalid, _KEY),
)
# our code of a bad order: theirs, where the words differ
_CODES = {
    "validation_failed": "invalid_parameters",
    "settings": "invalid_voice_settings",
    "nothing_to_speak": "invalid_text",
    "moderated": "content_violation",
    "rejected": "bad_request",
    "no_cloning": "feature_not_available",
}
# The same for the older status word: former clients look for it.
_STATUSES = {"no_cloning": "can_not_use_instant_voice_cloning"}
# our field: theirs
_PARAMS = {
    "voice": "voice_id",
    "model": "model_id",
    "settings": "voice_settings",
    "format": "output_format",
    "file": "audio",
    "language": "language_code",
}


def detail(error: ApiError, request_id: str = "") -> dict[str, Any]:
    """The object that stands under `detail`."""
    word = _word(error)
    code = word.code or _CODES.get(error.code, error.code)
    return {
        "type": word.type,
        "code": code,
        "message": str(error.message),
        "status": word.status or _STATUSES.get(error.code, code),
        "request_id": request_id,
        "param": _PARAMS.get(error.field, error.field) or None,
    }


def http_status(error: ApiError) -> int:
    """The status of the answer."""
    return _word(error).http


def headers(error: ApiError) -> Mapping[str, str]:
    """When to come back, where coming back soon can help."""
    if error.retry_after is None or http_status(error) not in (409, 429, 503):
        return {}
    return {"Retry-After": str(max(1, round(error.retry_after)))}


def _word(error: ApiError) -> Word:
    for kind, word in _WORDS:
        if isinstance(error, kind):
            return word
    if error.status == 401:
        return _KEY
    kinds = {403: "authorization_error", 404: "not_found", 409: "conflict"}
    return Word(error.status, kinds.get(error.status, "validation_error"))
