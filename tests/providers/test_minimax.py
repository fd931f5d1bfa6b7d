"""What is peculiar to MiniMax: its orders, its codes, its prefix, its voices."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechsite.providers import errors
from speechsite.providers.minimax import MiniMax, wire
from speechsite.providers.types import (
    CleaningOrder,
    Line,
    Sample,
    SpeechOrder,
    UpstreamState,
)
from tests.fakes.minimax import FakeMiniMax
from tests.fakes.minimax_rules import PAUSE
from tests.fakes.server import serving
from tests.fakes.upstream import Fault, Part
from tests.providers.minimax_talk import (
    ORDER,
    VOICE,
    Wired,
    done,
    heard,
    message,
    query,
    sound_of,
    spoken,
    texts,
    using,
)

# The five orders of the documentation


def documented_orders() -> dict[str, SpeechOrder]:
    by_file = {name: message(f"order_{name}.json") for name in (
        "text", "all_options", "txt_file", "zip_file", "long_text",
    )}  # fmt: skip
    orders = {
        name: SpeechOrder(
            text=body.get("text", ""),
            voice=body["voice_setting"]["voice_id"],
            model=body["model"],
            key=name,
            settings={"speed": body["voice_setting"]["speed"]},
            extra={"audio_setting": body.get("audio_setting", {})},
        )
        for name, body in by_file.items()
    }
    full, file, packed = orders["all_options"], orders["txt_file"], orders["zip_file"]
    return {
        **orders,
        "text": replace(orders["text"], settings={"speed": 1, "volume": 1, "pitch": 0}),
        "all_options": replace(
            full,
            settings={"speed": 1, "volume": 1, "pitch": 1, "emotion": "calm"},
            pronunciations=(("危险", "dangerous"),),
            extra={
                **full.extra,
                "language_boost": "auto",
                "voice_modify": {
                    "pitch": 0, "intensity": 0, "timbre": 0, "sound_effects": "spacious_echo",
                },
                "aigc_watermark": False,
            },
        ),
        "txt_file": replace(
            file,
            settings={"speed": 1.2, "volume": 1.5, "pitch": 0},
            language="zh",
            pronunciations=(("草地", "(cao3)(di1)"),),
            extra={**file.extra, "text_file_id": 123456789},
        ),
        "zip_file": replace(
            packed,
            settings={"speed": 1, "volume": 1},
            extra={**packed.extra, "text_file_id": 987654321},
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(documented_orders()))
def test_a_documented_order_can_be_expressed(name: str):
    fake = FakeMiniMax(uploads={123456789: Part(b"Read this.", "1.txt")})
    fake.uploads[987654321] = Part(zipped({"1.txt": "One.", "2.txt": "Two."}), "all.zip")
    event = using(fake, lambda api: api.submit(documented_orders()[name]), "/minimax")
    assert json.loads(fake.seen[0].content) == message(f"order_{name}.json")
    assert fake.seen[0].url.path == "/minimax/v1/t2a_async_v2"
    assert event.state is UpstreamState.QUEUED
    assert fake.accepted == 1


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return buffer.getvalue()


@pytest.mark.parametrize("prefix", ["", "/minimax"])
def test_every_call_keeps_the_gateways_prefix(prefix: str):
    fake = FakeMiniMax()

    async def story(api: MiniMax) -> None:
        await done(api)
        await heard(api.speak(ORDER))
        await api.list_voices()

    using(fake, story, prefix)
    calls = [request.url.path for request in fake.seen if "download" not in request.url.path]
    assert len(calls) == 5
    assert all(path.startswith(f"{prefix}/v1/") for path in calls)


# Orders


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("a [pause:1.5s] b", "a <#1.5#> b"),
        ("a[PAUSE:10s]b", "a<#10#>b"),
        ("a[pause:1s][pause:2s]b", "a<#3#>b"),
        ("a[pause:1s] , [pause:2s]b", "a , <#3#>b"),
        ("[pause:1s]a[pause:1s]", "a"),
        ("[pause:1s] a", " a"),
        ("a[pause:0.001s]b", "a<#0.01#>b"),
        ("a[pause:500s]b", "a<#60#>b"),
        ("a[pause:1.239s]b", "a<#1.24#>b"),
        ("a[pause:0s]b", "ab"),
        ("a[pause:1]b", "a<#1#>b"),
        ("a(sighs)b", "a(sighs)b"),
    ],
)
def test_a_pause_stands_only_between_spoken_parts(text: str, sent: str):
    assert wire.script_of(replace(ORDER, text=text)).text == sent


PARTS = st.sampled_from(["a", "你", " ", ",", "[pause:1s]", "[pause:0.5s]", "[pause:200s]", "\n"])


@given(st.lists(PARTS, max_size=20))
def test_pauses_never_lead_or_trail_or_stand_together(parts: list[str]):
    text = "".join(parts)
    script = wire.script_of(replace(ORDER, text=text))
    spaces = PAUSE.split(script.text)[::2]
    assert len(spaces) == 1 or all(any(map(str.isalnum, part)) for part in spaces)
    assert len(script.origin) == len(script.text)
    kept = zip(script.text, script.origin, strict=True)
    assert all(text[place] == letter for letter, place in kept if place >= 0)
    assert PAUSE.sub("", script.text) == "".join(p for p in parts if not p.startswith("["))


@pytest.mark.parametrize(
    ("asked", "setting", "came"),
    [
        ("mp3_44100_128", (44100, "mp3", 128000), "mp3_44100_128"),
        ("mp3_44100_192", (44100, "mp3", 256000), "mp3_44100_256"),
        ("mp3_22050_32", (22050, "mp3", 32000), "mp3_22050_32"),
        ("mp3_24000_48", (24000, "mp3", 64000), "mp3_24000_64"),
        ("pcm_48000", (44100, "pcm", None), "pcm_44100"),
        ("wav_16000", (16000, "wav", None), "wav_16000"),
        ("flac_44100", (44100, "flac", None), "flac_44100"),
        ("ulaw_8000", (8000, "pcm", None), "pcm_8000"),
        ("opus_48000_96", (44100, "mp3", 128000), "mp3_44100_128"),
    ],
)
def test_a_format_becomes_what_minimax_offers_and_says_so(
    asked: str, setting: tuple[int, str, int | None], came: str
):
    fake = FakeMiniMax()
    chunks = using(fake, lambda api: done(api, replace(ORDER, output_format=asked)))
    (task,) = fake.tasks.values()
    sent = task.body["audio_setting"]
    assert (sent["audio_sample_rate"], sent["format"], sent.get("bitrate")) == setting
    assert sent["channel"] == 1
    assert {chunk.format for chunk in chunks} == {came}
    assert sound_of(chunks) == task.audio


def test_the_stream_has_its_own_words_and_no_wav():
    fake = FakeMiniMax()
    order = replace(
        ORDER, output_format="wav_44100", extra={"voice_setting": {"english_normalization": True}}
    )
    chunks = spoken(fake, order)
    body = json.loads(fake.seen[0].content)
    assert body["audio_setting"] == {"sample_rate": 44100, "format": "pcm", "channel": 1}
    assert body["voice_setting"] == {"voice_id": VOICE, "text_normalization": True}
    assert {chunk.format for chunk in chunks} == {"pcm_44100"}


def test_an_empty_emotion_and_an_unlisted_language_are_left_out():
    body = wire.task_body(replace(ORDER, settings={"emotion": ""}, language="eo"))
    assert body["voice_setting"] == {"voice_id": VOICE}
    assert "language_boost" not in body


@pytest.mark.parametrize(
    ("tag", "name"),
    [("zh-CN", "Chinese"), ("zh-HK", "Chinese,Yue"), ("yue", "Chinese,Yue"), ("en-GB", "English")],
)
def test_a_language_has_minimax_name(tag: str, name: str):
    assert wire.task_body(replace(ORDER, language=tag))["language_boost"] == name


def test_fifty_thousand_characters_are_taken_and_one_more_is_not():
    fake = FakeMiniMax()
    using(fake, lambda api: api.submit(replace(ORDER, text="字" * 50_000)))
    with pytest.raises(errors.Rejected):
        using(fake, lambda api: api.submit(replace(ORDER, text="字" * 50_001)))
    assert fake.requests == 1


@pytest.mark.parametrize(
    "order",
    [
        replace(ORDER, lines=(Line("Hi", VOICE),)),
        replace(ORDER, output_format="mp3_fast"),
        replace(ORDER, settings={"stability": 1}),
        replace(ORDER, extra={"timbre_weights": [{"voice_id": VOICE, "weight": 1}]}),
        replace(ORDER, extra={"audio_setting": {"format": "pcm", "channel": 2}}),
        CleaningOrder(Path("x"), "x", "audio/mpeg", 1, "m", "k"),
    ],
)
def test_what_minimax_cannot_do_is_refused_before_it_costs(order: Any):
    fake = FakeMiniMax()
    with pytest.raises(errors.Unsupported):
        using(fake, lambda api: api.submit(order))
    assert fake.requests == 0


def test_voices_are_mixed_in_a_stream():
    fake = FakeMiniMax()
    weights = [{"voice_id": VOICE, "weight": 1}]
    spoken(fake, replace(ORDER, extra={"timbre_weights": weights}))
    body = json.loads(fake.seen[0].content)
    assert (body["timbre_weights"], body["voice_setting"]["voice_id"]) == (weights, "")


# Text files


@pytest.mark.parametrize(
    ("prefix", "upload_path"), [("", None), ("/minimax", "/v1/files")]
)  # fmt: skip
def test_a_text_file_is_uploaded_and_named_by_a_number(
    tmp_path: Path, prefix: str, upload_path: str | None
):
    path = tmp_path / "1.txt"
    path.write_text("Read this. 读吧。")
    fake = FakeMiniMax()
    options = {"upload_path": upload_path} if upload_path else {}
    order = replace(ORDER, text="", extra={"text_file": str(path)})
    chunks = using(fake, lambda api: done(api, order), prefix, options)
    assert fake.seen[0].url.path == prefix + (upload_path or "/v1/files/upload")
    body = json.loads(fake.seen[1].content)
    assert body["text_file_id"] in fake.uploads
    assert "text" not in body
    assert fake.uploads[body["text_file_id"]].content.decode() == "Read this. 读吧。"
    assert sound_of(chunks)
    assert texts(order, chunks) == []


def test_an_upload_without_a_number_is_garbled(tmp_path: Path):
    path = tmp_path / "1.txt"
    path.write_text("Read this.")
    host = Wired(httpx.Response(200, json={"file": {"file_id": "x"}}))
    with pytest.raises(errors.Garbled):
        using(host, lambda api: api.submit(replace(ORDER, extra={"text_file": path})))


# Voices


def test_documented_voices_are_read():
    voices = using(Wired(query("voices.json")), lambda api: api.list_voices())
    assert [(voice.name, voice.languages, voice.category) for voice in voices] == [
        ("Reliable Executive", ("zh",), "premade"),
        ("Radiant Girl", ("en",), "premade"),
        ("Fresh youth", (), "premade"),
        ("ada-2026", (), "cloned"),
    ]
    assert voices[0].description == "Steady and trusted"


def test_a_voice_list_with_gaps_is_read():
    lists = {"system_voice": [None, {}, {"voice_id": "a", "description": "One line"}]}
    (voice,) = using(Wired(httpx.Response(200, json=lists)), lambda api: api.list_voices())
    assert (voice.name, voice.description) == ("a", "One line")


def test_a_clone_gets_a_lawful_id_and_can_be_deleted():
    fake = FakeMiniMax()

    async def story(api: MiniMax) -> Any:
        voice = await api.clone("Ada", [Sample("a.mp3", "audio/mpeg", b"1")], {"mood": "calm"})
        assert fake.clones == {voice.id: "a.mp3"}
        await api.delete_voice(voice.id)
        return voice

    voice = using(fake, story)
    assert (voice.name, voice.category, voice.labels) == ("Ada", "cloned", {"mood": "calm"})
    assert fake.clones == {}


@pytest.mark.parametrize("count", [0, 2])
def test_a_clone_is_made_from_exactly_one_recording(count: int):
    fake = FakeMiniMax()
    samples = [Sample("a.mp3", "audio/mpeg", b"1")] * count
    with pytest.raises(errors.Unsupported):
        using(fake, lambda api: api.clone("Ada", samples, {}))
    assert fake.requests == 0


def test_a_lost_answer_to_a_clone_is_unclear():
    fake = FakeMiniMax(fault=Fault.DROP_AFTER)
    sample = Sample("a.mp3", "audio/mpeg", b"1")
    with pytest.raises(errors.Unclear):
        using(fake, lambda api: api.clone("Ada", [sample], {}))


def test_a_voice_that_is_not_there_cannot_be_deleted():
    with pytest.raises(errors.Rejected):
        using(FakeMiniMax(), lambda api: api.delete_voice("nobody-at-all"))


# Over a real socket


def test_a_task_and_a_stream_end_in_sound_over_a_socket(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    fake = FakeMiniMax()

    async def story(url: str) -> list[bytes]:
        async with MiniMax(url + "/minimax", {"api_key": fake.key}) as api:
            return [sound_of(await done(api)), sound_of(await heard(api.speak(ORDER)))]

    with serving(fake) as url:
        sounds = asyncio.run(story(url))
    assert sounds == [task.audio for task in fake.tasks.values()]


def test_a_link_into_the_own_network_is_not_followed():
    fake = FakeMiniMax()

    async def story(url: str) -> None:
        async with MiniMax(url, {"api_key": fake.key}) as api:
            await done(api)

    with serving(fake) as url, pytest.raises(errors.Garbled):
        asyncio.run(story(url))


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER])
def test_a_broken_socket_is_unclear(fault: Fault):
    fake = FakeMiniMax(fault=fault)

    async def story(url: str) -> None:
        async with MiniMax(url, {"api_key": fake.key}) as api:
            await api.submit(ORDER)

    with serving(fake) as url, pytest.raises(errors.Unclear):
        asyncio.run(story(url))
    assert fake.accepted == 1
