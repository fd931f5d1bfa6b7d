"""OpenAI's speech endpoint: the sound as it is made, bare or in events."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.api.openai import views, wire
from speechsite.audio import probe
from speechsite.credits.models import Wallet
from speechsite.providers.types import ModelInfo, VoiceInfo
from speechsite.upstreams.models import Channel
from tests.api.asgi import ask
from tests.jobs.conftest import work
from voices import listing, served
from voices.models import Voice

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]
BODY: dict[str, Any] = {"model": "tts-1", "input": "Today is a good day.", "voice": "alloy"}
DONE = {"input_tokens": 20, "output_tokens": 0, "total_tokens": 20}


def speak(secret: str, **changes: Any) -> httpx.Response:
    return ask("POST", "/v1/audio/speech", secret, json={**BODY, **changes})


@pytest.mark.parametrize(
    ("form", "media_type", "hint"),
    [
        ("mp3", "audio/mpeg", None),
        ("opus", "audio/ogg", None),
        ("flac", "audio/flac", None),
        ("wav", "audio/wav", None),
        ("pcm", "audio/pcm", "pcm_24000"),
    ],
)
def test_every_format_sounds(live: Keyed, form: str, media_type: str, hint: str | None) -> None:
    answer = speak(live[1], response_format=form)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert probe.probe(answer.content, hint).duration_ms > 700


def test_a_live_order_is_charged_once(live: Keyed, wallet: Wallet) -> None:
    speak(live[1])
    work()
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (100_000 - len(BODY["input"]), 0)


def test_events_hold_the_same_sound(trial: Keyed) -> None:
    answer = speak(trial[1], stream_format="sse", response_format="pcm")
    assert answer.headers["content-type"] == "text/event-stream"
    lines = [line for line in answer.text.split("\n\n") if line]
    *deltas, last = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert {one["type"] for one in deltas} == {"speech.audio.delta"}
    assert last == {"type": "speech.audio.done", "usage": DONE}
    sound = b"".join(base64.b64decode(one["audio"]) for one in deltas)
    assert probe.probe(sound, "pcm_24000").duration_ms > 700


@pytest.mark.parametrize("model", ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "builtin-speech"])
@pytest.mark.parametrize("voice", ["onyx", "Nova", {"id": "de"}, "zh-cn-mei"])
def test_models_and_voices_go_by_their_names_and_ours(live: Keyed, model: str, voice: Any) -> None:
    assert speak(live[1], model=model, voice=voice).status_code == 200
    assert Job.objects.get().model.slug == "builtin-speech"


def test_a_voice_of_another_family_brings_its_model(trial: Keyed) -> None:
    Voice.objects.create(family="minimax", external_id="English_Graceful_Lady", name="Lady")
    assert speak(trial[1], voice="English_Graceful_Lady").status_code == 200
    assert Job.objects.get().asked["model"] == "minimax-speech-2.8-turbo"


def test_a_name_of_theirs_becomes_a_voice_of_the_models_family(trial: Keyed) -> None:
    Voice.objects.create(family="minimax", external_id="English_Graceful_Lady", name="Lady")
    assert speak(trial[1], model="speech-2.8-hd", voice="alloy").status_code == 200
    assert Job.objects.get().voice.external_id == "English_Graceful_Lady"


@pytest.mark.parametrize(("asked", "given"), [(0.25, 0.5), (1.5, 1.5), (4, 2), (1, None)])
def test_speed_is_brought_within_what_the_model_takes(
    live: Keyed, asked: float, given: float | None
) -> None:
    assert speak(live[1], speed=asked).status_code == 200
    assert Job.objects.get().voice_settings.get("speed") == given


def test_instructions_are_taken_and_said_to_be_unheard(trial: Keyed) -> None:
    answer = speak(trial[1], instructions="Speak like a pirate.")
    assert answer.status_code == 200
    assert answer.headers["x-speechsite-ignored"] == "instructions"


def test_voices_are_listed(live: Keyed) -> None:
    answer = ask("GET", "/v1/audio/voices", live[1]).json()
    ids = [voice["id"] for voice in answer["voices"]]
    assert {"alloy", "shimmer", "en-us"} <= set(ids)


def test_a_name_that_a_speech_server_knows_is_its_own(live: Keyed) -> None:
    """Where such a server has the voice, and by the model of that name if it has one."""
    channel = Channel.objects.create(slug="gpu", name="GPU", adapter="openai")
    served.store(channel, [ModelInfo("kokoro", "Kokoro"), ModelInfo("tts-1", "TTS")])
    listing.store("gpu", "openai", [VoiceInfo("zoe", "Zoe"), VoiceInfo("alloy", "Alloy")])
    picked = {}
    for model in ("tts-1", "tts-1-hd", "openai-kokoro", "kokoro"):
        order = wire.order_of({"model": model, "voice": "alloy", "input": "Hello."})
        picked[model] = views._chosen(live[0], order)
    assert picked == {
        "tts-1": ("alloy", "openai-tts-1"),
        "tts-1-hd": ("alloy", "openai-kokoro"),
        "openai-kokoro": ("alloy", "openai-kokoro"),
        "kokoro": ("alloy", "kokoro"),
    }


def test_a_voice_is_listed_once_with_what_is_known_of_it(live: Keyed) -> None:
    listing.store("gpu", "openai", [VoiceInfo("alloy", "Alloy", ("de",), gender="female")])
    served.store(
        Channel.objects.create(slug="gpu", name="GPU", adapter="openai"), [ModelInfo("k", "K")]
    )
    rows = ask("GET", "/v1/audio/voices", live[1]).json()["voices"]
    assert [row for row in rows if row["id"] == "alloy"] == [
        {"id": "alloy", "name": "Alloy", "language": "de", "gender": "female"}
    ]
    assert {"id": "echo", "name": "Echo", "language": "en"} in rows
