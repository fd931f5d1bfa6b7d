"""ElevenLabs' words for what went wrong, in ours.

The same trouble arrives under a current `code`, an older `status` or only a
`type`, and the HTTP status does not settle it: an empty quota is a 401. So all
three words are looked up together, and the first kind in the table wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from speechsite.providers.errors import (
    AccountEmpty,
    BadCredentials,
    Moderated,
    ProviderError,
    RateLimited,
    Rejected,
    TaskFailed,
    Unavailable,
    Unsupported,
)
from speechsite.providers.http import error_from_status, retry_after

WORDS: tuple[tuple[type[ProviderError], frozenset[str]], ...] = (
    (AccountEmpty, frozenset({"quota_exceeded", "insufficient_credits", "payment_required"})),
    (
        Moderated,
        frozenset(
            {
                "content_violation",
                "content_against_policy",
                "content_policy_violation",
                "detected_content_violation",
                "moderation_error",
            }
        ),
    ),
    # The provider is busy, whoever asks: another channel may be quicker.
    (Unavailable, frozenset({"system_busy", "service_unavailable", "maintenance"})),
    (
        RateLimited,
        frozenset(
            {
                "rate_limit_exceeded",
                "concurrent_limit_exceeded",
                "too_many_concurrent_requests",
                "rate_limit_error",
            }
        ),
    ),
    # This account's plan lacks it; another account may have it.
    (
        Unsupported,
        frozenset(
            {
                "only_for_creator+",
                "feature_not_available",
                "subscription_required",
                "voice_access_denied",
                "model_access_denied",
                "unsupported_model",
                "model_not_found",
                "invalid_output_format",
            }
        ),
    ),
    (
        Rejected,
        frozenset(
            {
                "voice_not_found",
                "voice_does_not_exist",
                "invalid_voice_id",
                "history_item_not_found",
                "not_found",
                "max_character_limit_exceeded",
                "text_too_long",
                "validation_error",
                "invalid_request",
                "conflict",
            }
        ),
    ),
    (
        BadCredentials,
        frozenset(
            {
                "invalid_api_key",
                "missing_api_key",
                "needs_authorization",
                "invalid_authorization_header",
                "sign_in_required",
                "unauthorized",
                "missing_permissions",
                "insufficient_permissions",
                "workspace_access_denied",
                "detected_unusual_activity",
                "authentication_error",
            }
        ),
    ),
    (Unavailable, frozenset({"internal_error"})),
)


def error_from(response: httpx.Response) -> ProviderError | None:
    """What an answer complains about; None when it does not."""
    if response.is_success:
        return None
    body = _json(response)
    detail = body.get("detail")
    if isinstance(detail, list):
        return _schema_error(response, detail)
    if not isinstance(detail, Mapping):
        return error_from_status(response)
    return _worded_error(response, detail) or _unlisted(response, detail)


def error_in_stream(message: Mapping[str, Any]) -> ProviderError | None:
    """A complaint that arrives in place of audio, after the answer had begun."""
    detail = message.get("detail") or message.get("error")
    if not detail:
        return None
    known = detail if isinstance(detail, Mapping) else {"code": str(detail)}
    kind = _kind(known) or TaskFailed
    return kind(_text(known) or "the provider gave up", vendor_code=_code(known), raw=dict(message))


def _worded_error(response: httpx.Response, detail: Mapping[str, Any]) -> ProviderError | None:
    kind = _kind(detail)
    if kind is None:
        return None
    more: dict[str, Any] = _marks(response, detail)
    if issubclass(kind, RateLimited):
        more["retry_after"] = retry_after(response)
    return kind(_text(detail), **more)


def _unlisted(response: httpx.Response, detail: Mapping[str, Any]) -> ProviderError:
    # A refusal in words that we do not know concerns this order, not the key.
    if response.status_code == 403:
        return Rejected(_text(detail), **_marks(response, detail))
    error = error_from_status(response)
    error.message = _text(detail) or error.message
    error.vendor_code = _code(detail)
    error.raw = {"detail": dict(detail)}
    return error


def _schema_error(response: httpx.Response, problems: list[Any]) -> ProviderError:
    first = problems[0] if problems and isinstance(problems[0], Mapping) else {}
    where = ".".join(str(step) for step in first.get("loc", ()) if step != "body")
    text = ": ".join(part for part in (where, str(first.get("msg", ""))) if part)
    return Rejected(
        text or "the provider refuses the form of the order",
        status=response.status_code,
        vendor_code=str(first.get("type", "")),
        raw={"detail": problems[:10]},
    )


def _kind(detail: Mapping[str, Any]) -> type[ProviderError] | None:
    said = {str(detail.get(key, "")).lower() for key in ("type", "code", "status")}
    return next((kind for kind, words in WORDS if said & words), None)


def _marks(response: httpx.Response, detail: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "vendor_code": _code(detail),
        "raw": {"detail": dict(detail)},
    }


def _code(detail: Mapping[str, Any]) -> str:
    return str(detail.get("code") or detail.get("status") or detail.get("type") or "")


def _text(detail: Mapping[str, Any]) -> str:
    return str(detail.get("message") or "")[:500]


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
