"""What MiniMax insists on, and how it shapes its answers."""

from __future__ import annotations

import io
import json
import re
import tarfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from tests.fakes.upstream import (
    Fault,
    Part,
    Task,
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


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """An archive as MiniMax packs it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def ok(answer: Mapping[str, Any]) -> httpx.Response:
    base = {"status_code": 0, "status_msg": "success"}
    return httpx.Response(200, json={**answer, "base_resp": base})


def event_of(event: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()


async def flow(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def file_id_of(task: Task) -> int:
    # Not the file id that the creation named.
    return int(task.id) + 52


def audio_asked(body: Mapping[str, Any], rate_key: str, channels: int) -> tuple[int, str, int, int]:
    setting = body.get("audio_setting", {})
    return (
        setting.get(rate_key, 32000),
        setting.get("format", "mp3"),
        setting.get("bitrate", 128000),
        setting.get("channel", channels),
    )


def length_of(text: str) -> int:
    return min(2000, 300 + 20 * len(text) // 100 * 100)


def titles_of(task: Task) -> list[dict[str, Any]]:
    """Sentence times, with positions in the text as it was sent."""
    text = task.body["spoken"]
    step = length_of(text) / max(1, len(text))
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


def text_of_file(file: Part) -> str:
    if not file.filename.endswith(".zip"):
        return file.content.decode()
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        if not all(re.fullmatch(r"\d+\.(txt|json)", name) for name in archive.namelist()):
            raise invalid("check file in zip error")
        return "".join(archive.read(name).decode() for name in archive.namelist())


def check_pauses(text: str) -> None:
    parts = re.split(r"<#[^#]*#>", text)
    if len(parts) > 1 and not all(any(map(str.isalnum, part)) for part in parts):
        raise invalid("a pause stands between two spoken parts")
    for mark in re.findall(r"<#[^#]*#>", text):
        found = PAUSE.fullmatch(mark)
        if found is None or not 0.01 <= float(found[1]) <= 99.99:
            raise invalid("pause")


def check_voice_setting(voice: Mapping[str, Any]) -> None:
    for key, low, high in (("speed", 0.5, 2), ("vol", 0.01, 10), ("pitch", -12, 12)):
        if key in voice and not within(voice[key], low, high):
            raise invalid(key)
    if type(voice.get("pitch", 0)) is not int:
        raise invalid("pitch")
    if voice.get("emotion", "calm") not in EMOTIONS:
        raise invalid("emotion")


def check_audio_setting(audio: Mapping[str, Any], rate_key: str) -> None:
    if set(audio) - AUDIO_KEYS - {rate_key}:
        raise invalid("audio_setting")
    if audio.get("format", "mp3") not in FORMATS or audio.get(rate_key, 32000) not in RATES:
        raise invalid("audio format")
    if audio.get("bitrate", 128000) not in BITRATES or audio.get("channel", 1) not in (1, 2):
        raise invalid("bitrate or channel")


def check_options(body: Mapping[str, Any]) -> None:
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
