"""What was just made is in the history: whoever has the last byte finds the item and its charge."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.models import Job
from jobs.states import JobState
from speechsite.api.auth import Caller
from tests.api.asgi import ask

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]

TWO = "One thing is said here. " * 9 + "And another one follows it. " * 9
SPEECH = "/v1/text-to-speech/en-us"
ELEVENLABS: dict[str, Any] = {"model_id": "builtin-speech"}
OPENAI: dict[str, Any] = {"model": "builtin-speech", "voice": "en-us"}
MINIMAX: dict[str, Any] = {"model": "builtin-speech", "voice_setting": {"voice_id": "en-us"}}
WAYS: dict[str, tuple[str, dict[str, Any], str]] = {
    "elevenlabs": (SPEECH, ELEVENLABS, "text"),
    "elevenlabs stream": (f"{SPEECH}/stream", ELEVENLABS, "text"),
    "elevenlabs times": (f"{SPEECH}/stream/with-timestamps", ELEVENLABS, "text"),
    "openai": ("/v1/audio/speech", OPENAI, "input"),
    "openai events": ("/v1/audio/speech", {**OPENAI, "stream_format": "sse"}, "input"),
    "minimax stream": ("/minimax/v1/t2a_v2", {**MINIMAX, "stream": True}, "text"),
}


@pytest.mark.parametrize("text", ["Short and good.", TWO], ids=["one piece", "several"])
@pytest.mark.parametrize("way", WAYS)
def test_each_request_finds_itself_in_the_history(live: Keyed, way: str, text: str) -> None:
    path, body, field = WAYS[way]
    for count in (1, 2):
        answer = ask("POST", path, live[1], json={**body, field: text})
        assert answer.status_code == 200
        job = Job.objects.latest("created_at")
        assert (job.state, bool(job.audio), job.charged) == (
            JobState.SUCCEEDED,
            True,
            len(text),
        )
        listed = ask("GET", "/v1/history", live[1]).json()["history"]
        assert len(listed) == count
        sound = ask("GET", f"/v1/history/{listed[0]['history_item_id']}/audio", live[1])
        assert sound.status_code == 200
