"""kie.ai's messages in our words, and ours in theirs. Pure translation: no database, no clock.

Every answer is an envelope `{code, msg, data}`; a client reads `code`, whatever the
HTTP status says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from speechsite.audio import markup

LONGEST_TEXT = 5000
LONGEST_ADDRESS = 500
STATES = {
    "queued": "waiting",
    "processing": "generating",
    "succeeded": "success",
    "failed": "fail",
    "canceled": "fail",
}
# Our HTTP statuses, which the API core thinks in, as codes of the envelope.
CODES = {
    400: 422,
    401: 401,
    402: 402,
    403: 401,
    404: 404,
    405: 404,
    409: 409,
    413: 422,
    422: 422,
    429: 429,
    501: 505,
    503: 455,
}
SETTINGS = {
    "stability": "stability",
    "similarity_boost": "similarity",
    "style": "style",
    "speed": "speed",
}
OPTIONS = {"previous_text": "previous_text", "next_text": "next_text", "language_code": "language"}
# What kie calls a model; a model that it does not sell keeps our name.
MODELS = {
    "elevenlabs-multilingual-v2": "elevenlabs/text-to-speech-multilingual-v2",
    "elevenlabs-turbo-2-5": "elevenlabs/text-to-speech-turbo-2-5",
    "elevenlabs-dialogue-v3": "elevenlabs/text-to-dialogue-v3",
    "elevenlabs-audio-isolation": "elevenlabs/audio-isolation",
}
# The voice that the schema gives where a request names none.
DEFAULT_VOICE = "EkK5I93UQWFDigLMpZcX"


class Refusal(Exception):
    """A request that cannot be taken, with the envelope's code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Order:
    """A createTask request, its `input` not yet read: that depends on the model's kind."""

    model: str
    input: Mapping[str, Any]
    callback_url: str


@dataclass(frozen=True, slots=True)
class Speech:
    """The `input` of a text-to-speech task."""

    text: str
    voice: str
    voice_settings: dict[str, float] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The `input` of a dialogue task: (voice, text) line by line."""

    lines: tuple[tuple[str, str], ...]
    voice_settings: dict[str, float] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """What the record of a task tells."""

    id: str
    model: str
    state: str
    input: Mapping[str, Any]
    callback_url: str
    links: tuple[str, ...]
    failure_code: str
    failure_message: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    credits: float


def order_of(body: Any) -> Order:
    """What a createTask request asks for."""
    given = _object(body, "the request body")
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal(422, "model is required")
    callback_url = given.get("callBackUrl")
    if callback_url is not None and not isinstance(callback_url, str):
        raise Refusal(422, "callBackUrl must be a string")
    if callback_url and len(callback_url) > LONGEST_ADDRESS:
        raise Refusal(422, f"callBackUrl must not exceed {LONGEST_ADDRESS} characters")
    if "input" not in given:
        raise Refusal(422, "input is required")
    return Order(model, _object(given["input"], "input"), callback_url or "")


def speech_of(given: Mapping[str, Any]) -> Speech:
    """The `input` of a text-to-speech task."""
    timestamps = given.get("timestamps")
    if timestamps is not None and not isinstance(timestamps, bool):
        raise Refusal(422, "timestamps must be a boolean")
    text = _text(given, "text")
    voice = _text(given, "voice", required=False) or DEFAULT_VOICE
    options = {ours: _text(given, theirs, required=False) for theirs, ours in OPTIONS.items()}
    return Speech(text, voice, settings_of(given), options)


def dialogue_of(given: Mapping[str, Any]) -> Dialogue:
    """The `input` of a dialogue task."""
    turns = given.get("dialogue")
    if not isinstance(turns, list) or not turns:
        raise Refusal(422, "dialogue is required")
    language = _text(given, "language_code", required=False)
    lines = []
    for turn in turns:
        line = _object(turn, "each entry of dialogue")
        lines.append((_text(line, "voice"), _text(line, "text")))
    if sum(len(markup.countable(text)) for _, text in lines) > LONGEST_TEXT:
        raise Refusal(422, f"the texts must not exceed {LONGEST_TEXT} characters together")
    return Dialogue(tuple(lines), settings_of(given), {"language": language})


def audio_url_of(given: Mapping[str, Any]) -> str:
    """The `input` of an isolation task: an address, never the sound itself."""
    return _text(given, "audio_url")


def settings_of(given: Mapping[str, Any]) -> dict[str, float]:
    """The settings under our names; bounds are the order's business."""
    found: dict[str, float] = {}
    for theirs, ours in SETTINGS.items():
        value = given.get(theirs)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refusal(422, f"{theirs} must be a number")
        if not math.isfinite(value):
            raise Refusal(422, f"{theirs} must be a finite number")
        found[ours] = value
    return found


