"""A fake ElevenLabs: strict about requests, honest about sound, moody on demand."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes import sound, tones
from tests.fakes.upstream import BrokenOff, Fault, Part, Task, Upstream, html, parts_of

STREAMED_FORMATS = frozenset(
    [
        "mp3_22050_32",
        "mp3_24000_48",
        "mp3_44100_32",
        "mp3_44100_64",
        "mp3_44100_96",
        "mp3_44100_128",
        "mp3_44100_192",
        "pcm_8000",
        "pcm_16000",
        "pcm_22050",
        "pcm_24000",
        "pcm_32000",
        "pcm_44100",
        "pcm_48000",
        "ulaw_8000",
        "alaw_8000",
        "opus_48000_32",
        "opus_48000_64",
        "opus_48000_96",
        "opus_48000_128",
        "opus_48000_192",
    ]
)
WAV_FORMATS = frozenset(f"wav_{rate}" for rate in (8000, 16000, 22050, 24000, 32000, 44100, 48000))
MEDIA_TYPES = {"mp3": "audio/mpeg", "pcm": "audio/pcm", "wav": "audio/wav", "opus": "audio/ogg"}

# Model: characters per request, credits per character.
MODELS = {
    "eleven_multilingual_v2": (10_000, 1.0),
    "eleven_flash_v2_5": (40_000, 0.5),
    "eleven_turbo_v2_5": (40_000, 0.5),
    "eleven_flash_v2": (30_000, 0.5),
    "eleven_turbo_v2": (30_000, 0.5),
    "eleven_v3": (5_000, 1.0),
}
TAKES_LANGUAGE = frozenset({"eleven_flash_v2_5", "eleven_turbo_v2_5", "eleven_v3"})
SPEECH_KEYS = frozenset(
    [
        "text",
        "model_id",
        "language_code",
        "voice_settings",
        "pronunciation_dictionary_locators",
        "seed",
        "previous_text",
        "next_text",
        "previous_request_ids",
        "next_request_ids",
        "apply_text_normalization",
        "apply_language_text_normalization",
        "use_pvc_as_ivc",
        "audio_effects",
    ]
)
DIALOGUE_KEYS = frozenset(
    [
        "inputs",
        "model_id",
        "language_code",
        "settings",
        "previous_text",
        "future_text",
        "seed",
        "pronunciation_dictionary_locators",
        "apply_text_normalization",
        "use_pvc_as_ivc",
        "previous_request_ids",
        "next_request_ids",
        "audio_effects",
    ]
)
SETTING_KEYS = frozenset(
    ["stability", "similarity_boost", "style", "use_speaker_boost", "speed", "clone_strength"]
)
QUERY_KEYS = frozenset({"output_format", "enable_logging", "optimize_streaming_latency"})

VOICES = {
    "21m00Tcm4TlvDq8ikWAM": ("Rachel", "female", "american"),
    "TX3LPaxmHKxFdv7VOQHJ": ("Liam", "male", "american"),
    "JBFqnCBsd6RMkjVDRZzb": ("George", "male", "british"),
}


class Refusal(Exception):
    """An answer other than the one that was asked for."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(str(detail))
        self.response = httpx.Response(status, json={"detail": detail})


def refusal(http: int, kind: str, code: str, message: str, status: str = "") -> Refusal:
    return Refusal(
        http,
        {
            "type": kind,
            "code": code,
            "message": message,
            "status": status or code,
            "request_id": "c0ffee",
            "param": None,
        },
    )


