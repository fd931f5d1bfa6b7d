"""Whatever stands in a string, the answer is the dialect's own, and never an error of ours."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from speechsite.api.auth import Caller
from tests.api.asgi import ask
from tests.fakes.tones import tone

pytestmark = pytest.mark.django_db(transaction=True)
Partner = tuple[Caller, str]
NASTY = {"half": "\ud800", "halves": "a\udfff b", "nul": "a\0b", "long": "x" * 1_100_000}
LOCATOR = {"pronunciation_dictionary_id": "d", "version_id": "v"}
RULE = {"type": "alias", "string_to_replace": "a", "alias": "b"}
KIE_INPUT = {"text": "Hi", "voice": "Rachel", "previous_text": "a", "language_code": "en"}
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "POST", "/v1/text-to-speech/en-us",
        {"text": "Hi", "model_id": "builtin-speech", "language_code": "en", "previous_text": "a",
         "next_text": "b", "output_format": "mp3_44100_128",
         "pronunciation_dictionary_locators": [LOCATOR], "previous_request_ids": ["a"]},
    ),
    ("POST", "/v1/text-to-dialogue", {"inputs": [{"text": "Hi", "voice_id": "en-us"}]}),
    (
        "POST", "/v1/pronunciation-dictionaries/add-from-rules",
        {"name": "n", "description": "d", "rules": [RULE]},
    ),
    ("POST", "/api/v1/jobs/createTask",
     {"model": "elevenlabs/text-to-speech-turbo-2-5", "callBackUrl": "https://example.com/a",
      "input": KIE_INPUT}),
    ("POST", "/api/v1/common/download-url", {"url": "https://example.com/a"}),
    ("POST", "/api/file-url-upload",
     {"fileUrl": "https://example.com/a", "uploadPath": "a", "fileName": "b"}),
    ("POST", "/api/file-base64-upload", {"base64Data": "YQ==", "uploadPath": "a", "fileName": "b"}),
    ("POST", "/v1/audio/speech",
     {"model": "tts-1", "input": "Hi", "voice": "alloy", "instructions": "a",
      "response_format": "mp3", "stream_format": "audio"}),
    ("POST", "/minimax/v1/t2a_v2",
     {"model": "speech-2.6-hd", "text": "Hi", "voice_setting": {"voice_id": "v", "emotion": "happy"},
      "language_boost": "auto", "audio_setting": {"format": "mp3"}, "output_format": "hex",
      "pronunciation_dict": {"tone": ["a/b"]}}),
    ("POST", "/minimax/v1/t2a_async_v2",
     {"model": "speech-2.6-hd", "text": "Hi", "voice_setting": {"voice_id": "v"}}),
    ("POST", "/minimax/v1/get_voice", {"voice_type": "all"}),
    ("POST", "/api/v1/generations",
     {"model": "builtin-speech", "prompt": "Hi", "voice": "en-us", "title": "t",
      "client_request_id": "c", "callback_url": "https://example.com/a"}),
    ("POST", "/api/v1/webhooks",
     {"url": "https://example.com/a", "description": "d", "events": ["generation.succeeded"]}),
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where strings stand in a body."""
    if isinstance(value, str):
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in () if isinstance(value, str) else items:
        yield from places(part, (*path, name))


def with_string(body: dict[str, Any], path: tuple[Any, ...], text: str) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    inner: Any = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = text
    return changed


@pytest.mark.parametrize("kind", NASTY)
@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=[call[1] for call in CALLS])
def test_no_string_breaks_the_site(
    trial: Partner, method: str, path: str, body: dict[str, Any], kind: str
) -> None:
    for place in places(body):
        sent = json.dumps(with_string(body, place, NASTY[kind]))
        answer = ask(method, path, trial[1], content=sent)
        assert answer.status_code < 500, (place, answer.text[:300])
        assert kind not in ("half", "halves") or answer.status_code >= 400 or "code" in answer.text


@pytest.mark.parametrize(
    "address",
    [
        "/v1/voices?search=a%00b", "/v2/voices?search=a%00", "/v1/history?search=%00&voice_id=%00",
        "/v1/history?start_after_history_item_id=%00", "/api/v1/jobs/recordInfo?taskId=%00a",
        "/api/v1/generations?client_request_id=%00", "/api/v1/voices?q=%00", "/v1/voices/a%00b",
        "/v1/history/%00", "/api/v1/generations/%00", "/v1/models/%00", "/library/?q=%00",
        "/minimax/v1/query/t2a_async_query_v2?task_id=%00",
    ],
)  # fmt: skip
def test_a_nul_in_an_address_is_dropped_or_leads_nowhere(trial: Partner, address: str) -> None:
    assert ask("GET", address, trial[1]).status_code < 500


@pytest.mark.parametrize("charset", ["unicode_escape", "raw_unicode_escape", "utf-7", "idna"])
def test_forms_and_addresses_are_utf_8_whatever_their_charset(trial: Partner, charset: str) -> None:
    nasty = "\\ud800 \\x00"
    parts = {"name": nasty, "labels": nasty, "uploadPath": nasty, "fileName": nasty}
    body = b"".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in parts.items()
    )
    for field in ("file", "files", "audio"):
        body += (
            f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="a.wav"; '
            f"filename*={charset}''%5Cud800%5Cx00.wav\r\n\r\n"
        ).encode()
        body += tone("wav_16000", 200) + b"\r\n"
    kind = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    body += b"--b--\r\n"
    for path in (
        "/v1/voices/add", "/api/file-stream-upload", "/api/v1/files",
        "/minimax/v1/files/upload",
    ):  # fmt: skip
        answer = ask("POST", path, trial[1], content=body, headers=kind)
        assert answer.status_code < 500, (path, answer.text[:300])
    answer = ask("GET", "/v1/voices?search=%5Cud800", trial[1], headers=kind)
    assert answer.status_code == 200
