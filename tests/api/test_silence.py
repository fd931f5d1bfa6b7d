"""A text without words is a short silence that nobody pays, in every dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from jobs.models import Job
from jobs.states import JobState
from speechsite.api.auth import Caller
from speechsite.audio import decode
from speechsite.credits.models import Wallet
from tests.api.asgi import ask
from tests.jobs.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]
SILENT = ("...", "\u201d", "\u2014", "***", "\U0001f600")
MINIMAX = {"model": "builtin-speech", "voice_setting": {"voice_id": "en-us"}}


def openai(key: str, text: str, **more: Any) -> httpx.Response:
    body = {"model": "tts-1", "voice": "alloy", "input": text, **more}
    return ask("POST", "/v1/audio/speech", key, json=body)


def elevenlabs(key: str, text: str, ending: str = "") -> httpx.Response:
    body = {"text": text, "model_id": "builtin-speech"}
    return ask("POST", f"/v1/text-to-speech/en-us{ending}", key, json=body)


def elevenlabs_dialogue(key: str, text: str) -> httpx.Response:
    lines = [{"text": text, "voice_id": "en-us"}] * 2
    body = {"inputs": lines, "model_id": "builtin-speech"}
    return ask("POST", "/v1/text-to-dialogue", key, json=body)


def minimax(key: str, text: str) -> httpx.Response:
    return ask("POST", "/minimax/v1/t2a_v2", key, json={**MINIMAX, "text": text})


def minimax_task(key: str, text: str) -> httpx.Response:
    return ask("POST", "/minimax/v1/t2a_async_v2", key, json={**MINIMAX, "text": text})


WAYS: list[Callable[[str, str], httpx.Response]] = [
    openai,
    lambda key, text: openai(key, text, stream_format="sse"),
    lambda key, text: openai(key, text, response_format="wav"),
    elevenlabs,
    lambda key, text: elevenlabs(key, text, "/stream"),
    lambda key, text: elevenlabs(key, text, "/with-timestamps"),
    lambda key, text: elevenlabs(key, text, "/stream/with-timestamps"),
    elevenlabs_dialogue,
    minimax,
    minimax_task,
]


@pytest.mark.parametrize("text", SILENT)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_to_say_is_a_rest_that_costs_nothing(
    live: Keyed, wallet: Wallet, way: Callable[[str, str], httpx.Response], text: str
) -> None:
    answer = way(live[1], text)
    assert answer.status_code == 200, answer.text
    work()
    job = Job.objects.get()
    assert (job.state, job.quoted, job.charged) == (JobState.SUCCEEDED, 0, 0)
    assert 100 <= job.duration_ms <= 1000
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (100_000, 0)


def test_the_silence_can_be_heard(live: Keyed) -> None:
    assert 100 <= decode.duration_ms(openai(live[1], "...").content) <= 1000


def test_dashes_between_sentences_are_not_sent_to_anybody(live: Keyed) -> None:
    answer = openai(live[1], "A word. " + "- " * 300 + "Another word.")
    assert answer.status_code == 200


@pytest.mark.parametrize("text", ["", "   "])
def test_no_text_at_all_is_still_refused(live: Keyed, text: str) -> None:
    assert openai(live[1], text).status_code == 400
    assert not Job.objects.exists()
