"""`Idempotency-Key` in every dialect: what comes twice is done once, and answered the same."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from django.db import connections

from jobs import streaming
from jobs.models import Callback, Job, Upload
from jobs.states import JobState
from jobs.worker import Worker
from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey
from speechsite.api.auth import Caller
from speechsite.audio import decode
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry
from tests.api.asgi import HOST, transport
from tests.api.test_one_sound import TOLERANCE_MS
from tests.fakes.tones import tone
from voices.models import Voice

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]
MODEL, VOICE, TEXT = "builtin-speech", "en-us", "Once and no more."


def bare(answer: httpx.Response) -> bytes:
    return answer.content


def in_json(answer: httpx.Response) -> bytes:
    return base64.b64decode(answer.json()["audio_base64"])


def in_lines(answer: httpx.Response) -> bytes:
    lines = [json.loads(line) for line in answer.text.splitlines() if line]
    return b"".join(base64.b64decode(line["audio_base64"]) for line in lines)


def in_hex(answer: httpx.Response) -> bytes:
    return bytes.fromhex(answer.json()["data"]["audio"])


def in_events(answer: httpx.Response) -> bytes:
    *parts, _last = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]
    return b"".join(bytes.fromhex(part["data"]["audio"]) for part in parts)


def in_deltas(answer: httpx.Response) -> bytes:
    parts = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]
    return b"".join(base64.b64decode(part.get("audio", "")) for part in parts)


def named(*path: str) -> Callable[[httpx.Response], Any]:
    def name(answer: httpx.Response) -> Any:
        found = answer.json()
        for step in path:
            found = found[step]
        return found

    return name


@dataclass(frozen=True)
class Way:
    """An endpoint that takes work: a request, another one, and what of the answer must stay."""

    path: str
    body: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    kept: Callable[[httpx.Response], Any] = bare
    is_form: bool = False

    def request(self, **changes: Any) -> dict[str, Any]:
        if not self.is_form:
            return {"json": {**self.body, **changes}}
        length = changes.pop("length", 800)
        name = "files" if "voices" in self.path else "audio"
        sound = ("memo.wav", tone("wav_16000", length), "audio/wav")
        return {"data": {**self.body, **changes}, "files": {name: sound}}


SPEECH = {"model_id": MODEL, "text": TEXT}
TURNS = {"model_id": MODEL, "inputs": [{"voice_id": VOICE, "text": TEXT}]}
MINIMAX = {"model": MODEL, "text": TEXT, "voice_setting": {"voice_id": VOICE}}
OPENAI = {"model": MODEL, "voice": VOICE, "input": TEXT}
ELEVENLABS = f"/v1/text-to-speech/{VOICE}"
DIALOGUE = "/v1/text-to-dialogue"
NEW = {"text": "Another text."}
NEW_TURNS = {"inputs": [{"voice_id": VOICE, "text": "Another text."}]}
WAYS = {
    "native": Way(
        "/api/v1/generations",
        {"model": MODEL, "prompt": TEXT, "params": {"voice": VOICE}},
        {"prompt": "Another text."},
        named("id"),
    ),
    "elevenlabs": Way(ELEVENLABS, SPEECH, NEW),
    "elevenlabs stream": Way(f"{ELEVENLABS}/stream", SPEECH, NEW),
    "elevenlabs timed": Way(f"{ELEVENLABS}/with-timestamps", SPEECH, NEW, in_json),
    "elevenlabs timed stream": Way(f"{ELEVENLABS}/stream/with-timestamps", SPEECH, NEW, in_lines),
    "dialogue": Way(DIALOGUE, TURNS, NEW_TURNS),
    "dialogue stream": Way(f"{DIALOGUE}/stream", TURNS, NEW_TURNS),
    "dialogue timed": Way(f"{DIALOGUE}/with-timestamps", TURNS, NEW_TURNS, in_json),
    "isolation": Way("/v1/audio-isolation", {}, {"length": 900}, is_form=True),
    "isolation stream": Way("/v1/audio-isolation/stream", {}, {"length": 900}, is_form=True),
    "openai": Way("/v1/audio/speech", OPENAI, {"input": "Another text."}),
    "openai events": Way(
        "/v1/audio/speech", {**OPENAI, "stream_format": "sse"}, {"speed": 1.5}, in_deltas
    ),
    "kie": Way(
        "/api/v1/jobs/createTask",
        {
            "model": MODEL,
            "input": {"text": TEXT, "voice": VOICE},
            "callBackUrl": "https://example.com/called",
        },
        {"callBackUrl": "https://example.com/elsewhere"},
        named("data", "taskId"),
    ),
    "minimax": Way("/minimax/v1/t2a_v2", MINIMAX, NEW, in_hex),
    "minimax stream": Way("/minimax/v1/t2a_v2", {**MINIMAX, "stream": True}, NEW, in_events),
    "minimax link": Way(
        "/minimax/v1/t2a_v2",
        {**MINIMAX, "output_format": "url"},
        NEW,
        lambda answer: answer.json()["trace_id"],
    ),
    "minimax task": Way("/minimax/v1/t2a_async_v2", MINIMAX, NEW, named("task_id")),
}
ONLY_TAKEN = ("native", "kie", "minimax task")  # they answer before the work is done


def asked(way: Way, secret: str, key: str = "", times: int = 1, **changes: Any) -> Any:
    """So many requests at once, with a worker beside them."""

    async def run() -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {secret}", "xi-api-key": secret}
        headers |= {"Idempotency-Key": key} if key else {}
        async with httpx.AsyncClient(
            transport=transport(), base_url=HOST, headers=headers, timeout=60, trust_env=False
        ) as client:
            posts = (client.post(way.path, **way.request(**changes)) for _ in range(times))
            asking = asyncio.gather(*posts)
            while not asking.done() or streaming._running:
                await Worker(lambda: False).run()
                await asyncio.wait([asking], timeout=0.05)
                await asyncio.sleep(0.02)
            return await asking

    try:
        answers = asyncio.run(asyncio.wait_for(run(), 50))
    finally:
        connections.close_all()
    return answers if times > 1 else answers[0]


def are_the_same(name: str, answers: list[httpx.Response]) -> bool:
    """To the byte, but for streams: these come again as the stored result, which knows its length."""
    kept = [WAYS[name].kept(answer) for answer in answers]
    if not ("stream" in name or name.startswith("openai")) or "isolation" in name:
        return all(one == kept[0] for one in kept)
    lengths = [decode.duration_ms(one) for one in kept]
    return max(lengths) - min(lengths) <= 2 * TOLERANCE_MS


def holds() -> int:
    return LedgerEntry.objects.filter(kind="hold").count()


@pytest.mark.parametrize("name", WAYS)
def test_a_repeated_order_is_one_job_and_answered_the_same(live: Keyed, name: str) -> None:
    way, secret = WAYS[name], live[1]
    first = asked(way, secret, "k-1")
    again = asked(way, secret, "k-1")
    assert first.is_success, first.text
    assert again.status_code == first.status_code
    assert are_the_same(name, [first, again])
    assert again.headers.get("content-type") == first.headers.get("content-type")
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    job = Job.objects.get()
    assert (holds(), Upload.objects.count()) == (1, 1 if "isolation" in name else 0)
    assert Callback.objects.count() == (1 if name == "kie" else 0)
    assert (job.state, job.charged > 0) == (JobState.SUCCEEDED, True)
    assert ledger.audit() == []


@pytest.mark.parametrize("name", WAYS)
def test_another_order_under_the_same_key_is_a_conflict(live: Keyed, name: str) -> None:
    way = WAYS[name]
    asked(way, live[1], "k-1")
    answer = asked(way, live[1], "k-1", **way.other)
    assert answer.status_code == 409, answer.text
    assert Job.objects.count() == holds() == 1
    said = answer.json()
    if name == "kie":
        assert said["code"] == 409
    elif name.startswith("minimax"):
        assert said["base_resp"]["status_code"] == 2013
    elif name.startswith(("openai", "native")):
        assert said["error"]["code"] == "idempotency_conflict"
    else:
        assert said["detail"]["code"] == "conflict"


@pytest.mark.parametrize("name", WAYS)
def test_while_it_is_under_way_a_repetition_waits_and_makes_nothing(live: Keyed, name: str) -> None:
    way = WAYS[name]
    answers = asked(way, live[1], "k-1", times=3)
    assert all(answer.is_success for answer in answers), [answer.text for answer in answers]
    assert are_the_same(name, answers)
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 2
    assert Job.objects.count() == holds() == 1
    assert Upload.objects.filter(deleted_at__isnull=True).count() == int("isolation" in name)


@pytest.mark.parametrize("name", ["elevenlabs stream", "openai", "kie", "minimax"])
def test_keys_belong_to_a_person_a_world_and_an_endpoint(live: Keyed, ben: Any, name: str) -> None:
    way = WAYS[name]
    secrets = [live[1], keys.issue_key(live[0].user, mode=ApiKey.Mode.TEST)[1]]
    secrets.append(keys.issue_key(ben)[1])
    for secret in secrets:
        assert asked(way, secret, "k-1").is_success
    assert asked(WAYS["elevenlabs"], live[1], "k-1").is_success
    assert Job.objects.count() == 4


@pytest.mark.parametrize("name", [name for name in WAYS if name != "native"])
def test_a_refused_order_leaves_its_key_free(live: Keyed, name: str) -> None:
    way, wallet = WAYS[name], live[0].user.wallet
    wallet.refresh_from_db()
    free = wallet.available
    ledger.adjust(wallet, -free, key="poor", reason="gone", actor=live[0].user)
    refused = asked(way, live[1], "k-1")
    assert not Job.objects.exists(), refused.text
    ledger.adjust(wallet, free, key="rich", reason="back", actor=live[0].user)
    assert asked(way, live[1], "k-1").is_success


@pytest.mark.parametrize("name", WAYS)
def test_a_key_that_is_none_is_refused_in_every_dialect(live: Keyed, name: str) -> None:
    answer = asked(WAYS[name], live[1], "x" * 256)
    said = answer.json()
    assert answer.status_code == 400 or said.get("code") == 422, answer.text
    assert not Job.objects.exists()


def test_what_was_deleted_since_is_not_made_again(live: Keyed) -> None:
    from jobs import lifecycle

    way = WAYS["elevenlabs"]
    asked(way, live[1], "k-1")
    lifecycle.delete(Job.objects.get())
    assert asked(way, live[1], "k-1").status_code == 409
    assert Job.objects.count() == holds() == 1


def test_a_voice_is_added_once(trial: Keyed) -> None:
    way = Way("/v1/voices/add", {"name": "Mine"}, {"name": "Yours"}, is_form=True)
    first, again = (asked(way, trial[1], "k-1") for _ in range(2))
    assert first.is_success, first.text
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert asked(way, trial[1], "k-1", name="Yours").status_code == 409
    assert Voice.objects.filter(owner=trial[0].user).count() == 1
    assert asked(way, trial[1], "k-2").json()["voice_id"] != first.json()["voice_id"]
