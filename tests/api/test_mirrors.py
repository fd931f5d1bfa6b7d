"""Our adapter for X speaks with our dialect X, in process: each proves the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from jobs import lifecycle
from jobs.models import Job
from jobs.worker import Worker
from speechsite.accounts.models import Plan
from speechsite.api.auth import Caller
from speechsite.audio import probe
from speechsite.credits.models import Wallet
from speechsite.providers.base import Adapter
from speechsite.providers.errors import (
    AccountEmpty,
    BadCredentials,
    Rejected,
    TaskFailed,
    Unsupported,
)
from speechsite.providers.types import (
    Chunk,
    CleaningOrder,
    Feature,
    Line,
    Order,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
)
from speechsite.upstreams import catalogue, channels
from speechsite.upstreams.models import Channel
from tests.api.asgi import HOST, transport
from tests.fakes import sound
from voices.models import Voice

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]
Story = Callable[[Adapter], Any]

TEXT = "The quick brown fox jumps over the lazy dog."
LIAM = "TX3LPaxmHKxFdv7VOQHJ"
PREFIXES = {"minimax": "/minimax"}
VOICES = {"minimax": "English_Graceful_Lady"}
SPEECH = {
    "elevenlabs": "eleven_multilingual_v2",
    "kie": "elevenlabs/text-to-speech-multilingual-v2",
    "minimax": "speech-2.8-hd",
    "openai": "elevenlabs-turbo-2-5",
    "rivya": "elevenlabs-multilingual-v2",
}
DIALOGUE = {
    "elevenlabs": "eleven_v3",
    "kie": "elevenlabs/text-to-dialogue-v3",
    "rivya": "elevenlabs-dialogue-v3",
}
ISOLATION = {
    "elevenlabs": "audio_isolation",
    "kie": "elevenlabs/audio-isolation",
    "rivya": "elevenlabs-audio-isolation",
}
TASKS = ("kie", "minimax", "rivya")


def speech(name: str, text: str = TEXT, **more: Any) -> SpeechOrder:
    voice = more.pop("voice", VOICES.get(name, LIAM))
    return SpeechOrder(text=text, voice=voice, model=SPEECH[name], key="order-1", **more)


def meet(name: str, secret: str, story: Story) -> Any:
    """Run a story with our adapter, its calls and downloads ending at our own site."""

    async def run() -> Any:
        adapter = channels.adapter_class(name)(
            base_url=HOST + PREFIXES.get(name, ""),
            credentials={"api_key": secret},
            options={"upload_url": HOST},
            transport=transport(),
            downloads=transport(),
        )
        async with adapter:
            return await story(adapter)

    try:
        return asyncio.run(run())
    finally:
        connections.close_all()


async def heard(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in chunks]


async def delivered(adapter: Adapter, order: Order) -> list[Chunk]:
    """The sound of an order, by whichever way the adapter has."""
    if Feature.SUBMIT not in adapter.features:
        return await _at_once(adapter, order)
    event = await adapter.submit(order)
    early = await adapter.check(event.upstream_id)
    assert early.state in (UpstreamState.QUEUED, UpstreamState.RUNNING)
    # A worker of its own: the test's loop is also the server's.
    await Worker(lambda: False).run()
    event = await adapter.check(event.upstream_id)
    assert event.state is UpstreamState.SUCCEEDED, event.raw
    return await heard(adapter.fetch(event, order))


async def _at_once(adapter: Adapter, order: Order) -> list[Chunk]:
    """Heard in the same call, while a worker of ours does what that call waits for."""
    clean = isinstance(order, CleaningOrder)
    hearing = asyncio.create_task(heard(adapter.clean(order) if clean else adapter.speak(order)))
    while not hearing.done():
        await Worker(lambda: False).run()
        await asyncio.wait([hearing], timeout=0.05)
    return hearing.result()


def duration(chunks: list[Chunk]) -> int:
    raw = chunks[0].format if chunks[0].format.startswith("pcm") else None
    return probe.probe(b"".join(chunk.audio for chunk in chunks), raw).duration_ms


@pytest.mark.parametrize("name", SPEECH)
def test_speech_is_ordered_and_heard(trial: Keyed, name: str) -> None:
    chunks = meet(name, trial[1], lambda adapter: delivered(adapter, speech(name)))
    assert duration(chunks) > 1500
    assert Job.objects.get().text == TEXT


@pytest.mark.parametrize("name", DIALOGUE)
def test_dialogue_is_ordered_and_heard(trial: Keyed, name: str) -> None:
    lines = (Line("Hello, Ben.", LIAM), Line("Hello, Ada.", LIAM))
    order = SpeechOrder("Hello, Ben.\nHello, Ada.", LIAM, DIALOGUE[name], "order-1", lines=lines)
    chunks = meet(name, trial[1], lambda adapter: delivered(adapter, order))
    assert duration(chunks) > 800
    assert Job.objects.get().kind == Job.Kind.DIALOGUE


@pytest.mark.parametrize("name", ISOLATION)
def test_a_recording_is_sent_and_comes_back_clean(trial: Keyed, tmp_path: Path, name: str) -> None:
    path = tmp_path / "noisy.mp3"
    path.write_bytes(sound.tone(1.0))
    order = CleaningOrder(path, "noisy.mp3", "audio/mpeg", 1000, ISOLATION[name], "order-1")
    chunks = meet(name, trial[1], lambda adapter: delivered(adapter, order))
    assert abs(duration(chunks) - 1000) < 150


@pytest.mark.parametrize("name", ["elevenlabs", "minimax"])
def test_times_come_with_the_sound(trial: Keyed, name: str) -> None:
    text = "One sentence here. And another one."
    chunks = meet(name, trial[1], lambda adapter: delivered(adapter, speech(name, text)))
    words = [word for chunk in chunks for word in chunk.words]
    assert text[words[0].start : words[0].end].startswith("One")
    assert text[words[-1].start : words[-1].end].rstrip(".").endswith("one")
    assert words[-1].end_ms <= duration(chunks) + 50


@pytest.mark.parametrize("name", ["minimax"])
def test_a_stream_is_heard_with_its_times(trial: Keyed, name: str) -> None:
    order = speech(name, "One sentence here. And another one.")
    chunks = meet(name, trial[1], lambda adapter: heard(adapter.speak(order)))
    assert duration(chunks) > 1000
    words = [word for chunk in chunks for word in chunk.words]
    assert [order.text[word.start : word.end] for word in words] == [
        "One sentence here.",
        "And another one.",
    ]


@pytest.fixture
def twins(live: Keyed) -> None:
    """Models that this site sells itself, and a voice of each family for them."""
    for name, family in (("kie", "elevenlabs"), ("minimax", "minimax")):
        channel = Channel.objects.create(slug=name, name=name, adapter=name)
        catalogue.load_offers(channel)
        Voice.objects.create(family=family, external_id=f"twin-{name}", name="Twin")


def twin_of(name: str) -> str:
    return "twin-minimax" if name == "minimax" else "twin-kie"


@pytest.mark.parametrize("name", TASKS)
def test_a_live_order_holds_its_price(twins: None, live: Keyed, wallet: Wallet, name: str) -> None:
    order = speech(name, voice=twin_of(name))
    meet(name, live[1], lambda adapter: adapter.submit(order))
    wallet.refresh_from_db()
    assert wallet.held == Job.objects.get().quoted > 0


@pytest.mark.parametrize("name", TASKS)
def test_a_task_that_fails_is_a_failed_task(trial: Keyed, name: str) -> None:
    async def story(adapter: Adapter) -> UpstreamEvent:
        event = await adapter.submit(speech(name))
        await asyncio.to_thread(_fail)
        return await adapter.check(event.upstream_id)

    def _fail() -> None:
        lifecycle.fail(Job.objects.get(), code="unavailable", message="Nobody could do it.")
        connections.close_all()

    event = meet(name, trial[1], story)
    assert event.state is UpstreamState.FAILED
    assert isinstance(event.error, TaskFailed)


@pytest.mark.parametrize("name", SPEECH)
@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("key", BadCredentials),
        ("voice", Rejected),
        ("model", (Rejected, Unsupported)),
        ("size", Rejected),
    ],
)
def test_refusals_are_understood(twins: None, live: Keyed, name: str, what: str, kind: Any) -> None:
    order = speech(name, voice="nobody" if what == "voice" else twin_of(name))
    if what == "model":
        order = replace(order, model=order.model.replace("2", "7"))
    if what == "size":
        Plan.objects.update(characters_per_job=10)
    secret = "sps_live_wrong" if what == "key" else live[1]
    with pytest.raises(kind):
        meet(name, secret, lambda adapter: delivered(adapter, order))
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", SPEECH)
def test_an_empty_wallet_is_an_empty_account(twins: None, live: Keyed, name: str) -> None:
    Wallet.objects.update(available=0)
    order = speech(name, voice=twin_of(name))
    with pytest.raises(AccountEmpty):
        meet(name, live[1], lambda adapter: delivered(adapter, order))
    Wallet.objects.update(available=100_000)
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", ["elevenlabs", "kie", "rivya"])
def test_the_balance_is_told(live: Keyed, name: str) -> None:
    balance = meet(name, live[1], lambda adapter: adapter.balance())
    assert balance.remaining is not None
    assert balance.remaining > 0


@pytest.mark.parametrize("name", ["elevenlabs", "minimax", "openai"])
def test_voices_are_listed(live: Keyed, name: str) -> None:
    voices = meet(name, live[1], lambda adapter: adapter.list_voices())
    assert "en-us" in {voice.id for voice in voices}


def test_voices_of_a_speech_server_come_with_their_languages(live: Keyed) -> None:
    voices = {one.id: one for one in meet("openai", live[1], lambda one: one.list_voices())}
    assert voices["alloy"].languages == ("en",)
    mine = Voice.objects.exclude(language="").values_list("external_id", "language")
    told = {id: voices[id].languages[0].lower() for id, _ in mine}
    assert told == {id: language.lower() for id, language in mine}


@pytest.mark.parametrize("key", ["live", "trial"])
def test_models_of_a_speech_server_are_those_that_speak(
    live: Keyed, trial: Keyed, key: str
) -> None:
    secret = (live if key == "live" else trial)[1]
    models = {one.id for one in meet("openai", secret, lambda one: one.list_models())}
    assert models >= {"tts-1", "tts-1-hd", "gpt-4o-mini-tts", "builtin-speech"}
    assert not [name for name in models if "cleaning" in name or "isolation" in name]


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_the_speed_of_a_speech_server_is_heard(trial: Keyed, speed: float) -> None:
    order = replace(speech("openai", settings={"speed": speed}), model="tts-1", voice="alloy")
    chunks = meet("openai", trial[1], lambda adapter: delivered(adapter, order))
    assert {chunk.format for chunk in chunks} == {"pcm_24000"}
    assert Job.objects.get().voice_settings == ({} if speed == 1 else {"speed": speed})
