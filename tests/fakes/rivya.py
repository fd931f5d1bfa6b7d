"""A fake Rivya: generations under idempotency keys, files, credits, models.

Two creates with one key and one body are one task; with another body they are
a conflict.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes import sound
from tests.fakes.upstream import Fault, Task, Upstream, html, json_of, parts_of, within

BASE_CREDITS = {
    "elevenlabs-turbo-2-5": 6,
    "elevenlabs-multilingual-v2": 12,
    "elevenlabs-dialogue-v3": 14,
    "elevenlabs-audio-isolation": 1,
}
SPEECH = ("elevenlabs-turbo-2-5", "elevenlabs-multilingual-v2")
VOICES = [
    "TX3LPaxmHKxFdv7VOQHJ",
    "cgSgspJ2msm6clMCkdW9",
    "pNInz6obpgDQGcFmaJgB",
    "BIvP0GN1cAtSRTxNHnWS",
    "aMSt68OGf4xUZAnLpTU8",
]
NUMBERS = {"stability": (0, 1), "similarity_boost": (0, 1), "style": (0, 1), "speed": (0.7, 1.2)}
TEXTS = {"previous_text", "next_text", "language_code"}
MEDIA = {"audio/mpeg", "audio/mp4", "audio/wav", "audio/x-wav", "audio/aac", "audio/ogg"}
TIME = "2026-06-01T08:00:00.000Z"

# fault -> (HTTP status, error.code)
SUBMIT_FAULTS = {
    Fault.SERVER_ERROR: (500, "internal_error"),
    Fault.MAINTENANCE: (503, "public_api_disabled"),
    Fault.NO_FUNDS: (402, "insufficient_credits"),
    Fault.BAD_KEY: (401, "api_key_invalid"),
    Fault.REJECTED: (400, "validation_failed"),
    Fault.MODERATED: (400, "content_policy_violation"),
    Fault.RATE_LIMIT: (429, "rate_limited"),
}


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code.replace("_", " ")


@dataclass
class FakeRivya(Upstream):
    """Remembers tasks by idempotency key as well."""

    base_url: str = "https://rivya.test"
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)  # key -> body's hash, task id

    async def answer(self, request: httpx.Request) -> httpx.Response:
        path, method = request.url.path, request.method
        if path.startswith("/media/"):
            return self._media(request)
        try:
            if (method, path) == ("GET", "/api/v1/models"):
                return httpx.Response(200, json=_models())
            self._authenticate(request)
            if (method, path) == ("POST", "/api/v1/generations"):
                return self._create(request)
            if method == "GET" and path.startswith("/api/v1/generations/"):
                return self._status(path.rpartition("/")[2])
            if (method, path) == ("POST", "/api/v1/files"):
                return self._file(request)
            if (method, path) == ("GET", "/api/v1/credits"):
                return httpx.Response(200, json={"current_credits": self.credits})
            raise Refusal(404, "not_found")
        except Refusal as refusal:
            return self._refused(refusal)

    def _authenticate(self, request: httpx.Request) -> None:
        given = request.headers.get("authorization", "")
        if not given:
            raise Refusal(401, "api_key_missing")
        if given != f"Bearer {self.key}":
            raise Refusal(401, "api_key_invalid")
        if self.everywhere and self.fault:
            self._break(self.next_fault(), request)

    def _break(self, fault: Fault, request: httpx.Request) -> None:
        if fault is Fault.DROP_BEFORE:
            raise self.drop(request)
        if fault in SUBMIT_FAULTS:
            status, code = SUBMIT_FAULTS[fault]
            message = f"the key {self.key} is not valid" if fault is Fault.BAD_KEY else ""
            raise Refusal(status, code, message)

    def _create(self, request: httpx.Request) -> httpx.Response:
        body = json_of(request)
        fault = Fault.NONE if self.everywhere else self.next_fault()
        self._break(fault, request)
        self._validate(body)
        task = self._task_for(request, body, fault)
        if fault is Fault.DROP_AFTER:
            raise self.drop(request)
        if fault in (Fault.GATEWAY, Fault.NOT_JSON):
            return html(502 if fault is Fault.GATEWAY else 200)
        return httpx.Response(201, json=self.generation(task))

    def _task_for(self, request: httpx.Request, body: dict[str, Any], fault: Fault) -> Task:
        key = request.headers.get("idempotency-key", "")
        digest = hashlib.sha256(request.content).hexdigest()
        if key in self.keys:
            if self.keys[key][0] != digest:
                raise Refusal(409, "idempotency_conflict")
            return self.tasks[self.keys[key][1]]
        task = self.accept(self._task(body, fault))
        if key:
            self.keys[key] = digest, task.id
        return task

    def _task(self, body: dict[str, Any], fault: Fault) -> Task:
        params, now = body.get("params", {}), self.clock()
        lines = params.get("dialogue", [])
        text = body.get("prompt") or "".join(line["text"] for line in lines)
        base = BASE_CREDITS[body["model"]]
        if items := params.get("referenceMediaItems"):
            audio = sound.as_mp3(self.files[items[0]["url"]])
        else:
            audio = sound.for_text(text)
        return Task(
            id=f"task_{secrets.token_hex(8)}",
            model=body["model"],
            body=body,
            audio=audio,
            fault=fault,
            accepted_at=now,
            ready_at=now + self.delay,
            credits=base * max(1, math.ceil(len(text) / 1000)),
        )

    def _validate(self, body: dict[str, Any]) -> None:
        model, params = body.get("model"), body.get("params")
        _no_others(body, {"model", "prompt", "params", "client_request_id"})
        if model not in BASE_CREDITS or not isinstance(params, dict):
            raise Refusal(400, "validation_failed", "model and params are required")
        if len(str(body.get("client_request_id", ""))) > 128:
            raise Refusal(400, "validation_failed", "client_request_id is too long")
        if model in SPEECH:
            _validate_speech(body, params)
        elif model == "elevenlabs-dialogue-v3":
            _validate_dialogue(params)
        else:
            self._validate_media(params)

    def _validate_media(self, params: dict[str, Any]) -> None:
        _no_others(params, {"referenceMediaItems"})
        items = params.get("referenceMediaItems")
        if not isinstance(items, list) or len(items) != 1:
            raise Refusal(400, "validation_failed", "one recording is required")
        known = {"url", "kind", "name", "mimeType", "durationSeconds", "durationToken"}
        _no_others(items[0], known)
        if items[0].get("url") not in self.files or items[0].get("kind") != "audio":
            raise Refusal(400, "validation_failed", "the recording is not known")
        if items[0].get("durationToken") != _token(items[0]["url"]):
            raise Refusal(400, "validation_failed", "the duration cannot be checked")

    def _status(self, task_id: str) -> httpx.Response:
        if task_id not in self.tasks:
            raise Refusal(404, "not_found")
        return httpx.Response(200, json=self.generation(self.tasks[task_id]))

    def generation(self, task: Task) -> dict[str, Any]:
        """The task object of the create, status and webhook messages."""
        done = self.progress(task)
        shown: dict[str, Any] = {
            "id": task.id,
            "status": "succeeded" if done >= 1 else "processing" if done > 0.2 else "queued",
            "model": task.model,
            "reserved_credits": task.credits,
            "final_credits": 0,
            "created_at": TIME,
            "updated_at": TIME,
            "result": None,
            "error": None,
        }
        if task.fault is Fault.UNKNOWN_STATE:
            return shown | {"status": "in_review"}
        if done < 1:
            return shown
        if task.fault is Fault.TASK_FAILS:
            error = {"code": "generation_failed", "message": "The generation failed"}
            return shown | {"status": "failed", "error": error}
        link = f"{self.base_url}/media/{task.id}.mp3"
        absurd = {Fault.NEGATIVE_USAGE: -6, Fault.ABSURD_USAGE: 10**18}
        return shown | {
            "final_credits": absurd.get(task.fault, task.credits),
            "result": {"primary_url": link, "urls": [link]},
        }

    def webhook_for(self, task: Task) -> dict[str, Any]:
        """A webhook's body; its signature's recipe is not public."""
        return {
            "id": f"evt_{secrets.token_hex(8)}",
            "type": "generation.succeeded",
            "api_version": "2026-05-11",
            "created_at": TIME,
            "data": self.generation(task),
        }

    def _media(self, request: httpx.Request) -> httpx.Response:
        task = self.tasks.get(request.url.path.rpartition("/")[2].removesuffix(".mp3"))
        return httpx.Response(404) if task is None else self.sound(task, request)

    def _file(self, request: httpx.Request) -> httpx.Response:
        parts = parts_of(request)
        file, kind = parts.get("file"), parts.get("kind")
        if file is None or kind is None or kind.content != b"audio":
            raise Refusal(400, "validation_failed", "file and kind are required")
        if len(file.content) > 10 * 1024 * 1024 or file.media_type not in MEDIA:
            raise Refusal(400, "validation_failed", "this file is not taken")
        link = f"{self.base_url}/uploads/{secrets.token_hex(8)}"
        self.files[link] = file.content
        answer = {"id": f"file_{secrets.token_hex(6)}", "kind": "audio", "url": link}
        return httpx.Response(201, json=answer | {"duration_token": _token(link)})

    def _refused(self, refusal: Refusal) -> httpx.Response:
        said = {"code": refusal.code, "message": refusal.message, "requestId": "req_1"}
        headers = {}
        if refusal.status == 429 and self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        return httpx.Response(refusal.status, json={"error": said}, headers=headers)


def _validate_speech(body: dict[str, Any], params: dict[str, Any]) -> None:
    _no_others(params, {"voice", "timestamps", *NUMBERS, *TEXTS})
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not 0 < len(prompt) <= 5000:
        raise Refusal(400, "validation_failed", "prompt must have 1 to 5000 characters")
    if params.get("voice") not in VOICES:
        raise Refusal(400, "validation_failed", "voice is not an option")
    for name, (low, high) in NUMBERS.items():
        value = params.get(name, low)
        if not within(value, low, high) or abs(value * 20 - round(value * 20)) > 1e-6:
            raise Refusal(400, "validation_failed", f"{name} is not within its range and step")
    if params.get("timestamps", "false") not in ("true", "false"):
        raise Refusal(400, "validation_failed", "timestamps is not an option")
    for name in TEXTS & set(params):
        if not isinstance(params[name], str) or not params[name]:
            raise Refusal(400, "validation_failed", f"{name} must be a text")


def _validate_dialogue(params: dict[str, Any]) -> None:
    _no_others(params, {"dialogue", "default_voice", "stability", "language_code"})
    lines = params.get("dialogue")
    if not isinstance(lines, list) or not lines:
        raise Refusal(400, "validation_failed", "dialogue is required")
    if not all(isinstance(line, dict) and line.get("voice") and line.get("text") for line in lines):
        raise Refusal(400, "validation_failed", "each line needs a voice and a text")
    if params.get("stability", "0.5") not in ("0", "0.5", "1"):
        raise Refusal(400, "validation_failed", "stability is not an option")


def _no_others(fields: dict[str, Any], known: set[str]) -> None:
    strange = sorted(set(fields) - known)
    if strange:
        raise Refusal(400, "validation_failed", f"{strange[0]} is not known")


def _token(link: str) -> str:
    return hashlib.sha256(link.encode()).hexdigest()[:16]


def _models() -> dict[str, Any]:
    def model(name: str, credits: int) -> dict[str, Any]:
        voice = {"key": "voice", "type": "select", "required": True, "options": VOICES}
        return {
            "id": name,
            "display_name": name,
            "category": "audio",
            "base_credits": credits,
            "billing_type": "METERED",
            "max_prompt_length": 5000,
            "params": [voice] if name in SPEECH else [],
            "api_status": "available",
            "api_input_status": "available_text",
        }

    return {"object": "list", "data": [model(*row) for row in BASE_CREDITS.items()]}
