"""Speech that is answered at once: hex, a link, or a stream of events."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest

from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.audio import probe
from speechsite.credits.models import Wallet
from tests.api.asgi import ask
from tests.api.links import opened
from tests.api.minimax.talk import events_of
from tests.jobs.conftest import work

pytestmark = pytest.mark.django_db(transaction=True)
BODY: dict[str, Any] = {
    "model": "speech-2.8-turbo",
    "text": "First one. Then another!",
    "voice_setting": {"voice_id": "English_Graceful_Lady"},
}


@pytest.fixture
def tester(trial: tuple[Caller, str]) -> Talker:
    return Talker(trial[1])


@pytest.fixture
def partner(live: tuple[Caller, str]) -> Talker:
    return Talker(live[1])


class Talker:
    """A client with a key that listens while we speak."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def talk(self, **changes: Any) -> httpx.Response:
        return ask("POST", "/minimax/v1/t2a_v2", self.secret, json={**BODY, **changes})


def duration(sound: bytes, form: str | None = None) -> int:
    return probe.probe(sound, form).duration_ms


def test_the_whole_sound_comes_in_hex(tester: Talker) -> None:
    answer = tester.talk().json()
    assert answer["base_resp"]["status_code"] == 0
    assert answer["data"]["status"] == 2
    sound = bytes.fromhex(answer["data"]["audio"])
    notes = answer["extra_info"]
    assert abs(notes["audio_length"] - duration(sound)) <= 20
    assert notes["audio_size"] == len(sound)
    assert notes["usage_characters"] == len(BODY["text"])
    assert answer["trace_id"]


@pytest.mark.parametrize(
    ("setting", "form"),
    [
        ({"format": "wav", "sample_rate": 16000}, None),
        ({"format": "pcm", "sample_rate": 24000}, "pcm_24000"),
        ({"format": "flac"}, None),
        ({"format": "opus"}, None),
        ({"format": "pcmu_raw", "sample_rate": 8000}, "ulaw_8000"),
    ],
)
def test_the_sound_has_the_format_that_was_asked_for(
    tester: Talker, setting: dict[str, Any], form: str | None
) -> None:
    answer = tester.talk(audio_setting=setting).json()
    assert duration(bytes.fromhex(answer["data"]["audio"]), form) > 500


def test_a_stream_ends_with_the_notes_and_the_whole_sound(tester: Talker) -> None:
    response = tester.talk(stream=True)
    assert response.headers["content-type"] == "text/event-stream"
    *pieces, last = events_of(response.content)
    assert pieces
    assert {one["data"]["status"] for one in pieces} == {1}
    assert last["data"]["status"] == 2
    assert last["data"]["audio"] == "".join(one["data"]["audio"] for one in pieces)
    assert last["extra_info"]["audio_size"] == len(last["data"]["audio"]) // 2


def test_a_stream_may_leave_out_the_whole(tester: Talker) -> None:
    options = {"exclude_aggregated_audio": True}
    events = events_of(tester.talk(stream=True, stream_options=options).content)
    assert events[-1]["data"]["audio"] == ""
    assert duration(bytes.fromhex("".join(one["data"]["audio"] for one in events))) > 500


def test_subtitles_lie_behind_a_link(tester: Talker) -> None:
    answer = tester.talk(subtitle_enable=True).json()
    sentences = json.loads(opened(answer["data"]["subtitle_file"]))
    assert [one["text"] for one in sentences] == ["First one.", "Then another!"]
    assert sentences[-1]["time_end"] <= answer["extra_info"]["audio_length"] + 50


def test_a_link_opens_the_result(tester: Talker) -> None:
    answers: list[Any] = []

    def ask() -> None:
        answers.append(tester.talk(output_format="url").json())

    asking = threading.Thread(target=ask)
    asking.start()
    while asking.is_alive():
        work()
        asking.join(0.05)
    link = answers[0]["data"]["audio"]
    assert abs(duration(opened(link)) - answers[0]["extra_info"]["audio_length"]) <= 20


def test_a_mix_of_voices_is_spoken_by_the_strongest(partner: Talker) -> None:
    weights = [{"voice_id": "zh-cn", "weight": 30}, {"voice_id": "en-us", "weight": 70}]
    setting = {"voice_id": ""}
    answer = partner.talk(model="builtin-speech", voice_setting=setting, timbre_weights=weights)
    assert answer.status_code == 200
    assert Job.objects.get().voice.external_id == "en-us"


def test_a_live_talk_is_charged_once(partner: Talker, wallet: Wallet) -> None:
    partner.talk(model="builtin-speech", text="Hello.", voice_setting={"voice_id": "en-us"})
    work()
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (100_000 - 6, 0)
