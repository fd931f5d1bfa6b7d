"""What Rivya's answers mean: statuses, codes, links. No calls are made here."""

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
    TaskFailed,
    Unavailable,
    Unclear,
)
from speechsite.providers.http import error_from_status, retry_after, sane_cost
from speechsite.providers.types import UpstreamEvent, UpstreamState

STATES = {
    "queued": UpstreamState.QUEUED,
    "processing": UpstreamState.RUNNING,
    "succeeded": UpstreamState.SUCCEEDED,
    "failed": UpstreamState.FAILED,
}
ERRORS: dict[str, type[ProviderError]] = {
    "public_api_disabled": Unavailable,
    "api_key_missing": BadCredentials,
    "api_key_invalid": BadCredentials,
    "api_key_revoked": BadCredentials,
    "api_key_expired": BadCredentials,
    "api_scope_denied": BadCredentials,
    "rate_limited": RateLimited,
    "validation_failed": Rejected,
    "not_found": Rejected,
    # The key was used before with other words: that first order may be running.
    "idempotency_conflict": Unclear,
    "insufficient_credits": AccountEmpty,
    "generation_failed": TaskFailed,
}
FAILURES: dict[str, type[ProviderError]] = {
    "validation_failed": Rejected,
    "insufficient_credits": AccountEmpty,
}
CONTENT_WORDS = re.compile(r"moderat|content.?polic|violat|prohibited|flagged|unsafe", re.I)
TASK_ID = re.compile(r"[!-~]{1,128}")
# The key that wraps the task in a webhook is not documented.
PLACES_OF_TASK = ("data", "generation", "object", "task")


def refusal(response: httpx.Response) -> ProviderError:
    """`error.code` is the contract; codes that we do not know go by their HTTP class."""
    plain = error_from_status(response)
    said = part_of(json_of(response), "error")
    code, message = str(said.get("code") or ""), str(said.get("message") or plain.message)
    kind = ERRORS.get(code, type(plain))
    if kind is Rejected and CONTENT_WORDS.search(f"{code} {message}"):
        kind = Moderated
    more: dict[str, Any] = {"status": plain.status, "vendor_code": code, "raw": plain.raw}
    if kind is RateLimited:
        return RateLimited(message, retry_after=retry_after(response), **more)
    return kind(message, **more)


def event_of(task: Mapping[str, Any], raw: Mapping[str, Any]) -> UpstreamEvent:
    """What a task object says; a status that we do not know changes nothing."""
    state = STATES.get(str(task.get("status")).lower(), UpstreamState.UNKNOWN)
    ended = state in (UpstreamState.SUCCEEDED, UpstreamState.FAILED)
    return UpstreamEvent(
        state,
        upstream_id=task_id_of(task),
        result=links_of(task) if state is UpstreamState.SUCCEEDED else (),
        cost=sane_cost(task.get("final_credits")) if ended else None,
        error=failure(task) if state is UpstreamState.FAILED else None,
        raw=raw,
    )


def failure(task: Mapping[str, Any]) -> ProviderError:
    said = part_of(task, "error")
    code, message = str(said.get("code") or ""), str(said.get("message") or "rivya failed the task")
    kind = FAILURES.get(code, TaskFailed)
    if CONTENT_WORDS.search(f"{code} {message}"):
        kind = Moderated
    return kind(message, vendor_code=code)


def links_of(task: Mapping[str, Any]) -> tuple[str, ...]:
    result = part_of(task, "result")
    urls = result.get("urls")
    links = [result.get("primary_url"), *(urls if isinstance(urls, list) else [])]
    return tuple(dict.fromkeys(link for link in links if isinstance(link, str) and link))


def task_id_of(task: Any) -> str:
    found = task.get("id") if isinstance(task, dict) else None
    return found if isinstance(found, str) and TASK_ID.fullmatch(found) else ""


def part_of(body: Any, key: str) -> dict[str, Any]:
    part = body.get(key) if isinstance(body, dict) else None
    return part if isinstance(part, dict) else {}


def voices_of(model: Mapping[str, Any]) -> list[str]:
    """The options of a model's `voice` parameter, whether params are a list or an object."""
    params = model.get("params")
    rows = params if isinstance(params, list) else [part_of(model, "params").get("voice")]
    for row in rows:
        if isinstance(row, dict) and row.get("key", "voice") == "voice":
            options = row.get("options")
            found = options if isinstance(options, list) else []
            named = [part.get("value") if isinstance(part, dict) else part for part in found]
            return [voice for voice in named if isinstance(voice, str) and voice]
    return []


def json_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
