"""A fake MiniMax, at its own host and behind a relay gateway's `/minimax` prefix."""

from __future__ import annotations

import io
import itertools
import json
import re
import tarfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes import tones
from tests.fakes.upstream import (
    BrokenOff,
    Fault,
    Part,
    Task,
    Upstream,
    html,
    json_of,
    parts_of,
    within,
)

PREFIX = "/minimax"
MODELS = frozenset(
    f"speech-{version}-{quality}"
    for version in ("2.8", "2.6", "02", "01")
    for quality in ("hd", "turbo")
)
EMOTIONS = frozenset(
    {"happy", "sad", "angry", "fearful", "disgusted", "surprised", "calm", "fluent", "whisper"}
)
FORMATS = frozenset({"mp3", "pcm", "flac", "wav"})
RATES = frozenset({8000, 16000, 22050, 24000, 32000, 44100})
BITRATES = frozenset({32000, 64000, 128000, 256000})
EFFECTS = frozenset({"spacious_echo", "auditorium_echo", "lofi_telephone", "robotic"})
VOICES = {
    "audiobook_male_1": "Audiobook",
    "English_Graceful_Lady": "Graceful Lady",
    "Chinese (Mandarin)_Lyrical_Voice": "Lyrical Voice",
    "moss_audio_ce44fc67-7ce3-11f0-8de5-96e35d26fb85": "Moss",
    "male-qn-qingse": "Fresh youth",
}

SHARED_KEYS = frozenset(
    {
        "model", "text", "voice_setting", "audio_setting", "pronunciation_dict",
        "language_boost", "voice_modify", "aigc_watermark",
    }
)  # fmt: skip
TASK_KEYS = SHARED_KEYS | {"text_file_id"}
STREAM_KEYS = SHARED_KEYS | {
    "stream", "stream_options", "timbre_weights", "subtitle_enable", "subtitle_type",
    "output_format",
}  # fmt: skip
VOICE_KEYS = frozenset({"voice_id", "speed", "vol", "pitch", "emotion", "latex_read"})
AUDIO_KEYS = frozenset({"bitrate", "format", "channel"})

# Our fault, MiniMax's code, and the HTTP status that a gateway puts on it.
REFUSALS = {
    Fault.SERVER_ERROR: (1013, 500, "internal service error"),
    Fault.MAINTENANCE: (1033, 503, "downstream error"),
    Fault.RATE_LIMIT: (1002, 429, "rate limit"),
    Fault.NO_FUNDS: (1008, 402, "insufficient balance"),
    Fault.BAD_KEY: (1004, 401, "login fail"),
    Fault.REJECTED: (2013, 400, "invalid params"),
    Fault.MODERATED: (1026, 400, "input new_sensitive"),
}
PAUSE = re.compile(r"<#(\d+(?:\.\d{1,2})?)#>")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{6,254}[A-Za-z0-9]")


class Refusal(Exception):
    """A non-zero `base_resp`."""

    def __init__(self, code: int, http: int, message: str) -> None:
        super().__init__(message)
        self.code, self.http, self.message = code, http, message


