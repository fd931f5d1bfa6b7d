"""A fake kie.ai: envelopes, market tasks, callbacks, uploads, download links.

Strict where the documentation is: what kie would refuse, this refuses. API and
upload host are one here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes import sound
from tests.fakes.upstream import (
    Fault,
    Task,
    Upstream,
    html,
    json_of,
    parts_of,
    within,
)

SPEECH = {"elevenlabs/text-to-speech-multilingual-v2": 12, "elevenlabs/text-to-speech-turbo-2-5": 6}
TURBO = "elevenlabs/text-to-speech-turbo-2-5"
DIALOGUE = "elevenlabs/text-to-dialogue-v3"
ISOLATION = "elevenlabs/audio-isolation"
NUMBERS = {"stability": (0, 1), "similarity_boost": (0, 1), "style": (0, 1), "speed": (0.7, 1.2)}
SPEECH_FIELDS = {"text", "voice", "timestamps", "previous_text", "next_text", *NUMBERS}
MEDIA = {"audio/mpeg", "audio/wav", "audio/x-wav", "audio/aac", "audio/mp4", "audio/ogg"}
WINDOW = 10  # seconds

# fault -> (code, msg) of the envelope
SUBMIT_FAULTS = {
    Fault.SERVER_ERROR: (500, "Server exception, please try again later"),
    Fault.MAINTENANCE: (455, "The service is under maintenance"),
    Fault.NO_FUNDS: (402, "Credits insufficient"),
    Fault.BAD_KEY: (401, "You do not have access permissions"),
    Fault.REJECTED: (500, "This field is required"),
    Fault.MODERATED: (422, "Your text was flagged by our content policy"),
}


class Refusal(Exception):
    """An envelope that is not a success."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code, self.msg = code, msg


