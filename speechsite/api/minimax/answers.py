"""Our answers in MiniMax's words. Pure translation: no database, no clock.

Every answer holds `base_resp`; a refusal has an HTTP status as well, as relay
gateways give it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from speechsite.audio import markup
from speechsite.audio.formats import OutputFormat

OK = 0
UNKNOWN = 1000
RATE = 1002
KEY = 1004
BALANCE = 1008
INTERNAL = 1013
MODERATED = 1026
INVALID = 2013
NO_RIGHT = 2042
NO_VOICE = 2054

# The HTTP status of a code, by our statuses the other way round.
STATUSES = {RATE: 429, KEY: 401, BALANCE: 402, INTERNAL: 503, NO_RIGHT: 403}
CODES = {
    401: (KEY, "鉴权失败,请检查 API-Key 是否正确"),
    402: (BALANCE, "insufficient balance"),
    403: (KEY, "the key may not do this"),
    429: (RATE, "触发限流,请稍后再试"),
    503: (INTERNAL, "internal service error"),
}
STATES = {
    "queued": "Processing",
    "processing": "Processing",
    "succeeded": "Success",
    "failed": "Failed",
    "canceled": "Failed",
}
CHINESE = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# A full stop ends a sentence only before a blank: 3.5 is one word.
SENTENCE = re.compile(r"(?:[^。！？!?；;\n.]|\.(?!\s|$))*(?:[。！？!?；;\n]+|\.|$)")


class Refusal(Exception):
    """A request that cannot be taken, with MiniMax's code."""

    def __init__(self, code: int, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUSES.get(code, 400)


@dataclass(frozen=True, slots=True)
class Sentence:
    """text[start:end] sounds from start_ms to end_ms."""

    start: int
    end: int
    start_ms: int
    end_ms: int


def base(code: int = OK, message: str = "success") -> dict[str, Any]:
    """What every answer holds."""
    return {"base_resp": {"status_code": code, "status_msg": message}}


def refused(status: int, message: str) -> Refusal:
    """A refusal of ours, by its HTTP status, with the words that MiniMax's clients know."""
    code, known = CODES.get(status, (INVALID, ""))
    said = known if code in (KEY, RATE) and status != 403 else message or known
    return Refusal(code, said, status if status in (402, 403, 404, 409, 413, 429) else None)


def created(number: int, token: str, characters: int) -> dict[str, Any]:
    """The answer to t2a_async_v2: one number names the task and its file."""
    return {
        "task_id": str(number),
        "task_token": token,
        "file_id": number,
        "usage_characters": characters,
        **base(),
    }


def queried(number: int, state: str) -> dict[str, Any]:
    """The answer to the query; the file is named once it is there."""
    answer: dict[str, Any] = {"task_id": number, "status": STATES.get(state, "Processing")}
    if answer["status"] == "Success":
        answer["file_id"] = number
    return {**answer, **base()}


def described(
    number: int, *, size: int, created_at: int, name: str, purpose: str, link: str = ""
) -> dict[str, Any]:
    """A file, as upload and retrieval tell of it."""
    file: dict[str, Any] = {
        "file_id": number,
        "bytes": size,
        "created_at": created_at,
        "filename": name,
        "purpose": purpose,
    }
    if link:
        file["download_url"] = link
    return {"file": file, **base()}


def notes(
    *, milliseconds: int, sound: OutputFormat, size: int, codec: str, text: str
) -> dict[str, Any]:
    """`extra_info`, and the `.extra` file of an archive."""
    return {
        "audio_length": milliseconds,
        "audio_sample_rate": sound.rate,
        "audio_size": size,
        "bitrate": sound.bitrate or 0,
        "word_count": sum(1 for letter in text if not letter.isspace()),
        "invisible_character_ratio": 0,
        "usage_characters": characters_of(text),
        "audio_format": codec,
        "audio_channel": sound.channels,
    }


def spoken(audio: str, *, status: int = 2, trace: str = "", **more: Any) -> dict[str, Any]:
    """The answer to t2a_v2, or one event of its stream."""
    extra = more.pop("extra_info", None)
    answer: dict[str, Any] = {"data": {"audio": audio, "status": status, **more}}
    if extra is not None:
        answer["extra_info"] = extra
    return {**answer, "trace_id": trace, **base()}


def voices(
    system: Sequence[Mapping[str, Any]], cloned: Sequence[Mapping[str, Any]], wanted: str
) -> dict[str, Any]:
    """The answer to get_voice; lists that were not asked for are empty."""
    return {
        "system_voice": list(system) if wanted in ("system", "all") else [],
        "voice_cloning": list(cloned) if wanted in ("voice_cloning", "all") else [],
        "voice_generation": [],
        **base(),
    }


def characters_of(text: str) -> int:
    """Characters as MiniMax bills them: a Chinese one counts twice; here none that draws nothing."""
    return len(markup.countable(text)) + len(CHINESE.findall(text))


def titles(text: str, sentences: Sequence[Sentence]) -> list[dict[str, Any]]:
    """The `.titles` file: sentences with their times."""
    return [
        {
            "text": text[one.start : one.end],
            "pronounce_text": text[one.start : one.end],
            "time_begin": float(one.start_ms),
            "time_end": float(one.end_ms),
            "text_begin": one.start,
            "text_end": one.end,
        }
        for one in sentences
    ]


def sentences(text: str, words: Sequence[tuple[int, int, int, int]]) -> list[Sentence]:
    """Word times gathered to sentences; a sentence without a timed word is left out."""
    found: list[Sentence] = []
    at = 0
    for match in SENTENCE.finditer(text):
        said = []
        while at < len(words) and words[at][0] < match.end():
            said.append(words[at])
            at += 1
        stripped = match.group().strip()
        if not said or not stripped:
            continue
        start = match.start() + match.group().index(stripped)
        times = [word[2] for word in said], [word[3] for word in said]
        found.append(Sentence(start, start + len(stripped), min(times[0]), max(times[1])))
    return found
