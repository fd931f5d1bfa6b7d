"""A provider that breaks off in the middle of its sound: people hear the rest, and pay for that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.db import connections

from jobs import streaming
from jobs.models import Job, Segment
from jobs.states import JobState
from jobs.worker import Worker
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.audio import decode
from speechsite.credits import ledger
from tests.api.asgi import HOST, transport
from tests.api.test_one_sound import TOLERANCE_MS
from tests.fakes.upstream import Fault
from tests.jobs.upstream_site import LIAM, hurry, site

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]
TEXT = "This sentence breaks off in its middle. "
MODEL = "eleven_multilingual_v2"
OPENAI = {"model": MODEL, "voice": LIAM, "input": TEXT}
MINIMAX = {"model": MODEL, "text": TEXT, "voice_setting": {"voice_id": LIAM}}
ELEVENLABS = {"model_id": MODEL, "text": TEXT}


def bare(answer: httpx.Response) -> bytes:
    return answer.content


def in_hex(answer: httpx.Response) -> bytes:
    return bytes.fromhex(answer.json()["data"]["audio"])


def last_event(answer: httpx.Response) -> bytes:
    *_before, last = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]
    assert last["base_resp"]["status_code"] == 0, last
    return bytes.fromhex(last["data"]["audio"])


SPEECH = f"/v1/text-to-speech/{LIAM}"
WAYS: dict[str, tuple[str, dict[str, Any], Callable[[httpx.Response], bytes]]] = {
    "openai": ("/v1/audio/speech", OPENAI, bare),
    "openai wav": ("/v1/audio/speech", {**OPENAI, "response_format": "wav"}, bare),
    "elevenlabs": (SPEECH, ELEVENLABS, bare),
    "elevenlabs stream": (f"{SPEECH}/stream", ELEVENLABS, bare),
    "minimax": ("/minimax/v1/t2a_v2", MINIMAX, in_hex),
    "minimax stream": ("/minimax/v1/t2a_v2", {**MINIMAX, "stream": True}, last_event),
}


@pytest.mark.parametrize("length", [1, 30])
@pytest.mark.parametrize("way", WAYS)
def test_the_rest_is_heard_as_well(
    live: Keyed,
    ada: User,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    length: int,
) -> None:
    ledger.adjust(ada.wallet, 100_000_000, key="cast:rich", reason="much to speak", actor=ada)
    path, body, sound_of = WAYS[way]
    spoken = {name: text * length if text == TEXT else text for name, text in body.items()}
    hurry(settings, monkeypatch)
    settings.UNCLEAR_DEADLINE_SECONDS = 30
    with site(ada, monkeypatch, "elevenlabs") as here:
        fake = here.fakes["elevenlabs"]
        fake.fault, fake.times = Fault.AUDIO_TRUNCATED, 1
        answer = asked(path, live[1], spoken)
    job = Job.objects.get()
    assert answer.status_code == 200, answer.text
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)
    pieces = Segment.objects.values_list("duration_ms", flat=True)
    assert abs(decode.duration_ms(sound_of(answer)) - sum(pieces)) <= 2 * TOLERANCE_MS
    assert fake.accepted == len(pieces)
    assert ledger.audit() == []


@pytest.mark.parametrize("way", ["minimax", "minimax stream", "openai"])
def test_what_cannot_be_made_at_all_is_told_in_words_and_not_charged(
    live: Keyed, ada: User, settings: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    path, body, _sound = WAYS[way]
    hurry(settings, monkeypatch)
    monkeypatch.setattr("speechsite.providers.elevenlabs.adapter.ElevenLabs.find", _nothing)
    with site(ada, monkeypatch, "elevenlabs") as here:
        here.fakes["elevenlabs"].fault = Fault.AUDIO_TRUNCATED
        try:
            said = asked(path, live[1], body).text
        except streaming.StreamBroken as error:
            # A bare sound that has begun can only be cut.
            said = error.message
    assert Job.objects.get().charged == 0
    assert "StreamBroken" not in said
    assert " " in said


async def _nothing(*_arguments: Any) -> None:
    return None


def asked(path: str, secret: str, body: dict[str, Any]) -> httpx.Response:
    """One request, with a worker beside it that makes what broke off."""

    async def run() -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(
            transport=transport(), base_url=HOST, headers=headers, timeout=60, trust_env=False
        ) as client:
            asking = asyncio.create_task(client.post(path, json=body))
            while not asking.done() or streaming._running:
                await Worker(lambda: False).run()
                await asyncio.wait([asking], timeout=0.05)
                await asyncio.sleep(0.02)
            return asking.result()

    try:
        return asyncio.run(asyncio.wait_for(run(), 50))
    finally:
        connections.close_all()
