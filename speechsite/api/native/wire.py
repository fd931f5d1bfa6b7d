"""What the native API's answers look like: ids, the generation object, errors.

Plain data in and out; nothing here asks the database. A generation always has the nine
fields that Rivya documents, in that order. Fields of our own follow only where they say
something: a client that knows the nine is never surprised.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jobs.models import Job, Upload
from jobs.progress import Progress
from jobs.states import JobState
from speechsite.api.errors import ApiError
from speechsite.api.native import ids
from speechsite.credits.models import MILLI

CANCELED_BY = "canceled_by"  # in `Job.asked`: whoever stopped it through this API knows the word

# Which of Rivya's codes our own refusals of an order are; the exact one stays as `reason`.
CODES = {400: "validation_failed", 413: "validation_failed", 429: "rate_limited"}
# Codes of Rivya's that are finer than their status.
THEIRS = frozenset({"webhook_url_rejected"})
OF_THE_BODY = frozenset({"model_not_found", "voice_not_found"})
# Why a generation failed, for programs; all else is `generation_failed`.
FAILURES = {
    "rejected": "validation_failed",
    "unsupported": "validation_failed",
    "invalid_text": "validation_failed",
    "moderated": "content_moderated",
    "canceled": "canceled",
}


def number(millicredits: int) -> int | float:
    """Credits as a JSON number: 6, 0.306."""
    whole, rest = divmod(millicredits, MILLI)
    return millicredits / MILLI if rest else whole


def moment(at: datetime) -> str:
    """A time in UTC with milliseconds."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def status_of(job: Job) -> str:
    """Rivya's four words; `canceled` only for those who canceled through this API."""
    if job.state == JobState.CANCELED and CANCELED_BY not in job.asked:
        return "failed"
    return str(job.state)


def generation(
    job: Job, *, result: Mapping[str, Any] | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """A job as partners see it."""
    body = {
        "id": ids.public(ids.GENERATION, job.pk),
        "status": status_of(job),
        "model": job.asked.get("model") or job.model.slug,
        "reserved_credits": number(job.quoted),
        "final_credits": number(job.charged),
        "created_at": moment(job.created_at),
        "updated_at": moment(job.finished_at or job.started_at or job.created_at),
        "result": dict(result) if result is not None else None,
        "error": failure(job),
    }
    if job.asked.get("reference"):
        body["client_request_id"] = job.asked["reference"]
    if job.is_test:
        body["is_test"] = True
    if progress is not None and job.state == JobState.PROCESSING:
        body["progress"] = {
            "percent": progress.percent,
            "segments_done": progress.done,
            "segments_total": progress.total,
        }
    return body


def result(job: Job, *, url: str, captions: Mapping[str, str], is_partial: bool) -> dict[str, Any]:
    """What came out of a job."""
    body: dict[str, Any] = {
        "primary_url": url,
        "urls": [url],
        "output_format": job.output_format,
        "duration_seconds": job.duration_ms / 1000,
        "is_partial": is_partial,
    }
    if job.state == JobState.FAILED:
        body["is_late"] = True
    if captions:
        body["captions"] = dict(captions)
    return body


def failure(job: Job) -> dict[str, Any] | None:
    """Why there is no result, or not the whole."""
    if job.state == JobState.CANCELED:
        return {"code": "canceled", "message": "The generation was canceled."}
    if job.state != JobState.FAILED:
        return None
    code = FAILURES.get(job.failure_code, "generation_failed")
    body = {"code": code, "message": job.failure_message or "The generation failed."}
    if job.failure_code and job.failure_code != code:
        body["reason"] = job.failure_code
    return body


def file(upload: Upload, *, url: str, token: str) -> dict[str, Any]:
    """A recording as partners see it."""
    return {
        "id": ids.public(ids.FILE, upload.pk),
        "object": "file",
        "url": url,
        "kind": "audio",
        "name": upload.name,
        "mime_type": upload.media_type,
        "size": upload.size,
        "duration_seconds": upload.duration_ms / 1000,
        "duration_token": token,
        "created_at": moment(upload.created_at),
    }


def page(rows: list[dict[str, Any]], *, next_cursor: str | None) -> dict[str, Any]:
    """A part of a list, and where the next begins."""
    return {
        "object": "list",
        "data": rows,
        "has_more": next_cursor is not None,
        "next_cursor": next_cursor,
    }


def error(refusal: ApiError, request_id: str) -> dict[str, Any]:
    """A refusal: `code` is the contract, `reason` is finer, the rest helps to do better."""
    code = code_of(refusal)
    body: dict[str, Any] = {"code": code, "message": refusal.message, "requestId": request_id}
    more = {
        "reason": refusal.code if refusal.code != code else None,
        "field": refusal.field or None,
        "limit": refusal.limit or None,
        "needed": number(refusal.needed) if refusal.needed is not None else None,
        "available": number(refusal.available) if refusal.available is not None else None,
        "missing": number(refusal.missing) if refusal.missing is not None else None,
        "resets_at": moment(refusal.resets_at) if refusal.resets_at is not None else None,
    }
    return {"error": body | {name: value for name, value in more.items() if value is not None}}


def code_of(refusal: ApiError) -> str:
    """Rivya's code for a refusal; codes that it does not know stay ours."""
    if refusal.code in THEIRS:
        return refusal.code
    return CODES.get(status_of_error(refusal), refusal.code)


def status_of_error(refusal: ApiError) -> int:
    """A wrong name in a body is bad input; only what stands in a path can be missing."""
    return 400 if refusal.code in OF_THE_BODY else refusal.status


def retry_after(refusal: ApiError) -> str | None:
    """Whole seconds, rounded up: a client that obeys must not come too early."""
    if refusal.retry_after is None:
        return None
    return str(max(1, math.ceil(refusal.retry_after)))