@dataclass
class FakeKie(Upstream):
    """Remembers tasks and uploads. `http_errors` sends codes as HTTP statuses too."""

    base_url: str = "https://kie.test"
    webhook_key: str = ""
    http_errors: bool = False
    creates_per_window: int | None = None  # documented: 20 in 10 seconds
    uploads: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    created_at: list[float] = field(default_factory=list)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        path, method = request.url.path, request.method
        if not request.headers.get("user-agent"):
            return httpx.Response(403, html="error code: 1010")
        if path.startswith(("/results/", "/temporary/")):
            return self._result(request)
        try:
            self._authenticate(request)
            if (method, path) == ("POST", "/api/v1/jobs/createTask"):
                return await self._create(request)
            if (method, path) == ("GET", "/api/v1/jobs/recordInfo"):
                return self._record(request)
            if (method, path) == ("GET", "/api/v1/chat/credit"):
                return _ok(self.credits)
            if (method, path) == ("POST", "/api/v1/common/download-url"):
                return self._download_url(request)
            if (method, path) == ("POST", "/api/file-stream-upload"):
                return self._upload(request)
            raise Refusal(404, "Not found")
        except Refusal as refusal:
            return self._refused(refusal)

    def _authenticate(self, request: httpx.Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise Refusal(401, "You do not have access permissions")
        if self.everywhere and self.fault:
            self._break(self.next_fault(), request)

    def _break(self, fault: Fault, request: httpx.Request) -> None:
        if fault is Fault.DROP_BEFORE:
            raise self.drop(request)
        if fault in SUBMIT_FAULTS:
            code, msg = SUBMIT_FAULTS[fault]
            raise Refusal(code, f"{msg}: {self.key}" if fault is Fault.BAD_KEY else msg)
        if fault is Fault.RATE_LIMIT:
            raise Refusal(429, "Too many requests, your call frequency is too high")

    async def _create(self, request: httpx.Request) -> httpx.Response:
        if "json" not in request.headers.get("content-type", ""):
            raise Refusal(400, "The request is not JSON")
        body = json_of(request)
        fault = Fault.NONE if self.everywhere else self.next_fault()
        self._break(fault, request)
        self._count_create()
        self._validate(body)
        task = self.accept(self._task(body, fault))
        await self._plan_callbacks(task)
        if fault is Fault.DROP_AFTER:
            raise self.drop(request)
        if fault in (Fault.GATEWAY, Fault.NOT_JSON):
            return html(502 if fault is Fault.GATEWAY else 200)
        return _ok({"taskId": task.id})

    def _count_create(self) -> None:
        now = self.clock()
        self.created_at = [at for at in self.created_at if at > now - WINDOW] + [now]
        if self.creates_per_window and len(self.created_at) > self.creates_per_window:
            self.created_at.pop()
            raise Refusal(429, "Too many requests, your call frequency is too high")

    def _validate(self, body: dict[str, Any]) -> None:
        model, fields = body.get("model"), body.get("input")
        callback = body.get("callBackUrl")
        if not isinstance(fields, dict):
            raise Refusal(500, "This field is required")
        if callback is not None and not str(callback).startswith(("http://", "https://")):
            raise Refusal(422, "callBackUrl must be a URL")
        if model in SPEECH:
            return self._validate_speech(model, fields)
        if model == DIALOGUE:
            return _validate_dialogue(fields)
        if model == ISOLATION:
            return self._validate_isolation(fields)
        raise Refusal(422, "The model name you specified is not supported")

    def _validate_speech(self, model: str, fields: dict[str, Any]) -> None:
        _no_others(fields, SPEECH_FIELDS | ({"language_code"} if model == TURBO else set()))
        if not fields.get("text") or (model != TURBO and not fields.get("voice")):
            raise Refusal(500, "This field is required")
        for name in ("text", "previous_text", "next_text"):
            if not isinstance(fields.get(name, ""), str) or len(fields.get(name, "")) > 5000:
                raise Refusal(422, f"{name} exceeds the maximum length of 5000")
        for name, (low, high) in NUMBERS.items():
            if name in fields and not within(fields[name], low, high):
                raise Refusal(422, f"{name} is not within the range limits")
        if not isinstance(fields.get("timestamps", False), bool):
            raise Refusal(422, "timestamps must be a boolean")

    def _validate_isolation(self, fields: dict[str, Any]) -> None:
        _no_others(fields, {"audio_url"})
        upload = self.uploads.get(fields.get("audio_url", ""))
        if upload is None:
            raise Refusal(422, "audio_url is invalid")
        if len(upload[0]) > 10 * 1024 * 1024 or upload[1] not in MEDIA:
            raise Refusal(422, "audio_url: file type or size is not supported")

    def _task(self, body: dict[str, Any], fault: Fault) -> Task:
        model, fields, now = body["model"], body["input"], self.clock()
        text = fields.get("text") or "".join(line["text"] for line in fields.get("dialogue", []))
        if model == ISOLATION:
            audio = sound.as_mp3(self.uploads[fields["audio_url"]][0])
            price = 0.1 * max(1, len(audio) // 16000)
        else:
            audio = sound.for_text(text)
            price = SPEECH.get(model, 14) * math.ceil(len(text) / 1000)
        return Task(
            id=secrets.token_hex(16),
            model=model,
            body=body,
            audio=audio,
            fault=fault,
            accepted_at=now,
            ready_at=now + self.delay,
            credits=price,
            callback_url=body.get("callBackUrl") or "",
        )

    def _record(self, request: httpx.Request) -> httpx.Response:
        task_id = request.url.params.get("taskId")
        if not task_id:
            raise Refusal(400, "taskId is required")
        if task_id not in self.tasks:
            raise Refusal(422, "recordInfo is null")
        return _ok(self.record_of(self.tasks[task_id]))

    def record_of(self, task: Task) -> dict[str, Any]:
        """The `data` of recordInfo and of callbacks."""
        done = self.progress(task)
        created = int(time.time() * 1000)
        record: dict[str, Any] = {
            "taskId": task.id,
            "model": task.model,
            "state": _state(done),
            "param": json.dumps(task.body),
            "resultJson": "",
            "failCode": None,
            "failMsg": None,
            "costTime": None,
            "createTime": created,
            "updateTime": created,
            "completeTime": None,
        }
        if task.fault is Fault.UNKNOWN_STATE:
            return record | {"state": "paused_for_review"}
        if done < 1:
            return record
        record |= {"completeTime": created, "costTime": int(self.delay * 1000)}
        if task.fault is Fault.TASK_FAILS:
            return record | _failed("500", "Internal Error, please try again later")
        if task.fault is Fault.MODERATED:
            return record | _failed("422", "The content was flagged by moderation")
        links = {"resultUrls": [f"{self.base_url}/results/{task.id}.mp3"]}
        credits = {Fault.NEGATIVE_USAGE: -6, Fault.ABSURD_USAGE: 10**18}.get(
            task.fault, task.credits
        )
        return record | {"resultJson": json.dumps(links), "creditsConsumed": credits}

    def callback_for(self, task: Task, *, forged: bool = False) -> httpx.Request:
        """A callback as kie sends it; signed where a webhook key is set."""
        record = self.record_of(task)
        failed = record["state"] == "fail"
        if forged:
            links = {"resultUrls": ["https://elsewhere.test/other.mp3"]}
            record |= {"state": "success", "resultJson": json.dumps(links)}
        sent_at = str(int(time.time()))
        headers = {"User-Agent": "kie"}
        if self.webhook_key:
            key = b"somebody else's" if forged else self.webhook_key.encode()
            digest = hmac.new(key, f"{task.id}.{sent_at}".encode(), hashlib.sha256).digest()
            headers["X-Webhook-Timestamp"] = sent_at
            headers["X-Webhook-Signature"] = base64.b64encode(digest).decode()
        msg = "Playground task failed." if failed else "Playground task completed successfully."
        body = {"code": 501 if failed else 200, "msg": msg, "data": record}
        return httpx.Request("POST", task.callback_url, json=body, headers=headers)

    async def _plan_callbacks(self, task: Task) -> None:
        quiet = (Fault.CALLBACK_LOST, Fault.NEVER_ENDS, Fault.UNKNOWN_STATE)
        if not task.callback_url or task.fault in quiet:
            return
        if task.fault is Fault.CALLBACK_EARLY:  # before the task's id was told, and true
            task.ready_at = task.accepted_at
            await self.send_callback(self.callback_for(task))
            return
        if task.fault is Fault.CALLBACK_FORGED:
            await self.send_callback(self.callback_for(task, forged=True))
        late = self.late_by if task.fault is Fault.CALLBACK_LATE else 0
        for _ in range(2 if task.fault is Fault.CALLBACK_TWICE else 1):
            self.call_back_later(lambda: self.callback_for(task), self.delay + late)

    def _result(self, request: httpx.Request) -> httpx.Response:
        task = self.tasks.get(request.url.path.rpartition("/")[2].removesuffix(".mp3"))
        if task is None:
            return httpx.Response(404)
        return self.sound(task, request)

    def _download_url(self, request: httpx.Request) -> httpx.Response:
        url = str(json_of(request).get("url", ""))
        if not url.startswith(f"{self.base_url}/results/"):
            raise Refusal(422, "The URL is not supported")
        return _ok(url.replace("/results/", "/temporary/"))

    def _upload(self, request: httpx.Request) -> httpx.Response:
        parts = parts_of(request)
        file, folder = parts.get("file"), parts.get("uploadPath")
        if file is None or folder is None or folder.content.strip(b"/") != folder.content:
            raise Refusal(400, "file and uploadPath are required")
        name = parts["fileName"].content.decode() if "fileName" in parts else secrets.token_hex(8)
        path = f"kieai/1001/{folder.content.decode()}/{name}"
        link = f"{self.base_url}/uploads/{path}"
        self.uploads[link] = (file.content, file.media_type)
        data = {
            "fileName": name,
            "filePath": path,
            "downloadUrl": link,
            "fileSize": len(file.content),
            "mimeType": file.media_type,
            "uploadedAt": "2026-01-01T00:00:00.000Z",
        }
        answer = {"success": True, "code": 200, "msg": "File uploaded successfully", "data": data}
        return httpx.Response(200, json=answer)

    def _refused(self, refusal: Refusal) -> httpx.Response:
        status = refusal.code if self.http_errors else 200
        headers = {}
        if refusal.code == 429 and self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        body = {"code": refusal.code, "msg": refusal.msg, "data": None}
        return httpx.Response(status, json=body, headers=headers)


def _validate_dialogue(fields: dict[str, Any]) -> None:
    _no_others(fields, {"dialogue", "stability", "language_code"})
    lines = fields.get("dialogue")
    if not isinstance(lines, list) or not lines:
        raise Refusal(500, "This field is required")
    for line in lines:
        if not isinstance(line, dict) or not line.get("text") or not line.get("voice"):
            raise Refusal(500, "This field is required")
    if sum(len(line["text"]) for line in lines) > 5000:
        raise Refusal(422, "dialogue exceeds the maximum length of 5000")
    if fields.get("stability", 0.5) not in (0, 0.5, 1):
        raise Refusal(422, "stability is not within the range limits")


def _no_others(fields: dict[str, Any], known: set[str]) -> None:
    strange = sorted(set(fields) - known)
    if strange:
        raise Refusal(422, f"{strange[0]} is not supported by this model")


def _failed(code: str, msg: str) -> dict[str, Any]:
    return {"state": "fail", "failCode": code, "failMsg": msg, "creditsConsumed": 0}


def _state(done: float) -> str:
    if done >= 1:
        return "success"
    return "waiting" if done < 0.2 else "queuing" if done < 0.4 else "generating"


def _ok(data: Any) -> httpx.Response:
    return httpx.Response(200, json={"code": 200, "msg": "success", "data": data})