def invalid(message: str) -> Refusal:
    return Refusal(2013, 400, f"invalid params, {message}")


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
        rate, codec, bitrate, channels = _audio(body, "audio_sample_rate", 2)
        name = f"mp3_{rate}_{bitrate // 1000}" if codec == "mp3" else f"{codec}_{rate}"
        task = self._take(body, text, fault, tones.tone(name, _milliseconds(text), channels))
        if fault is Fault.DROP_AFTER:
            raise self.drop(request)
        if fault is Fault.GATEWAY:
            return html(502)
        usage: Any = round(task.credits)
        if fault in (Fault.NEGATIVE_USAGE, Fault.ABSURD_USAGE):
            usage = -1 if fault is Fault.NEGATIVE_USAGE else 10**18
        return _ok(
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
            return _ok({**answer, "status": "Pondering"})
        if self.progress(task) < 1:
            return _ok({**answer, "status": "Processing"})
        if task.fault is Fault.TASK_FAILS:
            return _ok({**answer, "status": "Failed"})
        return _ok({**answer, "status": "Success", "file_id": _file_id(task)})

    def _retrieve(self, request: httpx.Request) -> httpx.Response:
        task = self._by_file(request.url.params.get("file_id", ""))
        described: dict[str, Any] = {
            "file_id": _file_id(task),
            "bytes": 0,
            "created_at": 1_767_225_600,
            "filename": f"{_file_id(task)}.tar",
            "purpose": "t2a_async",
        }
        if self.links:
            origin = self.base_url.removesuffix(PREFIX)
            described["download_url"] = f"{origin}/download/{_file_id(task)}"
        return _ok({"file": described})

    def _retrieve_content(self, request: httpx.Request) -> httpx.Response:
        return self._content(self._by_file(request.url.params.get("file_id", "")))

    def _download(self, request: httpx.Request, name: str) -> httpx.Response:
        if name.endswith(".titles"):
            task = self._task(name.removesuffix(".titles"))
            return httpx.Response(200, content=json.dumps(_titles(task)))
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
        rate, codec, bitrate, _ = _audio(task.body, "audio_sample_rate", 2)
        notes = {
            "audio_length": _milliseconds(task.body["spoken"]),
            "audio_sample_rate": rate,
            "audio_size": len(task.audio),
            "bitrate": bitrate,
        }
        stem = f"{_file_id(task)}/content-{task.id}"
        return tar_of(
            {
                f"{stem}.{codec}": task.audio,
                f"{stem}.titles": json.dumps(_titles(task)).encode(),
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
        rate, codec, bitrate, channels = _audio(body, "sample_rate", 1)
        if codec == "wav":
            raise invalid("wav cannot be streamed")
        fault = self._next(request)
        if fault in (Fault.NOT_JSON, Fault.AUDIO_HTML):
            self._take(body, text, fault, b"")
            return html(200)
        name = f"mp3_{rate}_{bitrate // 1000}" if codec == "mp3" else f"{codec}_{rate}"
        audio = tones.tone(name, _milliseconds(text), channels)
        task = self._take(body, text, fault, audio)
        if fault is Fault.DROP_AFTER:
            raise self.drop(request)
        if fault is Fault.GATEWAY:
            return html(502)
        events = self._events(task)
        headers = {"content-type": "text/event-stream"}
        if fault is Fault.AUDIO_TRUNCATED:
            return httpx.Response(200, headers=headers, stream=BrokenOff(b"".join(events)))
        return httpx.Response(200, headers=headers, content=_flow(events))

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
            return [_event(events[0]), _event({"data": None, "base_resp": base})]
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
        return [*map(_event, events), b"data: [DONE]\n\n"]

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
        return _ok({"file": {**described, "purpose": purpose, "created_at": 1_767_225_600}})

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
        return _ok({"system_voice": system, "voice_cloning": cloned, "voice_generation": None})

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
        return _ok({"input_sensitive": {"type": 0}, "demo_audio": ""})

    def _delete_voice(self, request: httpx.Request) -> httpx.Response:
        body = json_of(request)
        if body.get("voice_type") not in ("voice_cloning", "voice_generation"):
            raise invalid("voice_type")
        if body.get("voice_id") not in self.clones:
            raise Refusal(2054, 400, "voice id not exist")
        del self.clones[body["voice_id"]]
        return _ok({"voice_id": body["voice_id"]})

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
            if str(_file_id(task)) == file_id:
                return task
        raise invalid("file_id")

    def _text(self, body: Mapping[str, Any]) -> str:
        if ("text" in body) == ("text_file_id" in body):
            raise invalid("one of text and text_file_id")
        if "text" in body:
            text = body["text"]
            if not isinstance(text, str) or not text.strip() or len(text) > 50_000:
                raise invalid("text")
            _check_pauses(text)
            return text
        file_id = body["text_file_id"]
        # A number in quotes is refused as well.
        if type(file_id) is not int:
            raise invalid("text_file_id")
        if file_id not in self.uploads:
            raise invalid("text_file_id not found")
        return _file_text(self.uploads[file_id])

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
        _check_voice_setting(voice)
        _check_audio_setting(body.get("audio_setting", {}), rate_key)
        _check_options(body)

    def _check_voice(self, voice: Any) -> None:
        if voice not in self.voices and voice not in self.clones:
            raise Refusal(2054, 400, "voice id not exist")


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """An archive as MiniMax packs it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _ok(answer: Mapping[str, Any]) -> httpx.Response:
    base = {"status_code": 0, "status_msg": "success"}
    return httpx.Response(200, json={**answer, "base_resp": base})


def _event(event: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()


async def _flow(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _file_id(task: Task) -> int:
    # Not the file id that the creation named.
    return int(task.id) + 52


def _audio(body: Mapping[str, Any], rate_key: str, channels: int) -> tuple[int, str, int, int]:
    setting = body.get("audio_setting", {})
    return (
        setting.get(rate_key, 32000),
        setting.get("format", "mp3"),
        setting.get("bitrate", 128000),
        setting.get("channel", channels),
    )


def _milliseconds(text: str) -> int:
    return min(2000, 300 + 20 * len(text) // 100 * 100)


def _titles(task: Task) -> list[dict[str, Any]]:
    """Sentence times, with positions in the text as it was sent."""
    text = task.body["spoken"]
    step = _milliseconds(text) / max(1, len(text))
    return [
        {
            "text": found[0],
            "pronounce_text": found[0],
            "time_begin": found.start() * step,
            "time_end": found.end() * step,
            "text_begin": found.start(),
            "text_end": found.end(),
        }
        for found in re.finditer(r"[^。！？.!?]+[。！？.!?]*", text)
    ]


def _file_text(file: Part) -> str:
    if not file.filename.endswith(".zip"):
        return file.content.decode()
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        if not all(re.fullmatch(r"\d+\.(txt|json)", name) for name in archive.namelist()):
            raise invalid("check file in zip error")
        return "".join(archive.read(name).decode() for name in archive.namelist())


def _check_pauses(text: str) -> None:
    parts = re.split(r"<#[^#]*#>", text)
    if len(parts) > 1 and not all(any(map(str.isalnum, part)) for part in parts):
        raise invalid("a pause stands between two spoken parts")
    for mark in re.findall(r"<#[^#]*#>", text):
        found = PAUSE.fullmatch(mark)
        if found is None or not 0.01 <= float(found[1]) <= 99.99:
            raise invalid("pause")


def _check_voice_setting(voice: Mapping[str, Any]) -> None:
    for key, low, high in (("speed", 0.5, 2), ("vol", 0.01, 10), ("pitch", -12, 12)):
        if key in voice and not within(voice[key], low, high):
            raise invalid(key)
    if type(voice.get("pitch", 0)) is not int:
        raise invalid("pitch")
    if voice.get("emotion", "calm") not in EMOTIONS:
        raise invalid("emotion")


def _check_audio_setting(audio: Mapping[str, Any], rate_key: str) -> None:
    if set(audio) - AUDIO_KEYS - {rate_key}:
        raise invalid("audio_setting")
    if audio.get("format", "mp3") not in FORMATS or audio.get(rate_key, 32000) not in RATES:
        raise invalid("audio format")
    if audio.get("bitrate", 128000) not in BITRATES or audio.get("channel", 1) not in (1, 2):
        raise invalid("bitrate or channel")


def _check_options(body: Mapping[str, Any]) -> None:
    tones_given = body.get("pronunciation_dict", {"tone": []})["tone"]
    if not all(isinstance(tone, str) and "/" in tone for tone in tones_given):
        raise invalid("pronunciation_dict")
    modify = body.get("voice_modify", {})
    for key in ("pitch", "intensity", "timbre"):
        if not within(modify.get(key, 0), -100, 100):
            raise invalid(key)
    if "sound_effects" in modify and modify["sound_effects"] not in EFFECTS:
        raise invalid("sound_effects")
    if not isinstance(body.get("aigc_watermark", False), bool):
        raise invalid("aigc_watermark")
