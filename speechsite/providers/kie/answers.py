"""What kie.ai's answers mean: states, codes, task ids, links. No calls are made here."""

from __future__ import annotations

import json
import re
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
    TaskFailed,
    Unavailable,
    Unsupported,
)
from speechsite.providers.http import error_from_status, retry_after
from speechsite.providers.types import UpstreamState

STATES = {
    "waiting": UpstreamState.QUEUED,
    "queuing": UpstreamState.QUEUED,
    "generating": UpstreamState.RUNNING,
    "success": UpstreamState.SUCCEEDED,
    "fail": UpstreamState.FAILED,
}
ERRORS: dict[int, type[ProviderError]] = {
    400: Rejected,
    401: BadCredentials,
    402: AccountEmpty,
    404: Rejected,
    408: TaskFailed,
    422: Rejected,
    429: RateLimited,
    433: Rejected,
    455: Unavailable,
    500: Unavailable,
    501: TaskFailed,
    505: Unsupported,
}
# Refused inputs also come as 500, and a refusal for content as a plain failure.
INPUT_WORDS = re.compile(
    r"required|invalid|must be|cannot be empty|not supported|unsupported|exceeds? the"
    r"|too long|characters|maximum length|not within|out of range",
    re.IGNORECASE,
)
CONTENT_WORDS = re.compile(
    r"moderat|content polic|policy violat|violat|prohibited|flagged|sensitive|unsafe|nsfw",
    re.IGNORECASE,
)
TASK_ID_PLACES = (("data", "taskId"), ("data", "task_id"), (None, "taskId"), (None, "task_id"))
TASK_ID = re.compile(r"[!-~]{1,128}")
RATE_WINDOW = 10.0  # seconds: 20 new tasks in each


def refusal(code: int, message: str, response: httpx.Response, body: Any) -> ProviderError:
    kind = ERRORS.get(code) or (Rejected if 400 <= code < 500 else Unavailable)
    if kind in (Rejected, Unavailable) and CONTENT_WORDS.search(message):
        kind = Moderated
    elif code == 500 and INPUT_WORDS.search(message):
        kind = Rejected
    more: dict[str, Any] = {
        "status": response.status_code,
        "vendor_code": str(code),
        "raw": without_order(body),
    }
    if kind is RateLimited:
        wait = retry_after(response)
        return RateLimited(message, retry_after=RATE_WINDOW if wait is None else wait, **more)
    return kind(message, **more)


def gateway_error(response: httpx.Response) -> ProviderError:
    """Something between us and kie answered; its 403 says nothing about the key."""
    if response.status_code == 403:
        return Unavailable("a gateway before kie refuses us", status=403)
    return error_from_status(response)


def json_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def code_of(body: Any) -> int | None:
    code = body.get("code") if isinstance(body, dict) else None
    if isinstance(code, str) and code.isdecimal() and len(code) < 6:
        return int(code)
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def data_of(body: Any) -> dict[str, Any]:
    data = body.get("data") if isinstance(body, dict) else None
    return data if isinstance(data, dict) else {}


def task_id_of(body: Any) -> str:
    for place, key in TASK_ID_PLACES:
        holder = data_of(body) if place else body
        found = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(found, str) and TASK_ID.fullmatch(found):
            return found
    raise Garbled("kie named no task", raw={"body": str(body)[:500]})


def links_of(data: Mapping[str, Any]) -> tuple[str, ...]:
    result = data.get("resultJson")
    if isinstance(result, str):
        try:
            result = json.loads(result)
        except (ValueError, RecursionError):
            return ()
    links = result.get("resultUrls") if isinstance(result, dict) else None
    if not isinstance(links, list):
        return ()
    return tuple(link for link in links if isinstance(link, str) and link)


def without_order(answer: Any) -> dict[str, Any]:
    """The answer without `param`: our own order again, with the callback's secret address."""
    if not isinstance(answer, dict):
        return {"body": answer}
    data = answer.get("data")
    if not isinstance(data, dict):
        return answer
    return answer | {"data": {key: value for key, value in data.items() if key != "param"}}


def text_of(value: Any) -> str:
    return "" if value is None else str(value)
