"""A fake speech server: OpenAI itself, or one of the four that people run themselves.

`kind` chooses whose lists, errors and formats it has; `tests/wire/openai` holds what they say.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.fakes import tones
from tests.fakes.upstream import BrokenOff, Fault, Task, Upstream, html

WIRE = Path(__file__).parents[1] / "wire" / "openai"
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
NAMES = {"pcm": "pcm_24000", "wav": "wav_24000", "mp3": "mp3_24000_64", "flac": "flac_24000"}
MEDIA_TYPES = {
    "pcm": "audio/pcm", "wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac",
}  # fmt: skip
KEYS = frozenset({"model", "input", "voice", "response_format", "speed", "stream_format"})
KEYS |= {"instructions"}
# HTTP status, code and type of what it refuses, as OpenAI words it.
REFUSALS: dict[Fault, tuple[int, str, str]] = {
    Fault.SERVER_ERROR: (500, "", "server_error"),
    Fault.MAINTENANCE: (503, "", "server_error"),
    Fault.RATE_LIMIT: (429, "rate_limit_exceeded", "requests"),
    Fault.NO_FUNDS: (429, "insufficient_quota", "insufficient_quota"),
    Fault.BAD_KEY: (401, "invalid_api_key", "invalid_request_error"),
    Fault.REJECTED: (400, "string_too_long", "invalid_request_error"),
    Fault.MODERATED: (400, "content_policy_violation", "invalid_request_error"),
}


def wire(name: str) -> Any:
    """One of the documented messages."""
    return json.loads((WIRE / f"{name}.json").read_text(encoding="utf-8"))


class Refused(Exception):
    def __init__(self, status: int, message: str, code: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.kind = status, code, kind or "invalid_request_error"


@dataclass
class FakeOpenAI(Upstream):
    """With an empty `key` it asks for none. `pieces` of a sound come `pause` seconds apart."""

    kind: str = "kokoro"
    pieces: int = 4
    spoken: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self.models = wire(f"models_{self.kind}")
        self.voices = None if self.kind == "openai" else wire(f"voices_{self.kind}")

    async def answer(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._route(request)
        except Refused as refused:
            return self._refusal(refused)

    def _route(self, request: httpx.Request) -> httpx.Response:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            raise Refused(401, "Incorrect API key provided.", "invalid_api_key")
        match request.method, request.url.path:
            case "POST", "/v1/audio/speech":
                return self._speech(request)
            case "GET", "/v1/models":
                return self._listed(self.models, request)
            case "GET", "/v1/audio/voices" if self.voices is not None:
                return self._listed(self.voices, request)
        raise Refused(404, "Invalid URL", "unknown_url")

    def _listed(self, body: Any, request: httpx.Request) -> httpx.Response:
        if self.everywhere:
            self._strike(self.next_fault(), request)
        return httpx.Response(200, json=body)

    def _speech(self, request: httpx.Request) -> httpx.Response:
        try:
            body = json.loads(request.content)
        except ValueError:
            raise Refused(400, "We could not parse the JSON body of your request.") from None
        self._check(body)
        fault = self.next_fault()
        self._strike(fault, request)
        kind = body.get("response_format", "mp3")
        if self.kind == "localai" and kind == "pcm":
            kind = "wav"  # it converts to files only
        milliseconds = min(20_000, max(500, len(body["input"]) * 65))
        now = self.clock()
        self.spoken.append(body)
        number = f"speech-{next(self._numbers)}"
        audio = tones.tone(NAMES[kind], milliseconds)
        task = self.accept(Task(number, body["model"], body, audio, fault, now, now))
        return self._hand_out(task, kind, request)

    def _check(self, body: Any) -> None:
        if self.kind == "openai" and (strange := sorted(set(body) - KEYS)):
            raise Refused(400, f"Unknown parameter: '{strange[0]}'.", "unknown_parameter")
        listed = [row["id"] for row in self.models["data"]]
        if body["model"] not in listed:
            raise Refused(404, f"The model '{body['model']}' does not exist", "model_not_found")
        if self.voices is not None and body["voice"] not in self._voice_names():
            raise Refused(400, f"Voice '{body['voice']}' not found.", "validation_error")
        if not 0 < len(body["input"]) <= 4096 or body["response_format"] not in FORMATS:
            raise Refused(400, "input or response_format", "invalid_value")
        if not 0.25 <= body.get("speed", 1) <= 4:
            raise Refused(400, "speed", "decimal_below_min_value")

    def _voice_names(self) -> set[str]:
        rows = self.voices["voices"] if isinstance(self.voices, dict) else self.voices or []
        return {row if isinstance(row, str) else row.get("id") or row["name"] for row in rows}

    def _strike(self, fault: Fault, request: httpx.Request) -> None:
        if fault is Fault.DROP_BEFORE:
            raise self.drop(request)
        if fault in REFUSALS:
            status, code, kind = REFUSALS[fault]
            raise Refused(status, f"The fake says {fault}.", code, kind)

    def _hand_out(self, task: Task, kind: str, request: httpx.Request) -> httpx.Response:
        if task.fault is Fault.DROP_AFTER:
            raise self.drop(request)
        if task.fault is Fault.GATEWAY:
            return html(502)
        if task.fault in (Fault.NOT_JSON, Fault.AUDIO_HTML):
            return html(200)
        headers = {"content-type": MEDIA_TYPES[kind]}
        if task.fault is Fault.AUDIO_EMPTY:
            return httpx.Response(200, headers=headers)
        if task.fault is Fault.AUDIO_TRUNCATED:
            return httpx.Response(200, headers=headers, stream=BrokenOff(task.audio))
        return httpx.Response(200, headers=headers, content=self._flow(task.audio))

    async def _flow(self, audio: bytes) -> AsyncIterator[bytes]:
        size = -(-len(audio) // self.pieces)
        for at in range(0, len(audio), size):
            yield audio[at : at + size]

    def _refusal(self, refused: Refused) -> httpx.Response:
        message = str(refused)
        headers = {"retry-after": str(self.retry_after)} if refused.status == 429 else {}
        told: Any = {"message": message, "type": refused.kind, "param": None, "code": refused.code}
        body: Any = {"error": told}
        # Wrong keys and the rest of what strikes are worded as OpenAI does everywhere.
        if self.kind == "kokoro" and refused.status in (400, 404):
            code = refused.code if refused.code != "model_not_found" else "invalid_model"
            body = {"detail": {"error": code, "message": message, "type": refused.kind}}
        if self.kind == "speaches" and refused.status in (400, 404):
            body = {"detail": message}
        return httpx.Response(refused.status, json=body, headers=headers)


def open_wav(audio: bytes) -> bytes:
    """The same WAV as somebody writes it who does not know its length yet."""
    at = audio.index(b"data") + 4
    unknown = struct.pack("<I", 0xFFFF_FFFF)
    return audio[:4] + unknown + audio[8:at] + unknown + audio[at + 4 :]