def envelope(data: Any = None, *, code: int = 200, message: str = "success") -> dict[str, Any]:
    """What surrounds every answer."""
    return {"code": code, "msg": message, "data": data}


def created(task_id: str) -> dict[str, Any]:
    """The answer to a createTask that was taken."""
    return envelope({"taskId": task_id, "recordId": task_id})


def record(task: Task) -> dict[str, Any]:
    """The answer to recordInfo."""
    return envelope(_data(task))


def callback(task: Task) -> dict[str, Any]:
    """The body that is posted to `callBackUrl` when a task is over."""
    if STATES.get(task.state) == "success":
        return envelope(_data(task), message="Playground task completed successfully.")
    return envelope(_data(task), code=501, message="Playground task failed.")


def uploaded(
    *, name: str, path: str, link: str, size: int, media_type: str, at: datetime
) -> dict[str, Any]:
    """The answer of the three ways to upload."""
    data = {
        "fileName": name,
        "filePath": path,
        "downloadUrl": link,
        "fileSize": size,
        "mimeType": media_type,
        "uploadedAt": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return {"success": True, **envelope(data, message="File uploaded successfully")}


def input_of(
    kind: str, text: str, voice: str, lines: list[dict[str, str]], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The `input` that a task is remembered by."""
    theirs = {name: settings[ours] for name, ours in SETTINGS.items() if ours in settings}
    if kind == "isolation":
        return {}
    if kind == "dialogue":
        return {"dialogue": lines, **theirs}
    return {"text": text, "voice": voice, **theirs}


def _data(task: Task) -> dict[str, Any]:
    state = STATES.get(task.state, "generating")
    is_over = state in ("success", "fail")
    finished_at = (task.finished_at or task.updated_at) if is_over else None
    order: dict[str, Any] = {"model": task.model, "input": task.input}
    if task.callback_url:
        order["callBackUrl"] = task.callback_url
    result = json.dumps({"resultUrls": list(task.links)}) if state == "success" else None
    taken = _ms(finished_at) - _ms(task.created_at) if finished_at else None
    return {
        "taskId": task.id,
        "model": task.model,
        "state": state,
        "param": json.dumps(order, ensure_ascii=False),
        "resultJson": result,
        "failCode": task.failure_code or None,
        "failMsg": task.failure_message or None,
        "costTime": taken,
        "createTime": _ms(task.created_at),
        "updateTime": _ms(task.updated_at),
        "completeTime": _ms(finished_at) if finished_at else None,
        "creditsConsumed": task.credits if is_over else None,
    }


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(422, f"{name} must be an object")
    return value


def _text(given: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    value = given.get(name)
    if value is None and not required:
        return ""
    if value is None or value == "":
        if required:
            raise Refusal(422, f"{name} is required")
        return ""
    if not isinstance(value, str):
        raise Refusal(422, f"{name} must be a string")
    if len(markup.countable(value)) > LONGEST_TEXT:
        raise Refusal(422, f"{name} must not exceed {LONGEST_TEXT} characters")
    return value
