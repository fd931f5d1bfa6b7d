"""What is peculiar to ElevenLabs: its orders, dialogue, isolation, voices and history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from speechsite.providers import errors
from speechsite.providers.elevenlabs import ElevenLabs
from speechsite.providers.types import (
    Chunk,
    Sample,
    SpeechOrder,
    WordTime,
)
from tests.fakes import sound
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.server import serving
from tests.fakes.upstream import Fault
from tests.providers.elevenlabs_talk import (
    LIAM,
    ORDER,
    RACHEL,
    TALK,
    WIRE,
    Wired,
    body_of,
    cleaning,
    heard,
    message,
    spoken,
    texts,
    using,
)

# Speech


def test_documented_lines_give_sound_and_words_in_their_places():
    lines = (WIRE / "stream_with_timestamps.ndjson").read_bytes()
    host = Wired(httpx.Response(200, headers={"character-cost": "13"}, content=lines))
    order = replace(ORDER, text="Good morning, 2 you! 你好。")
    chunks = spoken(host, order)
    assert b"".join(chunk.audio for chunk in chunks) == b"\xff\xfb\x90\x00onetwothreefour"
    assert texts(order, chunks) == ["Good", "morning", "2", "you", "你", "好"]
    words = [word for chunk in chunks for word in chunk.words]
    assert words[1] == WordTime(5, 12, 250, 600)
    assert words[-1] == WordTime(22, 23, 1450, 1550)
    assert [chunk.cost for chunk in chunks] == [Decimal(13), None, None, None]


def test_a_word_cut_by_a_line_is_told_once_and_whole():
    lines = (WIRE / "stream_with_timestamps.ndjson").read_bytes()
    order = replace(ORDER, text="Good morning, 2 you! 你好。")
    chunks = spoken(Wired(httpx.Response(200, content=lines)), order)
    assert [len(chunk.words) for chunk in chunks] == [1, 1, 0, 4]


def test_a_wav_comes_whole():
    host = Wired(httpx.Response(200, json=message("with_timestamps.json")))
    order = replace(ORDER, text="Hi you", output_format="wav_44100")
    chunks = spoken(host, order)
    assert host.asked[0].url.path == f"/v1/text-to-speech/{RACHEL}/with-timestamps"
    assert texts(order, chunks) == ["Hi", "you"]
    assert {chunk.format for chunk in chunks} == {"wav_44100"}


@pytest.mark.parametrize(
    ("output_format", "with_times", "path"),
    [
        ("mp3_44100_128", True, "/stream/with-timestamps"),
        ("mp3_44100_128", False, "/stream"),
        ("pcm_22050", True, "/stream/with-timestamps"),
        ("wav_22050", True, "/with-timestamps"),
        ("wav_22050", False, ""),
        ("ulaw_8000", False, "/stream"),
        ("opus_48000_64", False, "/stream"),
    ],
)
def test_each_form_has_its_path_and_its_format_in_the_query(
    output_format: str, with_times: bool, path: str
):
    fake = FakeElevenLabs()
    order = replace(ORDER, output_format=output_format, with_times=with_times)
    chunks = spoken(fake, order)
    (task,) = fake.tasks.values()
    assert task.body["path"] == f"/v1/text-to-speech/{RACHEL}{path}"
    assert task.body["query"] == {"output_format": output_format}
    assert b"".join(chunk.audio for chunk in chunks) == task.audio


def test_an_order_is_written_in_elevenlabs_words():
    fake = FakeElevenLabs()
    order = replace(
        ORDER,
        settings={
            "stability": 0.3,
            "similarity": 0.9,
            "style": 0.1,
            "speaker_boost": False,
            "speed": 1.1,
        },
        language="en-GB",
        previous_text="Before.",
        next_text="After.",
        seed=7,
        extra={"apply_text_normalization": "off", "voice_modify": {"pitch": 1}},
    )
    spoken(fake, order)
    assert body_of(fake.seen[0]) == {
        "text": "Good morning.",
        "model_id": "eleven_flash_v2_5",
        "voice_settings": {
            "stability": 0.3,
            "similarity_boost": 0.9,
            "style": 0.1,
            "use_speaker_boost": False,
            "speed": 1.1,
        },
        "language_code": "en",
        "previous_text": "Before.",
        "next_text": "After.",
        "seed": 7,
        "apply_text_normalization": "off",
    }
    assert fake.seen[0].headers["xi-api-key"] == fake.key
    assert "authorization" not in fake.seen[0].headers


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("eleven_multilingual_v2", {"previous_text"}),
        ("eleven_flash_v2", {"previous_text"}),
        ("eleven_turbo_v2_5", {"previous_text", "language_code"}),
        ("eleven_v3", {"language_code"}),
    ],
)
def test_a_model_gets_only_what_it_takes(model: str, takes: set[str]):
    fake = FakeElevenLabs()
    spoken(fake, replace(ORDER, model=model, language="de", previous_text="Before."))
    assert set(body_of(fake.seen[0])) - {"text", "model_id"} == takes


@pytest.mark.parametrize("name", ["mp3", "mp3_44100_256", "flac_44100", "", "wav_48000x"])
def test_a_format_that_does_not_exist_is_refused_before_it_costs(name: str):
    fake = FakeElevenLabs()
    with pytest.raises(errors.Unsupported):
        spoken(fake, replace(ORDER, output_format=name))
    assert fake.requests == 0


@pytest.mark.parametrize("voice", ["../user", "a/b", "", "a?b", "é"])
def test_a_voice_cannot_lead_to_another_path(voice: str):
    fake = FakeElevenLabs()
    with pytest.raises(errors.Rejected):
        spoken(fake, replace(ORDER, voice=voice))
    assert fake.requests == 0


def test_pronunciations_are_refused_aloud():
    with pytest.raises(errors.Unsupported):
        spoken(FakeElevenLabs(), replace(ORDER, pronunciations=(("a", "b"),)))


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("a [pause:1.5s] b", 'a <break time="1.5s" /> b'),
        ("a[PAUSE:2s]b", 'a<break time="2s" />b'),
        ("a [pause:7s] b", 'a <break time="3s" /><break time="3s" /><break time="1s" /> b'),
        ("a [pause:0s] b", "a  b"),
        ("a [pause:10.0s]", 'a <break time="3s" /><break time="3s" /><break time="3s" />'
         '<break time="1s" />'),
        ("a [pause:x] b", "a [pause:x] b"),
    ],
)  # fmt: skip
def test_pauses_become_breaks_of_at_most_three_seconds(text: str, sent: str):
    fake = FakeElevenLabs()
    spoken(fake, replace(ORDER, text=text))
    assert body_of(fake.seen[0])["text"] == sent


def test_a_model_without_breaks_gets_none():
    fake = FakeElevenLabs()
    spoken(fake, replace(ORDER, model="eleven_v3", text="a [pause:2s] b"))
    assert body_of(fake.seen[0])["text"] == "a  …  b"


# First sound


@pytest.mark.parametrize("with_times", [True, False])
def test_the_first_sound_is_handed_on_before_the_second_exists(with_times: bool):
    first = (WIRE / "stream_with_timestamps.ndjson").read_bytes().split(b"\n")[0] + b"\n"

    async def story() -> Chunk:
        go_on = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield first
            await go_on.wait()
            yield first

        host = Wired(httpx.Response(200, headers={"content-type": "audio/mpeg"}, content=body()))
        transport = httpx.MockTransport(host)
        async with ElevenLabs("https://eleven.test", {"api_key": "k"}, transport=transport) as api:
            stream = api.speak(replace(ORDER, with_times=with_times))
            chunk = await asyncio.wait_for(anext(stream), 5)
            await stream.aclose()
            return chunk

    assert asyncio.run(story()).audio


# Dialogue


def test_a_documented_dialogue_gives_words_in_the_whole_text():
    host = Wired(httpx.Response(200, json=message("dialogue_with_timestamps.json")))
    chunks = spoken(host, TALK)
    assert texts(TALK, chunks) == ["Hi", "Ben", "Oh", "Ada"]
    assert host.asked[0].url.path == "/v1/text-to-dialogue/stream/with-timestamps"
    assert body_of(host.asked[0]) == {
        "inputs": [
            {"text": "Hi Ben.", "voice_id": RACHEL},
            {"text": "Oh, Ada!", "voice_id": LIAM},
        ],
        "model_id": "eleven_v3",
        "settings": {"stability": 0.5},
    }


def test_a_line_that_the_text_does_not_hold_gets_no_times():
    order = replace(TALK, text="Oh, Ada!")
    assert texts(order, spoken(FakeElevenLabs(), order)) == ["Oh", "Ada"]


def test_a_setting_that_a_dialogue_lacks_is_refused_aloud():
    fake = FakeElevenLabs()
    with pytest.raises(errors.Unsupported):
        spoken(fake, replace(TALK, settings={"speed": 1.1}))
    assert fake.requests == 0


# Isolation


def test_a_recording_is_cleaned_to_mp3(tmp_path: Path):
    path = tmp_path / "noisy"
    path.write_bytes(sound.tone(1.0))
    fake = FakeElevenLabs()
    chunks = using(fake, lambda api: heard(api.clean(cleaning(path))))
    (task,) = fake.tasks.values()
    assert b"".join(chunk.audio for chunk in chunks) == task.audio
    assert {chunk.format for chunk in chunks} == {"mp3_44100_128"}
    assert chunks[0].cost == 17
    assert task.body["bytes"] == path.stat().st_size
    assert task.body["path"] == "/v1/audio-isolation/stream"


def test_a_recording_is_read_while_it_is_sent(tmp_path: Path):
    path = tmp_path / "long"
    path.write_bytes(bytes(1_000_000))
    sizes: list[int] = []

    class Counting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert isinstance(request.stream, httpx.AsyncByteStream)
            sizes.extend([len(piece) async for piece in request.stream])
            return httpx.Response(200, content=b"\xff\xfbsound")

    async def story() -> None:
        async with ElevenLabs("https://e.test", {"api_key": "k"}, transport=Counting()) as api:
            await heard(api.clean(cleaning(path)))

    asyncio.run(story())
    assert sum(sizes) > 1_000_000
    assert max(sizes) <= 100_000


# Voices and the account


def test_documented_voices_are_read_with_all_their_gaps():
    host = Wired(httpx.Response(200, json=message("voices_page.json")))
    rachel, bare, ada = using(host, lambda api: api.list_voices())
    assert (rachel.name, rachel.gender, rachel.accent, rachel.age) == (
        "Rachel", "female", "american", "young",
    )  # fmt: skip
    assert rachel.languages == ("en", "en-US", "pl")
    assert rachel.use_case == "social media"
    assert rachel.preview_url == "https://storage.example/rachel.mp3"
    assert rachel.labels == {"descriptive": "calm"}
    assert (bare.name, bare.gender, bare.languages) == (bare.id, "", ())
    assert (ada.name, ada.category, ada.gender) == ("Ada", "cloned", "")


def test_all_pages_of_voices_are_read():
    fake = FakeElevenLabs(page_size=1)
    voices = using(fake, lambda api: api.list_voices())
    assert [voice.name for voice in voices] == ["Rachel", "Liam", "George"]
    assert fake.requests == 3


def test_pages_without_end_come_to_an_end():
    page = {"voices": [], "has_more": True, "next_page_token": "again"}
    host = Wired(httpx.Response(200, json=page))
    assert using(host, lambda api: api.list_voices()) == []
    assert len(host.asked) == 100


def test_a_clone_is_sent_as_a_form_and_can_be_deleted():
    fake = FakeElevenLabs()
    samples = [Sample("one.mp3", "audio/mpeg", b"1"), Sample("two.mp3", "audio/mpeg", b"2")]

    async def story(api: ElevenLabs) -> Any:
        voice = await api.clone("Ada's own", samples, {"gender": "female"})
        assert fake.voices[voice.id]["labels"] == {"gender": "female"}
        await api.delete_voice(voice.id)
        return voice

    voice = using(fake, story)
    assert (voice.name, voice.category, voice.gender) == ("Ada's own", "cloned", "female")
    assert fake.seen[0].content.count(b'name="files"; filename=') == 2
    assert voice.id not in fake.voices


def test_a_clone_without_an_id_is_unclear():
    sample = Sample("one.mp3", "audio/mpeg", b"1")
    with pytest.raises(errors.Unclear):
        using(Wired(httpx.Response(200, json={})), lambda api: api.clone("Ada", [sample], {}))


def test_a_documented_clone_answer_is_understood():
    sample = Sample("one.mp3", "audio/mpeg", b"1")
    host = Wired(httpx.Response(200, json=message("voice_added.json")))
    voice = using(host, lambda api: api.clone("Ada", [sample], {}))
    assert (voice.id, voice.name) == ("c38kUX8pkfYO2kHyqfFy", "Ada")


def test_a_voice_that_is_not_there_cannot_be_deleted():
    with pytest.raises(errors.Rejected):
        using(FakeElevenLabs(), lambda api: api.delete_voice("nobody"))


def test_the_balance_is_what_the_period_still_holds():
    host = Wired(httpx.Response(200, json=message("subscription.json")))
    assert using(host, lambda api: api.balance()).remaining == Decimal(119750)


@pytest.mark.parametrize("body", [{}, [], {"character_count": "1", "character_limit": None}])
def test_a_subscription_that_says_nothing_is_garbled(body: Any):
    with pytest.raises(errors.Garbled):
        using(Wired(httpx.Response(200, json=body)), lambda api: api.balance())


# Over a real socket


def on_a_socket(fake: FakeElevenLabs, order: SpeechOrder = ORDER) -> list[Chunk]:
    async def story(url: str) -> list[Chunk]:
        async with ElevenLabs(url, {"api_key": fake.key}) as api:
            return await heard(api.speak(order))

    with serving(fake) as url:
        return asyncio.run(story(url))


def test_it_speaks_over_a_socket():
    chunks = on_a_socket(FakeElevenLabs())
    assert texts(ORDER, chunks) == ["Good", "morning"]


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.AUDIO_TRUNCATED])
def test_a_broken_socket_is_unclear(fault: Fault):
    with pytest.raises(errors.Unclear):
        on_a_socket(FakeElevenLabs(fault=fault))


def test_a_closed_port_is_unavailable():
    async def story() -> list[Chunk]:
        async with ElevenLabs("http://127.0.0.1:9", {"api_key": "k"}) as api:
            return await heard(api.speak(ORDER))

    with pytest.raises(errors.Unavailable):
        asyncio.run(story())
