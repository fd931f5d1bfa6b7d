"""A fake ElevenLabs: strict about requests, honest about sound, moody on demand."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes import sound, tones
from tests.fakes.elevenlabs_rules import (
    DIALOGUE_KEYS,
    MODELS,
    REFUSALS,
    SPEECH_KEYS,
    TAKES_LANGUAGE,
    VOICES,
    Refusal,
    alignment_of,
    bad_key,
    check_keys,
    check_schema,
    cut,
    flow,
    form_in,
    format_asked,
    headers_of,
    length_of,
    media_type_of,
    object_in,
    refusal,
    step_of,
    subscription_of,
    voice_entry,
)
from tests.fakes.upstream import BrokenOff, Fault, Part, Task, Upstream, html


@dataclass
class FakeElevenLabs(Upstream):
    """ElevenLabs with three voices. `credits` is what is left of its quota.

    `rate_word` chooses between the two kinds of 429, `funds_status` between the
    two ways in which an empty quota is told.
    """

    quota: int = 100_000
    credits: float = 100_000
    rate_word: str = "too_many_concurrent_requests"
    funds_status: int = 401
    maximum_concurrent: int = 10
    page_size: int = 100
    gives_alignment: bool = True
    voices: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        for voice_id, (name, gender, accent) in VOICES.items():
            labels = {"gender": gender, "accent": accent, "language": "en", "age": "middle_aged"}
            self.voices[voice_id] = voice_entry(voice_id, name, "premade", labels)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._route(request)
        except Refusal as refused:
            response = refused.response
        response.headers["current-concurrent-requests"] = str(self.in_flight)
        response.headers["maximum-concurrent-requests"] = str(self.maximum_concurrent)
        return response

    def _route(self, request: httpx.Request) -> httpx.Response:
        steps = request.url.path.strip("/").split("/")
        match [request.method, *steps]:
            case ["POST", "v1", "text-to-speech", voice, *form]:
                return self._speech(request, voice, form)
            case ["POST", "v1", "text-to-dialogue", *form]:
                return self._dialogue(request, form)
            case ["POST", "v1", "audio-isolation"] | ["POST", "v1", "audio-isolation", "stream"]:
                return self._isolation(request)
            case _:
                self._check_key(request)
                return self._account(request, steps)

    def _account(self, request: httpx.Request, steps: list[str]) -> httpx.Response:
        if self.everywhere:
            self._refuse(self.next_fault(), request)
        match [request.method, *steps]:
            case ["GET", "v2", "voices"]:
                return self._voice_page(request)
            case ["GET", "v1", "voices"]:
                return httpx.Response(200, json={"voices": list(self.voices.values())})
            case ["POST", "v1", "voices", "add"]:
                return self._add_voice(request)
            case ["DELETE", "v1", "voices", voice]:
                self._known_voice(voice)
                del self.voices[voice]
                return httpx.Response(200, json={"status": "ok"})
            case ["GET", "v1", "user", "subscription"]:
                return httpx.Response(200, json=subscription_of(self.quota, self.credits))
            case ["GET", "v1", "history"]:
                return self._history_page(request)
            case ["GET", "v1", "history", item, "audio"]:
                return self._history_audio(item, request)
        raise Refusal(404, "Not Found")

    # What costs something

    def _speech(self, request: httpx.Request, voice: str, form: list[str]) -> httpx.Response:
        body = object_in(request)
        check_schema(body, "text", "voice_settings")
        self._check_key(request)
        check_keys(body, SPEECH_KEYS)
        output_format = format_asked(request, form)
        self._known_voice(voice)
        text = body["text"]
        self._check_model(body, len(text))
        if not text.strip():
            raise refusal(400, "validation_error", "empty_text", "text is empty")
        if body.get("model_id") == "eleven_v3" and ("previous_text" in body or "next_text" in body):
            raise refusal(400, "validation_error", "unsupported_model", "no context for eleven_v3")
        item = {"voice_id": voice, "voice_name": self.voices[voice]["name"], "text": text}
        task = self._take(request, body, text, output_format)
        self._remember(task, item, output_format, text)
        return self._hand_out(task, request, form, output_format, text)

    def _dialogue(self, request: httpx.Request, form: list[str]) -> httpx.Response:
        body = object_in(request)
        check_schema(body, "inputs", "settings")
        self._check_key(request)
        check_keys(body, DIALOGUE_KEYS)
        output_format = format_asked(request, form)
        turns = body["inputs"]
        if not turns or len({turn["voice_id"] for turn in turns}) > 10:
            raise refusal(400, "validation_error", "invalid_parameters", "one to ten voices")
        for turn in turns:
            self._known_voice(turn["voice_id"])
        text = "".join(turn["text"] for turn in turns)
        self._check_model(body, len(text))
        task = self._take(request, body, text, output_format)
        item = {"dialogue": turns, "text": None, "voice_id": None}
        self._remember(task, item, output_format, text)
        return self._hand_out(task, request, form, output_format, text)

    def _isolation(self, request: httpx.Request) -> httpx.Response:
        parts = form_in(request)
        if not parts.get("audio", Part(b"")).filename:
            raise Refusal(422, [{"type": "missing", "loc": ["body", "audio"], "msg": "required"}])
        self._check_key(request)
        body = {"bytes": len(parts["audio"].content), "filename": parts["audio"].filename}
        audio = sound.as_mp3(parts["audio"].content)
        task = self._take(request, body, " " * 17, "mp3_44100_128", audio)
        return self._hand_out(task, request, [], "mp3_44100_128", "")

    def _take(
        self,
        request: httpx.Request,
        body: dict[str, Any],
        text: str,
        output_format: str,
        audio: bytes = b"",
    ) -> Task:
        fault = self.next_fault()
        self._refuse(fault, request)
        model = str(body.get("model_id", "eleven_multilingual_v2"))
        cost = round(len(text) * MODELS[model][1])
        if cost > self.credits:
            raise self._no_funds()
        self.credits -= cost
        now = self.clock()
        return self.accept(
            Task(
                id=f"item{next(self._numbers):016d}",
                model=model,
                body={**body, "path": request.url.path, "query": dict(request.url.params)},
                audio=audio or tones.tone(output_format, length_of(text)),
                fault=fault,
                accepted_at=now,
                ready_at=now,
                credits=cost,
            )
        )

    def _hand_out(
        self, task: Task, request: httpx.Request, form: list[str], output_format: str, text: str
    ) -> httpx.Response:
        if task.fault is Fault.DROP_AFTER:
            raise self.drop(request)
        if task.fault is Fault.GATEWAY:
            return html(502)
        if task.fault in (Fault.NOT_JSON, Fault.AUDIO_HTML):
            return html(200)
        if task.fault is Fault.NEVER_ENDS:
            raise httpx.ReadTimeout("the sound never came", request=request)
        headers = headers_of(task)
        if "with-timestamps" in form:
            headers["content-type"] = "application/json"
            pieces = self._lines(task, text, 4 if "stream" in form else 1)
        else:
            headers["content-type"] = media_type_of(output_format)
            pieces = cut(task.audio, 4)
        if task.fault is Fault.AUDIO_EMPTY:
            pieces = []
        if task.fault is Fault.AUDIO_TRUNCATED:
            stream = BrokenOff(b"".join(pieces))
            return httpx.Response(200, headers=headers, stream=stream)
        return httpx.Response(200, headers=headers, content=flow(pieces))

    def _lines(self, task: Task, text: str, count: int) -> list[bytes]:
        """The sound in lines; each names its characters, timed from the very start."""
        sounds = cut(task.audio, count)
        step = step_of(text)
        share = -(-len(text) // len(sounds))
        lines = []
        for at, piece in enumerate(sounds):
            alignment = alignment_of(text, at * share, (at + 1) * share, step)
            line = {
                "audio_base64": base64.b64encode(piece).decode(),
                "alignment": alignment if self.gives_alignment else None,
                "normalized_alignment": None,
            }
            lines.append(json.dumps(line).encode() + b"\n")
        if task.fault is Fault.TASK_FAILS:
            complaint = {"detail": {"status": "generation_failed", "message": "lost the thread"}}
            return [lines[0], json.dumps(complaint).encode() + b"\n"]
        return lines

    # Voices and history

    def _voice_page(self, request: httpx.Request) -> httpx.Response:
        size = min(int(request.url.params.get("page_size", 10)), self.page_size)
        if not 1 <= size <= 100:
            raise refusal(400, "validation_error", "invalid_page_size", "1 to 100")
        start = int(request.url.params.get("next_page_token") or 0)
        voices = list(self.voices.values())
        more = start + size < len(voices)
        return httpx.Response(
            200,
            json={
                "voices": voices[start : start + size],
                "has_more": more,
                "total_count": len(voices),
                "next_page_token": str(start + size) if more else None,
            },
        )

    def _add_voice(self, request: httpx.Request) -> httpx.Response:
        parts = form_in(request)
        name = parts.get("name", Part(b"")).content.decode()
        if not name or not parts.get("files", Part(b"")).filename:
            raise Refusal(422, [{"type": "missing", "loc": ["body", "name"], "msg": "required"}])
        fault = self.next_fault()
        self._refuse(fault, request)
        labels = json.loads(parts.get("labels", Part(b"null")).content) or {}
        voice_id = f"clone{next(self._numbers):015d}"
        self.voices[voice_id] = voice_entry(voice_id, name, "cloned", labels)
        if fault is Fault.DROP_AFTER:
            raise self.drop(request)
        return httpx.Response(200, json={"voice_id": voice_id, "requires_verification": False})

    def _history_page(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        size = min(int(query.get("page_size", 100)), self.page_size)
        items = [
            item
            for item in reversed(self.history)
            if query.get("voice_id") in (None, item["voice_id"])
            and item["date_unix"] >= int(query.get("date_after_unix", 0))
        ]
        ids = [item["history_item_id"] for item in items]
        last = query.get("start_after_history_item_id")
        start = ids.index(last) + 1 if last in ids else 0
        page = items[start : start + size]
        return httpx.Response(
            200,
            json={
                "history": page,
                "has_more": start + size < len(items),
                "last_history_item_id": page[-1]["history_item_id"] if page else None,
            },
        )

    def _history_audio(self, item_id: str, request: httpx.Request) -> httpx.Response:
        task = self.tasks.get(item_id)
        if task is None or self.fault is Fault.LINK_GONE:
            raise refusal(404, "not_found", "history_item_not_found", "no such item")
        item = next(item for item in self.history if item["history_item_id"] == item_id)
        headers = {"content-type": item["content_type"]}
        return httpx.Response(200, headers=headers, content=task.audio)

    def _remember(self, task: Task, item: Mapping[str, Any], output_format: str, text: str) -> None:
        left = round(self.quota - self.credits)
        self.history.append(
            {
                **item,
                "history_item_id": task.id,
                "request_id": task.id,
                "model_id": task.model,
                "date_unix": int(time.time()),
                "character_count_change_from": left - round(task.credits),
                "character_count_change_to": left,
                "content_type": media_type_of(output_format),
                "output_format": output_format,
                "alignments": {"alignment": alignment_of(text, 0, len(text), step_of(text))},
                "state": "created",
                "source": "TTS",
            }
        )

    # What it insists on

    def _check_key(self, request: httpx.Request) -> None:
        given = request.headers.get("xi-api-key")
        kind = "authentication_error"
        if given is None and "authorization" in request.headers:
            raise refusal(401, kind, "invalid_authorization_header", "use xi-api-key")
        if given is None:
            raise refusal(401, kind, "missing_api_key", "no key", "needs_authorization")
        if given != self.key:
            raise bad_key()

    def _refuse(self, fault: Fault, request: httpx.Request) -> None:
        """Faults that strike before anything is accepted."""
        if fault is Fault.DROP_BEFORE:
            raise self.drop(request)
        if fault is Fault.RATE_LIMIT:
            refused = refusal(
                429, "rate_limit_error", self.rate_word, "too many at once", self.rate_word
            )
            refused.response.headers["retry-after"] = str(self.retry_after)
            raise refused
        if fault is Fault.NO_FUNDS:
            raise self._no_funds()
        if fault in REFUSALS:
            raise refusal(*REFUSALS[fault])

    def _no_funds(self) -> Refusal:
        if self.funds_status == 402:
            return refusal(402, "payment_required", "insufficient_credits", "quota is used up")
        return refusal(401, "authentication_error", "unauthorized", "used up", "quota_exceeded")

    def _known_voice(self, voice: str) -> None:
        if voice not in self.voices:
            raise refusal(404, "not_found", "voice_not_found", f"no voice {voice}")

    def _check_model(self, body: Mapping[str, Any], length: int) -> None:
        model = body.get("model_id", "eleven_multilingual_v2")
        if model not in MODELS:
            raise refusal(400, "validation_error", "unsupported_model", f"no model {model}")
        if length > MODELS[model][0]:
            word = "max_character_limit_exceeded"
            raise refusal(400, "validation_error", "text_too_long", "too long", word)
        if body.get("language_code") and model not in TAKES_LANGUAGE:
            raise refusal(400, "validation_error", "unsupported_model", "no language_code here")
