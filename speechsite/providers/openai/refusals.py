"""Errors of OpenAI and of the servers that follow it. No calls are made here.

OpenAI and LocalAI say `{"error": {...}}`, vLLM did so without the wrapper, and what is made
with FastAPI (Kokoro, Speaches) says `{"detail": ...}`: words, an object, or a list.
"""

from __future__ import annotations

import re
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
    Unsupported,
)
from speechsite.providers.http import error_from_status, retry_after

KINDS: dict[str, type[ProviderError]] = {
    "invalid_api_key": BadCredentials,
    "insufficient_quota": AccountEmpty,
    "billing_hard_limit_reached": AccountEmpty,
    "rate_limit_exceeded": RateLimited,
    "model_not_found": Unsupported,
    "invalid_model": Unsupported,
    "voice_not_found": Unsupported,
    "content_policy_violation": Moderated,
    "moderation_blocked": Moderated,
}
# Another server may have what this one has not: by its status, else by its words.
ELSEWHERE = (404, 405, 501)
NOT_HERE = re.compile(
    r"\b(voice|speaker|model)\b.{0,120}\b(not found|not exist|not supported|not installed)\b"
    r"|\b(invalid|unknown|unsupported) (voice|speaker|model)\b",
    re.I,
)
MODERATED = re.compile(r"content.?polic|moderation|safety system|flagged", re.I)
LONGEST = 500


def error_from(response: httpx.Response) -> ProviderError | None:
    """What an answer complains of; None when it does not."""
    if response.is_success:
        return None
    plain = error_from_status(response)
    code, message = _said(_json(response))
    kind = KINDS.get(code, type(plain))
    if kind is Rejected and MODERATED.search(f"{code} {message}"):
        kind = Moderated
    if kind is Rejected and (plain.status in ELSEWHERE or NOT_HERE.search(message)):
        kind = Unsupported
    more: dict[str, Any] = {"status": plain.status, "vendor_code": code, "raw": plain.raw}
    if kind is RateLimited:
        return RateLimited(message or plain.message, retry_after=retry_after(response), **more)
    return kind(message or plain.message, **more)


def _said(body: Any) -> tuple[str, str]:
    """The code that decides and the words for people."""
    if not isinstance(body, Mapping):
        return "", ""
    inside = next((body[key] for key in ("error", "detail") if body.get(key)), body)
    if isinstance(inside, list):
        inside = inside[0] if inside else {}
    if isinstance(inside, str):
        return "", inside[:LONGEST]
    if not isinstance(inside, Mapping):
        return "", ""
    words = inside.get("message") or inside.get("msg") or ""
    # Kokoro's `error` is a code, and OpenAI's `type` is one where `code` is null.
    codes = [str(inside.get(key) or "") for key in ("code", "error", "type")]
    known = [code for code in codes if code in KINDS]
    return (known or [code for code in codes if code] or [""])[0][:LONGEST], str(words)[:LONGEST]


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
