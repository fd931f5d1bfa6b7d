"""A fake MiniMax, at its own host and behind a relay gateway's `/minimax` prefix."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes import tones
from tests.fakes.minimax_rules import (
    MODELS,
    NAME,
    PAUSE,
    PREFIX,
    REFUSALS,
    STREAM_KEYS,
    TASK_KEYS,
    VOICE_KEYS,
    VOICES,
    Refusal,
    audio_asked,
    check_audio_setting,
    check_options,
    check_pauses,
    check_voice_setting,
    event_of,
    file_id_of,
    flow,
    invalid,
    length_of,
    ok,
    tar_of,
    text_of_file,
    titles_of,
)
from tests.fakes.upstream import (
    BrokenOff,
    Fault,
    Part,
    Task,
    Upstream,
    html,
    json_of,
    parts_of,
)


@dataclass
class FakeMiniMax(Upstream):
    """MiniMax with five voices.

    `code` replaces the code that a fault is told in (both kinds of a rate
    limit, say), `archives` switches between a tar and bare sound, `links`
    between a link and `retrieve_content`.
    """

    code: int | None = None
    archives: bool = True
    links: bool = True
    repeats_whole: bool = False
    voices: dict[str, str] = field(default_factory=lambda: dict(VOICES))
    clones: dict[str, str] = field(default_factory=dict)
    uploads: dict[int, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(95_157_322_514_444)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        relayed = path.startswith(PREFIX)
        try:
            return self._route(request, path.removeprefix(PREFIX))
        except Refusal as refused:
            base = {"status_code": refused.code, "status_msg": refused.message}
            # MiniMax itself always answers 200; a gateway puts a status on it.
            headers = {"retry-after": str(self.retry_after)} if refused.http == 429 else {}
            status = refused.http if relayed else 200
            return httpx.Response(status, headers=headers, json={"base_resp": base})

    def _route(self, request: httpx.Request, path: str) -> httpx.Response:
        if request.method == "GET" and path.startswith("/download/"):
            return self._download(request, path.removeprefix("/download/"))
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise Refusal(1004, 401, "login fail: please carry the API secret key")
        if self.everywhere:
            self._refuse(self.next_fault(), request)
        routes = {
            ("POST", "/v1/t2a_async_v2"): self._create,
            ("GET", "/v1/query/t2a_async_query_v2"): self._query,
            ("GET", "/v1/files/retrieve"): self._retrieve,
            ("GET", "/v1/files/retrieve_content"): self._retrieve_content,
            ("POST", "/v1/files/upload"): self._upload,
            ("POST", "/v1/t2a_v2"): self._stream,
            ("POST", "/v1/get_voice"): self._voices,
            ("POST", "/v1/voice_clone"): self._clone,
            ("POST", "/v1/delete_voice"): self._delete_voice,
        }
        if request.url.path.startswith(PREFIX):
            routes["POST", "/v1/files"] = routes.pop(("POST", "/v1/files/upload"))
        route = routes.get((request.method, path))
        return route(request) if route else httpx.Response(404, text="404 page not found")

    # Tasks

    def _create(self, request: httpx.Request) -> httpx.Response:
        body = json_of(request)
        self._check(body, TASK_KEYS, "audio_sample_rate", "english_normalization")
        text = self._text(body)
        fault = self._next(request)
        if fault is Fault.NOT_JSON:
            return html(200)
        rate, codec, bitrate, channels = audio_asked(body, "audio_sample_rate", 2)
        name = f"mp3_{rate}_{bitrate // 1000}" if codec == "mp3" else f"{codec}_{rate}"
        task = self._take(body, text, fault, tones.tone(name, length_of(text), channels))
        if fault is Fault.DROP_AFTER:
            raise self.drop(request)
        if fault is Fault.GATEWAY:
            return html(502)
        usage: Any = round(task.credits)
        if fault in (Fault.NEGATIVE_USAGE, Fault.ABSURD_USAGE):
            usage = -1 if fault is Fault.NEGATIVE_USAGE else 10**18
        return ok(
            {
                "task_id": task.id,
                "task_token": "eyJhbGciOiJSUzI1NiJ9.secret",
                "file_id": int(task.id) + 1,
                "usage_characters": usage,
            }
        )

    def _query(self, request: httpx.Request) -> httpx.Response:
        task = self._task(request.url.params.get("task_id", ""))
        answer: dict[str, Any] = {"task_id": int(task.id)}
        if task.fault is Fault.UNKNOWN_STATE:
            return ok({**answer, "status": "Pondering"})
        if self.progress(task) < 1:
            return ok({**answer, "status": "Processing"})
        if task.fault is Fault.TASK_FAILS:
            return ok({**answer, "status": "Failed"})
        return ok({**answer, "status": "Success", "file_id": file_id_of(task)})

    def _retrieve(self, request: httpx.Request) -> httpx.Response:
        task = self._by_file(request.url.params.get("file_id", ""))
        described: dict[str, Any] = {
            "file_id": file_id_of(task),
            "bytes": 0,
            "created_at": 1_767_225_600,
            "filename": f"{file_id_of(task)}.tar",
            "purpose": "t2a_async",
        }
        if self.links:
            origin = self.base_url.removesuffix(PREFIX)
            described["download_url"] = f"{origin}/download/{file_id_of(task)}"
        return ok({"file": described})

    def _retrieve_content(self, request: httpx.Request) -> httpx.Response:
        return self._content(self._by_file(request.url.params.get("file_id", "")))

    def _download(self, request: httpx.Request, name: str) -> httpx.Response:
        if name.endswith(".titles"):
            task = self._task(name.removesuffix(".titles"))
            return httpx.Response(200, content=json.dumps(titles_of(task)))
        return self._content(self._by_file(name))

    def _content(self, task: Task) -> httpx.Response:
        kind = {"content-type": "application/octet-stream"}
        if task.fault is Fault.LINK_GONE:
            return httpx.Response(404, text="AccessDenied: the link has expired")
        if task.fault is Fault.AUDIO_HTML:
            return html(200)
        whole = self._archive(task) if self.archives else task.audio
        if task.fault is Fault.AUDIO_EMPTY:
            whole = b""
        if task.fault is Fault.AUDIO_TRUNCATED:
            headers = {**kind, "content-length": str(len(whole))}
            return httpx.Response(200, headers=headers, stream=BrokenOff(whole))
        return httpx.Response(200, headers=kind, content=whole)

    def _archive(self, task: Task) -> bytes:
        rate, codec, bitrate, _ = audio_asked(task.body, "audio_sample_rate", 2)
        notes = {
            "audio_length": length_of(task.body["spoken"]),
            "audio_sample_rate": rate,
            "audio_size": len(task.audio),
            "bitrate": bitrate,
        }
        stem = f"{file_id_of(task)}/content-{task.id}"
        return tar_of(
            {
                f"{stem}.{codec}": task.audio,
                f"{stem}.titles": json.dumps(titles_of(task)).encode(),
                f"{stem}.extra": json.dumps(notes).encode(),
            }
        )

    # The stream

    def _stream(self, request: httpx.Request) -> httpx.Response:
        body = json_of(request)
        self._check(body, STREAM_KEYS, "sample_rate", "text_normalization")
        if len(body.get("text") or "") >= 10_000:
            raise invalid("text too long")
        text = self._text(body)
        if body.get("stream") is not True or body.get("output_format", "hex") != "hex":
            raise invalid("this fake only streams hex")
        rate, codec, bitrate, channels = audio_asked(body, "sample_rate", 1)
        if codec == "wav":
            raise invalid("wav cannot be streamed")
        fault = self._next(request)
        if fault in (Fault.NOT_JSON, Fault.AUDIO_HTML):
            self._take(body, text, fault, b"")
            return html(200)
        name = f"mp3_{rate}_{bitrate // 1000}" if codec == "mp3" else f"{codec}_{rate}"
        audio = tones.tone(name, length_of(text), channels)
        task = self._take(body, text, fault, audio)
        if fault is Fault.DROP_AFTER:
            raise self.drop(request)
        if fault is Fault.GATEWAY:
            return html(502)
        events = self._events(task)
        headers = {"content-type": "text/event-stream"}
        if fault is Fault.AUDIO_TRUNCATED:
            return httpx.Response(200, headers=headers, stream=BrokenOff(b"".join(events)))
        return httpx.Response(200, headers=headers, content=flow(events))

    def _events(self, task: Task) -> list[bytes]:
        audio = b"" if task.fault is Fault.AUDIO_EMPTY else task.audio
        size = -(-len(audio) // 4) or 1
        events: list[Any] = [
            {"data": {"audio": audio[at : at + size].hex(), "status": 1}, "trace_id": "t"}
            for at in range(0, len(audio), size)
        ]
        if task.fault is Fault.TASK_FAILS:
            code, _, message = REFUSALS[Fault.SERVER_ERROR]
            base = {"status_code": self.code or code, "status_msg": message}
            return [event_of(events[0]), event_of({"data": None, "base_resp": base})]
        usage = {Fault.NEGATIVE_USAGE: -7, Fault.ABSURD_USAGE: 10**18}.get(
            task.fault, round(task.credits)
        )
        last: dict[str, Any] = {"status": 2, "audio": ""}
        excluded = task.body.get("stream_options", {}).get("exclude_aggregated_audio")
        if self.repeats_whole or not excluded:
            last["audio"] = audio.hex()
        if task.body.get("subtitle_enable"):
            last["subtitle_file"] = f"{self.base_url}/download/{task.id}.titles"
        events.append(
            {
                "data": last,
                "extra_info": {"usage_characters": usage, "audio_format": "mp3"},
                "base_resp": {"status_code": 0, "status_msg": "success"},
            }
        )
        if task.fault is Fault.NEVER_ENDS:
            events.pop()
        return [*map(event_of, events), b"data: [DONE]\n\n"]

    # Files and voices

    def _upload(self, request: httpx.Request) -> httpx.Response:
        parts = parts_of(request)
        purpose = parts.get("purpose", Part(b"")).content.decode()
        file = parts.get("file")
        if file is None or not file.filename:
            raise invalid("file is required")
        if purpose not in ("voice_clone", "prompt_audio", "t2a_async_input"):
            raise invalid("purpose")
        if purpose == "t2a_async_input" and not file.filename.endswith((".txt", ".zip")):
            raise invalid("file type")
        file_id = next(self._numbers)
        self.uploads[file_id] = file
        described = {"file_id": file_id, "bytes": len(file.content), "filename": file.filename}
        return ok({"file": {**described, "purpose": purpose, "created_at": 1_767_225_600}})

    def _voices(self, request: httpx.Request) -> httpx.Response:
        if json_of(request).get("voice_type") not in (
            "system", "voice_cloning", "voice_generation", "all",
        ):  # fmt: skip
            raise invalid("voice_type")
        system = [
            {"voice_id": voice, "voice_name": name, "description": [f"The voice {name}"]}
            for voice, name in self.voices.items()
        ]
        cloned = [{"voice_id": voice, "description": []} for voice in self.clones]
        return ok({"system_voice": system, "voice_cloning": cloned, "voice_generation": None})

    def _clone(self, request: httpx.Request) -> httpx.Response:
        body = json_of(request)
        voice = body.get("voice_id", "")
        if type(body.get("file_id")) is not int or body["file_id"] not in self.uploads:
            raise invalid("file_id")
        if not isinstance(voice, str) or not NAME.fullmatch(voice):
            raise invalid("voice_id")
        if voice in self.clones:
            raise Refusal(2039, 400, "voice clone voice id duplicate")
        fault = self._next(request)
        self.clones[voice] = self.uploads[body["file_id"]].filename
        if fault is Fault.DROP_AFTER:
            raise self.drop(request)
        return ok({"input_sensitive": {"type": 0}, "demo_audio": ""})

    def _delete_voice(self, request: httpx.Request) -> httpx.Response:
        body = json_of(request)
        if body.get("voice_type") not in ("voice_cloning", "voice_generation"):
            raise invalid("voice_type")
        if body.get("voice_id") not in self.clones:
            raise Refusal(2054, 400, "voice id not exist")
        del self.clones[body["voice_id"]]
        return ok({"voice_id": body["voice_id"]})

    # What it insists on

    def _next(self, request: httpx.Request) -> Fault:
        fault = self.next_fault()
        self._refuse(fault, request)
        return fault

    def _refuse(self, fault: Fault, request: httpx.Request) -> None:
        if fault is Fault.DROP_BEFORE:
            raise self.drop(request)
        if fault in REFUSALS:
            code, status, message = REFUSALS[fault]
            raise Refusal(self.code or code, status, message)

    def _take(self, body: dict[str, Any], text: str, fault: Fault, audio: bytes) -> Task:
        now = self.clock()
        billed = PAUSE.sub("", text)
        return self.accept(
            Task(
                id=str(next(self._numbers)),
                model=body["model"],
                body={**body, "spoken": text},
                audio=audio,
                fault=fault,
                accepted_at=now,
                ready_at=now + self.delay,
                credits=sum(2 if "一" <= letter <= "鿿" else 1 for letter in billed),
            )
        )

    def _task(self, task_id: str) -> Task:
        if task_id not in self.tasks:
            raise invalid("task_id")
        return self.tasks[task_id]

    def _by_file(self, file_id: str) -> Task:
        for task in self.tasks.values():
            if str(file_id_of(task)) == file_id:
                return task
        raise invalid("file_id")

    def _text(self, body: Mapping[str, Any]) -> str:
        if ("text" in body) == ("text_file_id" in body):
            raise invalid("one of text and text_file_id")
        if "text" in body:
            text = body["text"]
            if not isinstance(text, str) or not text.strip() or len(text) > 50_000:
                raise invalid("text")
            check_pauses(text)
            return text
        file_id = body["text_file_id"]
        # A number in quotes is refused as well.
        if type(file_id) is not int:
            raise invalid("text_file_id")
        if file_id not in self.uploads:
            raise invalid("text_file_id not found")
        return text_of_file(self.uploads[file_id])

    def _check(
        self, body: Mapping[str, Any], keys: frozenset[str], rate_key: str, reading_key: str
    ) -> None:
        if set(body) - keys:
            raise invalid(f"unknown {sorted(set(body) - keys)}")
        if body.get("model") not in MODELS:
            raise invalid("model")
        voice = body.get("voice_setting")
        if not isinstance(voice, dict) or set(voice) - VOICE_KEYS - {reading_key}:
            raise invalid("voice_setting")
        if not body.get("timbre_weights"):
            self._check_voice(voice.get("voice_id"))
        check_voice_setting(voice)
        check_audio_setting(body.get("audio_setting", {}), rate_key)
        check_options(body)

    def _check_voice(self, voice: Any) -> None:
        if voice not in self.voices and voice not in self.clones:
            raise Refusal(2054, 400, "voice id not exist")
