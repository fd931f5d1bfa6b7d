"""Whatever way a speech is asked for, its answer is one sound under one header.

Each answer is decoded to its end and compared with what its sentences last.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage

from jobs.models import Job, Segment
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import sockets
from speechsite.audio import decode, formats
from speechsite.credits import ledger
from speechsite.credits.models import Wallet
from tests.api.asgi import ask
from tests.jobs.conftest import work
from tests.jobs.upstream_site import LIAM, site

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]
Hear = Callable[[str, str, str, str, list[str]], bytes]

TOLERANCE_MS = 20
# What begins a sound of each container, and is nowhere else in it.
HEADERS = {"wav": b"RIFF", "flac": b"fLaC", "opus": b"OpusHead", "m4a": b"ftyp"}
# Three letters alone come up by chance in a few megabytes of sound.
NOTES = (b"Info", b"Xing", b"ID3\x03", b"ID3\x04")
SPEAKERS = {
    "builtin": ("builtin-speech", "en-us-anna"),
    "elevenlabs": ("eleven_multilingual_v2", LIAM),
}
TEXTS = [[f"This is sentence {n + 1} of it. " for n in range(count)] for count in (1, 2, 60)]


def openai(key: str, model: str, voice: str, form: str, text: list[str]) -> bytes:
    return _openai(key, model, voice, form, text).content


def openai_events(key: str, model: str, voice: str, form: str, text: list[str]) -> bytes:
    answer = _openai(key, model, voice, form, text, stream_format="sse")
    events = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]
    return b"".join(base64.b64decode(one["audio"]) for one in events if "audio" in one)


def _openai(key: str, model: str, voice: str, form: str, text: list[str], **more: Any) -> Any:
    body = {"model": model, "voice": voice, "input": "".join(text), "response_format": form}
    return _good(ask("POST", "/v1/audio/speech", key, json={**body, **more}))


def elevenlabs(key: str, model: str, voice: str, form: str, text: list[str]) -> bytes:
    return _elevenlabs(key, model, voice, form, text, "").content


def elevenlabs_stream(key: str, model: str, voice: str, form: str, text: list[str]) -> bytes:
    return _elevenlabs(key, model, voice, form, text, "/stream").content


def elevenlabs_timed(key: str, model: str, voice: str, form: str, text: list[str]) -> bytes:
    answer = _elevenlabs(key, model, voice, form, text, "/with-timestamps")
    return base64.b64decode(answer.json()["audio_base64"])


def elevenlabs_stream_timed(key: str, model: str, voice: str, form: str, text: list[str]) -> bytes:
    answer = _elevenlabs(key, model, voice, form, text, "/stream/with-timestamps")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    return b"".join(base64.b64decode(line["audio_base64"]) for line in lines)


def _elevenlabs(key: str, model: str, voice: str, form: str, text: list[str], ending: str) -> Any:
    body = {"model_id": model, "text": "".join(text)}
    path = f"/v1/text-to-speech/{voice}{ending}?output_format={form}"
    return _good(ask("POST", path, key, json=body))


def minimax(key: str, model: str, voice: str, form: str, text: list[str]) -> bytes:
    answer = _minimax(key, model, voice, form, text, stream=False)
    return bytes.fromhex(answer.json()["data"]["audio"])


def minimax_stream(key: str, model: str, voice: str, form: str, text: list[str]) -> bytes:
    answer = _minimax(key, model, voice, form, text, stream=True)
    events = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]
    *parts, last = [bytes.fromhex(event["data"]["audio"]) for event in events]
    assert b"".join(parts) == last
    return last


def _minimax(key: str, model: str, voice: str, form: str, text: list[str], *, stream: bool) -> Any:
    body = {
        "model": model,
        "text": "".join(text),
        "stream": stream,
        "voice_setting": {"voice_id": voice},
        "audio_setting": {"format": form, "sample_rate": 24000},
    }
    return _good(ask("POST", "/minimax/v1/t2a_v2", key, json=body))


def _good(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return answer


def socket(key: str, model: str, voice: str, form: str, text: list[str]) -> bytes:
    messages: list[dict[str, Any]] = [{"text": " "}]
    messages += [{"text": sentence, "flush": True} for sentence in text]
    return _spoken(f"{voice}/stream-input?model_id={model}", key, form, [*messages, {"text": ""}])


def many_sockets(key: str, model: str, voice: str, form: str, text: list[str]) -> bytes:
    messages: list[dict[str, Any]] = [
        {"text": sentence, "context_id": "one", "flush": True} for sentence in text
    ]
    messages += [{"context_id": "one", "close_context": True}, {"close_socket": True}]
    return _spoken(f"{voice}/multi-stream-input?model_id={model}", key, form, messages)


def _spoken(path: str, key: str, form: str, messages: list[dict[str, Any]]) -> bytes:
    waiting: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    waiting += [{"type": "websocket.receive", "text": json.dumps(one)} for one in messages]
    received: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(60)
        return {"type": "websocket.disconnect"}

    async def send(event: dict[str, Any]) -> None:
        if event["type"] == "websocket.send":
            received.append(json.loads(event["text"]))

    name, _mark, query = path.partition("?")
    scope = {
        "path": f"/v1/text-to-speech/{name}",
        "query_string": f"{query}&output_format={form}".encode(),
        "headers": [(b"xi-api-key", key.encode())],
        "client": ("::1", 1),
    }
    asyncio.run(asyncio.wait_for(sockets.serve(scope, receive, send), 60))
    assert received[-1].get("isFinal"), received[-1]
    return b"".join(base64.b64decode(one.get("audio") or "") for one in received)


NAMES = {"mp3": "mp3_44100_128", "opus": "opus_48000_64", "aac": "aac_44100_128",
         "flac": "flac_44100", "wav": "wav_24000", "pcm": "pcm_24000"}  # fmt: skip
LISTED = ("mp3_44100_128", "mp3_22050_32", "opus_48000_64", "flac_44100", "pcm_16000",
          "ulaw_8000", "alaw_8000", "aac_44100_128")  # fmt: skip
WAYS: list[tuple[Hear, str]] = [
    *[(way, form) for way in (openai, openai_events) for form in NAMES],
    *[(way, form) for way in (elevenlabs_stream, elevenlabs_stream_timed) for form in LISTED],
    *[(way, form) for way in (elevenlabs, elevenlabs_timed)
      for form in (*LISTED, "wav_24000", "m4a_44100_128")],
    *[(way, form) for way in (socket, many_sockets) for form in LISTED if "flac" not in form],
    *[(minimax, form) for form in ("mp3", "pcm", "flac", "wav", "opus")],
    *[(minimax_stream, form) for form in ("mp3", "pcm", "flac", "opus")],
]  # fmt: skip


@pytest.fixture
def rich(ada: User, wallet: Wallet) -> None:
    ledger.adjust(wallet, 100_000_000, key="cast:rich", reason="much to speak", actor=ada)


@pytest.mark.parametrize(("way", "form"), WAYS)
def test_the_built_in_voice_is_heard_as_one_sound(
    live: Keyed, rich: None, way: Hear, form: str
) -> None:
    _check(live, "builtin", way, form)


@pytest.mark.parametrize(("way", "form"), WAYS)
def test_a_provider_is_heard_as_one_sound(
    live: Keyed,
    ada: User,
    rich: None,
    monkeypatch: pytest.MonkeyPatch,
    way: Hear,
    form: str,
) -> None:
    with site(ada, monkeypatch, "elevenlabs"):
        _check(live, "elevenlabs", way, form)


def _check(live: Keyed, speaker: str, way: Hear, form: str) -> None:
    seen: list[Any] = []
    for text in TEXTS:
        sound = way(live[1], *SPEAKERS[speaker], form, text)
        work()
        jobs = list(Job.objects.exclude(pk__in=seen))
        _compare(sound, jobs)
        for job in jobs:
            with default_storage.open(job.audio) as file:
                _compare(file.read(), [job])
        seen += [job.pk for job in jobs]


def _compare(sound: bytes, jobs: list[Job]) -> None:
    name = jobs[0].output_format
    pieces = Segment.objects.filter(job__in=jobs).values_list("duration_ms", flat=True)
    # Each piece is rounded to a millisecond where it is kept.
    assert abs(_length(sound, name) - sum(pieces)) <= TOLERANCE_MS + len(pieces) / 2
    _check_header(sound, name)


def _length(sound: bytes, name: str) -> int:
    return decode.duration_ms(sound, name if formats.parse(name).is_raw else None)


def _check_header(sound: bytes, name: str) -> None:
    codec = formats.parse(name).codec
    if codec in HEADERS:
        assert sound.count(HEADERS[codec]) == 1
        assert sound[:64].count(HEADERS[codec]) == 1
    if codec == "mp3":
        found = {note: sound.count(note) for note in NOTES}
        assert max(found.values()) <= 1, found