REFUSALS = {
    Fault.SERVER_ERROR: (500, "internal_error", "internal_error", "something broke"),
    Fault.MAINTENANCE: (503, "service_unavailable", "maintenance", "back soon"),
    Fault.BAD_KEY: (401, "authentication_error", "unauthorized", "bad key", "invalid_api_key"),
    Fault.REJECTED: (400, "validation_error", "invalid_parameters", "not like this"),
    Fault.MODERATED: (400, "validation_error", "content_violation", "against the policy"),
}


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
            self.voices[voice_id] = _voice(voice_id, name, "premade", labels)

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
                return httpx.Response(200, json=_subscription(self.quota, self.credits))
            case ["GET", "v1", "history"]:
                return self._history_page(request)
            case ["GET", "v1", "history", item, "audio"]:
                return self._history_audio(item, request)
        raise Refusal(404, "Not Found")

    # What costs something

    def _speech(self, request: httpx.Request, voice: str, form: list[str]) -> httpx.Response:
        body = _json(request)
        _check_schema(body, "text", "voice_settings")
        self._check_key(request)
        _check_keys(body, SPEECH_KEYS)
        output_format = _output_format(request, form)
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
        body = _json(request)
        _check_schema(body, "inputs", "settings")
        self._check_key(request)
        _check_keys(body, DIALOGUE_KEYS)
        output_format = _output_format(request, form)
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
        parts = _form(request)
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
                audio=audio or tones.tone(output_format, _milliseconds(text)),
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
        headers = _headers(task)
        if "with-timestamps" in form:
            headers["content-type"] = "application/json"
            pieces = self._lines(task, text, 4 if "stream" in form else 1)
        else:
            headers["content-type"] = _media_type(output_format)
            pieces = _cut(task.audio, 4)
        if task.fault is Fault.AUDIO_EMPTY:
            pieces = []
        if task.fault is Fault.AUDIO_TRUNCATED:
            stream = BrokenOff(b"".join(pieces))
            return httpx.Response(200, headers=headers, stream=stream)
        return httpx.Response(200, headers=headers, content=_flow(pieces))

    def _lines(self, task: Task, text: str, count: int) -> list[bytes]:
        """The sound in lines; each names its characters, timed from the very start."""
        sounds = _cut(task.audio, count)
        step = _step(text)
        share = -(-len(text) // len(sounds))
        lines = []
        for at, piece in enumerate(sounds):
            alignment = _alignment(text, at * share, (at + 1) * share, step)
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
        parts = _form(request)
        name = parts.get("name", Part(b"")).content.decode()
        if not name or not parts.get("files", Part(b"")).filename:
            raise Refusal(422, [{"type": "missing", "loc": ["body", "name"], "msg": "required"}])
        fault = self.next_fault()
        self._refuse(fault, request)
        labels = json.loads(parts.get("labels", Part(b"null")).content) or {}
        voice_id = f"clone{next(self._numbers):015d}"
        self.voices[voice_id] = _voice(voice_id, name, "cloned", labels)
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
                "content_type": _media_type(output_format),
                "output_format": output_format,
                "alignments": {"alignment": _alignment(text, 0, len(text), _step(text))},
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
            raise _bad_key()

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


def _bad_key() -> Refusal:
    return refusal(*REFUSALS[Fault.BAD_KEY])


def _json(request: httpx.Request) -> dict[str, Any]:
    try:
        body = json.loads(request.content)
    except ValueError:
        raise Refusal(422, [{"type": "json_invalid", "loc": ["body"], "msg": "bad"}]) from None
    if not isinstance(body, dict):
        raise Refusal(422, [{"type": "dict_type", "loc": ["body"], "msg": "an object please"}])
    return body


def _form(request: httpx.Request) -> dict[str, Part]:
    parts = parts_of(request)
    if not parts:
        raise Refusal(422, [{"type": "missing", "loc": ["body"], "msg": "a form please"}])
    return parts


def _check_schema(body: Mapping[str, Any], required: str, settings: str) -> None:
    kind = str if required == "text" else list
    if not isinstance(body.get(required), kind):
        raise Refusal(
            422, [{"type": "missing", "loc": ["body", required], "msg": "Field required"}]
        )
    for name in ("stability", "similarity_boost"):
        value = (body.get(settings) or {}).get(name)
        if value is not None and not 0 <= value <= 1:
            raise Refusal(
                422,
                [
                    {
                        "type": "less_than_equal",
                        "loc": ["body", settings, name],
                        "msg": "Input should be less than or equal to 1",
                        "input": value,
                    }
                ],
            )


def _check_keys(body: Mapping[str, Any], known: frozenset[str]) -> None:
    strange = set(body) - known | set(body.get("voice_settings") or {}) - SETTING_KEYS
    if strange:
        raise refusal(400, "validation_error", "invalid_parameters", f"unknown: {strange}")


def _output_format(request: httpx.Request, form: list[str]) -> str:
    if form not in ([], ["stream"], ["with-timestamps"], ["stream", "with-timestamps"]):
        raise Refusal(404, "Not Found")
    if set(request.url.params) - QUERY_KEYS:
        raise refusal(400, "validation_error", "invalid_parameters", "unknown query")
    name = request.url.params.get("output_format", "mp3_44100_128")
    known = STREAMED_FORMATS if "stream" in form else STREAMED_FORMATS | WAV_FORMATS
    if name not in known:
        raise refusal(400, "validation_error", "invalid_output_format", f"no format {name}")
    return name


def _milliseconds(text: str) -> int:
    return min(2000, 300 + 20 * len(text) // 100 * 100)


def _headers(task: Task) -> dict[str, str]:
    cost = str(round(task.credits))
    if task.fault is Fault.NEGATIVE_USAGE:
        cost = "-5"
    if task.fault is Fault.ABSURD_USAGE:
        cost = "9" * 30
    return {"request-id": task.id, "history-item-id": task.id, "character-cost": cost}


def _media_type(output_format: str) -> str:
    return MEDIA_TYPES.get(output_format.partition("_")[0], "audio/basic")


def _cut(data: bytes, count: int) -> list[bytes]:
    size = -(-len(data) // count)
    return [data[at : at + size] for at in range(0, len(data), size)]


async def _flow(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _step(text: str) -> float:
    return _milliseconds(text) / 1000 / max(1, len(text))


def _alignment(text: str, first: int, last: int, step: float) -> dict[str, list[Any]]:
    places = range(first, min(last, len(text)))
    return {
        "characters": [text[place] for place in places],
        "character_start_times_seconds": [round(place * step, 3) for place in places],
        "character_end_times_seconds": [round((place + 1) * step, 3) for place in places],
    }


def _voice(voice_id: str, name: str, category: str, labels: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "voice_id": voice_id,
        "name": name,
        "category": category,
        "labels": dict(labels),
        "description": None,
        "preview_url": None,
        "available_for_tiers": [],
        "high_quality_base_model_ids": [],
        "verified_languages": None,
    }


def _subscription(quota: int, left: float) -> dict[str, Any]:
    return {
        "tier": "creator",
        "character_count": round(quota - left),
        "character_limit": quota,
        "max_credit_limit_extension": "unlimited",
        "can_extend_character_limit": True,
        "allowed_to_extend_character_limit": False,
        "voice_slots_used": 3,
        "voice_limit": 30,
        "can_use_instant_voice_cloning": True,
        "status": "active",
        "open_invoices": [],
        "has_open_invoices": False,
    }
