"""Speech servers: what they list, how they answer, and what only looks like an answer."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from speechsite.providers import http
from speechsite.providers.errors import (
    AccountEmpty,
    BadCredentials,
    Garbled,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
    Unclear,
    Unsupported,
)
from speechsite.providers.openai import OpenAI, known
from speechsite.providers.types import Chunk, ModelInfo, SpeechOrder, VoiceInfo
from tests.fakes import tones
from tests.fakes.openai import WIRE, FakeOpenAI, open_wav, wire
from tests.fakes.server import serving
from tests.fakes.upstream import Fault

KINDS = ("openai", "kokoro", "speaches", "localai", "vllm")
ORDERS = {
    "openai": ("tts-1", "alloy"),
    "kokoro": ("kokoro", "af_heart"),
    "speaches": ("speaches-ai/Kokoro-82M-v1.0-ONNX", "bm_george"),
    "localai": ("tts", "narrator"),
    "vllm": ("Qwen/Qwen3-TTS-12Hz-1.7B-CustomVoice", "vivian"),
}
TEXT = "The quick brown fox jumps over the lazy dog."
OPENAI = "https://api.openai.com"


def order(kind: str = "kokoro", text: str = TEXT, **more: Any) -> SpeechOrder:
    model, voice = ORDERS[kind]
    return SpeechOrder(text=text, voice=voice, model=model, key="order-1", **more)


def run(adapter: OpenAI, story: Any) -> Any:
    async def told() -> Any:
        async with adapter:
            return await story(adapter)

    return asyncio.run(told())


def spoken(adapter: OpenAI, wanted: SpeechOrder | None = None) -> list[Chunk]:
    async def story(adapter: OpenAI) -> list[Chunk]:
        return [chunk async for chunk in adapter.speak(wanted or order())]

    return run(adapter, story)  # type: ignore[no-any-return]


def voices(adapter: OpenAI) -> dict[str, VoiceInfo]:
    return {one.id: one for one in run(adapter, lambda adapter: adapter.list_voices())}


def models(adapter: OpenAI) -> dict[str, ModelInfo]:
    return {one.id: one for one in run(adapter, lambda adapter: adapter.list_models())}


def at(fake: FakeOpenAI, **options: str) -> OpenAI:
    key = {"api_key": fake.key}
    return OpenAI(fake.base_url, key, options, transport=fake.transport())


def saying(*answers: httpx.Response | Exception, key: str = "", **options: str) -> OpenAI:
    """A server that gives these answers in turn, the last again and again."""
    left = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    keys = {"api_key": key}
    return OpenAI("http://gpu.test", keys, options, transport=httpx.MockTransport(handle))


def sound(content: bytes, kind: str = "audio/pcm") -> httpx.Response:
    return httpx.Response(200, content=content, headers={"content-type": kind} if kind else {})


# --- orders ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_server_speaks(kind: str) -> None:
    fake = FakeOpenAI(kind=kind, base_url=OPENAI if kind == "openai" else "http://gpu.test")
    chunks = spoken(at(fake), order(kind))
    assert {chunk.format for chunk in chunks} == {"pcm_24000"}
    audio = b"".join(chunk.audio for chunk in chunks)
    assert audio == tones.tone("pcm_24000", len(TEXT) * 65)


def test_sound_is_handed_on_as_it_comes() -> None:
    """Over a real socket: the second piece is made only once the first was heard."""
    fake = FakeOpenAI(pieces=2)
    heard = asyncio.Event()

    async def flow(audio: bytes) -> AsyncIterator[bytes]:
        half = len(audio) // 4 * 2
        yield audio[:half]
        while not heard.is_set():
            await asyncio.sleep(0.01)
        yield audio[half:]

    fake._flow = flow  # type: ignore[method-assign]
    with serving(fake) as url:

        async def story(adapter: OpenAI) -> int:
            size = 0
            async with asyncio.timeout(20), aclosing(adapter.speak(order())) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    size += len(chunk.audio)
                    heard.set()
            return size

        size = run(OpenAI(url, {"api_key": fake.key}), story)
    assert size == len(tones.tone("pcm_24000", len(TEXT) * 65))


def test_the_address_may_end_in_v1() -> None:
    fake = FakeOpenAI()
    adapter = OpenAI("http://gpu.test/tts/v1/", {}, transport=fake.transport())
    assert adapter.base_url == "http://gpu.test/tts"


def test_without_a_key_nothing_is_said_of_one() -> None:
    fake = FakeOpenAI(key="")
    spoken(at(fake))
    assert "authorization" not in fake.seen[0].headers


def test_openai_is_told_nothing_that_it_does_not_know() -> None:
    fake = FakeOpenAI(kind="openai", base_url=OPENAI)
    spoken(at(fake), order("openai", settings={"speed": 1.5}))
    assert fake.spoken == [
        {
            "model": "tts-1",
            "voice": "alloy",
            "input": TEXT,
            "response_format": "pcm",
            "speed": 1.5,
        }
    ]


def test_other_servers_are_told_the_rate_and_to_stream() -> None:
    fake = FakeOpenAI()
    spoken(at(fake))
    assert fake.spoken[0].items() >= {"sample_rate": 24_000, "stream_format": "audio"}.items()


def test_the_language_of_a_voice_is_no_reason_to_refuse() -> None:
    fake = FakeOpenAI()
    assert spoken(at(fake), order(language="en-US"))
    assert "language" not in fake.spoken[0]


def test_a_pause_is_not_read_out() -> None:
    fake = FakeOpenAI()
    spoken(at(fake), order(text="One.[pause:2s]Two."))
    assert fake.spoken[0]["input"] == "One. … Two."


@pytest.mark.parametrize(
    "more", [{"seed": 0}, {"pronunciations": (("a", "b"),)}, {"extra": {"watermark": True}}]
)
def test_what_would_be_ignored_is_refused(more: Any) -> None:
    fake = FakeOpenAI()
    with pytest.raises(Unsupported):
        spoken(at(fake), order(**more))
    assert fake.requests == 0


@pytest.mark.parametrize("speed", [0.1, 5.0])
def test_a_speed_beyond_the_endpoint_is_refused(speed: float) -> None:
    fake = FakeOpenAI()
    with pytest.raises(Unsupported):
        spoken(at(fake), order(settings={"speed": speed}))
    assert fake.requests == 0


# --- formats ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
@pytest.mark.parametrize("opened", [True, False])
def test_a_wav_becomes_the_samples_in_it(rate: int, opened: bool) -> None:
    file = tones.tone(f"wav_{rate}", 700)
    content = open_wav(file) if opened else file
    chunks = spoken(saying(sound(content, "audio/wav")))
    assert {chunk.format for chunk in chunks} == {f"pcm_{rate}"}
    assert b"".join(chunk.audio for chunk in chunks) == tones.tone(f"pcm_{rate}", 700)


def test_a_wav_that_comes_byte_by_byte_is_read_the_same() -> None:
    file = tones.tone("wav_24000", 100)

    async def bytewise() -> AsyncIterator[bytes]:
        for at in range(len(file)):
            yield file[at : at + 1]

    answer = httpx.Response(200, headers={"content-type": "audio/wav"}, content=bytewise())
    audio = b"".join(chunk.audio for chunk in spoken(saying(answer)))
    assert audio == tones.tone("pcm_24000", 100)


@pytest.mark.parametrize(
    ("name", "kind", "asked"),
    [
        ("mp3_24000_64", "audio/mpeg", ""),
        ("mp3_24000_64", "", "mp3"),
        ("flac_24000", "audio/flac", ""),
        ("opus_48000_64", "audio/ogg", "opus"),
    ],
)
def test_packed_sound_passes_by_its_name(name: str, kind: str, asked: str) -> None:
    chunks = spoken(saying(sound(tones.tone(name, 700), kind), format=asked))
    assert {chunk.format.split("_")[0] for chunk in chunks} == {name.split("_", maxsplit=1)[0]}
    assert b"".join(chunk.audio for chunk in chunks) == tones.tone(name, 700)


def test_another_format_can_be_asked_for() -> None:
    fake = FakeOpenAI(kind="vllm")
    chunks = spoken(at(fake, format="mp3"), order("vllm"))
    assert chunks[0].format.startswith("mp3")
    assert fake.spoken[0]["response_format"] == "mp3"
    assert "stream_format" not in fake.spoken[0]


def test_a_format_that_no_server_has_is_refused_before_it_is_asked_for() -> None:
    fake = FakeOpenAI()
    with pytest.raises(Unsupported, match="ogg"):
        spoken(at(fake, format="ogg"))
    assert fake.requests == 0


# --- what only looks like an answer ------------------------------------------------------------

WAV = tones.tone("wav_24000", 700)
STEREO = tones.tone("wav_24000", 700, channels=2)
PAGE = b"<!DOCTYPE html><html><title>Open WebUI</title></html>"
BAD = {
    "html": sound(PAGE, "text/html"),
    "html that says it is sound": sound(PAGE, "audio/pcm"),
    "html that says nothing": sound(PAGE, ""),
    "json": httpx.Response(200, json={"error": {"message": "busy"}}),
    "json that says it is sound": sound(b'{"error": "busy"}', "audio/mpeg"),
    "a word": sound(b"OK", ""),
    "events": sound(b'data: {"type": "speech.audio.delta"}\n\n', "text/event-stream"),
    "nothing": sound(b""),
    "half a WAV": sound(WAV[: len(WAV) // 2], "audio/wav"),
    "half a header": sound(WAV[:20], "audio/wav"),
    "a header alone": sound(open_wav(WAV)[: WAV.index(b"data") + 8], "audio/wav"),
    "RIFF that is no WAV": sound(b"RIFF\x10\0\0\0AVI LIST" + bytes(100), "audio/wav"),
    "a WAV without samples": sound(
        b"RIFF\xff\xff\xff\xffWAVEjunk" + struct.pack("<I", 2**31) + bytes(100), "audio/wav"
    ),
    "two WAVs": sound(WAV + WAV, "audio/wav"),
    "a WAV in stereo": sound(STEREO, "audio/wav"),
    "half a sample": sound(tones.tone("pcm_24000", 700)[:-1]),
    "a WAV that is none": sound(bytes(1000), "audio/wav"),
    "a picture": sound(b"\x89PNG\r\n\x1a\n" + bytes(1000), "image/png"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("key", ["", "secret-key-0123"])
def test_what_is_no_sound_is_garbled(name: str, key: str) -> None:
    bad = BAD[name]
    again = httpx.Response(bad.status_code, headers=bad.headers, content=bad.content)
    with pytest.raises(Garbled):
        spoken(saying(again, key=key))


@pytest.mark.parametrize(("key", "kind"), [("", Unavailable), ("secret-key-0123", Unclear)])
@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.AUDIO_TRUNCATED])
def test_who_asks_for_no_key_sends_no_bill(
    key: str, kind: type[ProviderError], fault: Fault
) -> None:
    """What such a server lost may be said again; with a key it may have been billed."""
    fake = FakeOpenAI(key=key, fault=fault)
    with pytest.raises(kind):
        spoken(at(fake))


def test_sound_without_an_end_is_garbled() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1024 * 1024)

    kind = {"content-type": "audio/pcm"}
    with pytest.raises(Garbled, match="longer than any reading"):
        spoken(saying(httpx.Response(200, headers=kind, content=endless())))


def test_a_server_that_only_sends_a_little_for_ever_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "STREAM_SECONDS", 0.2)

    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield bytes(64)
            await asyncio.sleep(0.01)

    kind = {"content-type": "audio/pcm"}
    with pytest.raises(Unavailable):
        spoken(saying(httpx.Response(200, headers=kind, content=dripping())))


ERRORS = {
    "error_key_openai": BadCredentials,
    "error_quota_openai": AccountEmpty,
    "error_rate_openai": RateLimited,
    "error_model_openai": Unsupported,
    "error_voice_openai": Rejected,
    "error_region_openai": BadCredentials,
    "error_overloaded_openai": Unavailable,
    "error_model_kokoro": Unsupported,
    "error_voice_kokoro": Unsupported,
    "error_processing_kokoro": Unavailable,
    "error_schema_speaches": Rejected,
    "error_model_speaches": Unsupported,
    "error_backend_localai": Unavailable,
    "error_model_vllm": Unsupported,
    "error_older_vllm": Unsupported,
}


def test_each_documented_error_is_in_the_table() -> None:
    assert set(ERRORS) == {path.stem for path in WIRE.glob("error_*.json")}


@pytest.mark.parametrize("name", ERRORS)
def test_documented_errors_are_ours(name: str) -> None:
    told = wire(name)
    with pytest.raises(ProviderError) as caught:
        spoken(saying(httpx.Response(told["status"], json=told["body"]), key="secret-key-0123"))
    assert type(caught.value) is ERRORS[name]
    # Its words are what an administrator reads.
    body = json.dumps(told["body"])
    assert json.dumps(caught.value.message)[1:60] in body


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
@pytest.mark.parametrize(
    "body", [b"", PAGE, b"null", b"[]", b"[" * 100_000, b'{"error": [[]]}', b'{"detail": [1]}']
)
def test_an_error_in_any_shape_goes_by_its_status(status: int, body: bytes) -> None:
    kinds = {401: BadCredentials, 404: Unsupported, 429: RateLimited, 500: Unavailable}
    kind = kinds.get(status, Unavailable if status > 500 else Rejected)
    with pytest.raises(kind):
        spoken(saying(httpx.Response(status, content=body)))


# --- lists -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["voices_kokoro", "voices_kokoro_older"])
def test_kokoros_names_tell_language_and_sex(name: str) -> None:
    fake = FakeOpenAI()
    fake.voices = wire(name)
    found = voices(at(fake))
    assert found["zf_xiaobei"] == VoiceInfo(
        id="zf_xiaobei", name="Xiaobei", languages=("zh",), gender="female"
    )
    assert {one.id: one.languages[0] for one in found.values()} == {
        "af_heart": "en-US",
        "am_adam": "en-US",
        "bf_emma": "en-GB",
        "ff_siwis": "fr-FR",
        "jm_kumo": "ja",
        "pf_dora": "pt-BR",
        "zf_xiaobei": "zh",
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("speaches", {"af_heart": "en-US", "bm_george": "en-GB", "ff_siwis": "fr-FR"}),
        ("localai", {"narrator": "en-GB", "alba": "pt"}),
        ("vllm", {"aiden": "pt", "ryan": "pt", "vivian": "pt"}),
    ],
)
def test_the_servers_word_comes_before_the_setting(kind: str, expected: dict[str, str]) -> None:
    found = voices(at(FakeOpenAI(kind=kind), language="pt"))
    assert {one.id: one.languages[0] for one in found.values()} == expected


def test_a_language_that_nobody_tells_stays_open() -> None:
    assert voices(at(FakeOpenAI(kind="vllm")))["vivian"].languages == ()


@pytest.mark.parametrize(
    "listed",
    [
        ["one", "two"],
        {"data": [{"id": "one"}, {"id": "two"}]},
        {"voices": [{"voice_id": "one"}, {"name": "two"}, {"id": "one"}, 7, None, {}, ""]},
    ],
)
def test_a_list_may_have_any_of_the_known_forms(listed: Any) -> None:
    assert list(voices(saying(httpx.Response(200, json=listed)))) == ["one", "two"]


def test_voices_of_the_setting_stand_in_for_a_list_that_is_not_there() -> None:
    fake = FakeOpenAI()
    fake.voices = None
    found = voices(at(fake, voices="tara, leo,zoe", language="en"))
    assert {one.id: (one.name, one.languages) for one in found.values()} == {
        "tara": ("Tara", ("en",)),
        "leo": ("Leo", ("en",)),
        "zoe": ("Zoe", ("en",)),
    }


@pytest.mark.parametrize("base_url", [OPENAI, "http://gpu.test"])
def test_without_list_and_setting_they_are_openais(base_url: str) -> None:
    fake = FakeOpenAI(kind="openai", base_url=base_url)
    assert set(voices(at(fake))) == set(known.NAMES)


def test_a_wrong_key_is_noticed_also_where_nothing_is_listed() -> None:
    fake = FakeOpenAI(kind="openai", base_url=OPENAI)
    wrong = OpenAI(OPENAI, {"api_key": "sk-wrong-0123"}, transport=fake.transport())
    with pytest.raises(BadCredentials):
        voices(wrong)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("openai", {"gpt-4o-mini-tts": 1500, "tts-1": 1500, "tts-1-hd": 3000}),
        ("kokoro", dict.fromkeys(("tts-1", "tts-1-hd", "kokoro", "gpt-4o-mini-tts"), 0)),
        ("speaches", {"speaches-ai/Kokoro-82M-v1.0-ONNX": 0}),
        ("localai", {"tts": 0}),
        ("vllm", {"Qwen/Qwen3-TTS-12Hz-1.7B-CustomVoice": 0}),
    ],
)
def test_models_that_speak_are_found_among_the_others(kind: str, expected: Any) -> None:
    fake = FakeOpenAI(kind=kind, base_url=OPENAI if kind == "openai" else "http://gpu.test")
    assert {one.id: one.cost for one in models(at(fake)).values()} == expected


def test_a_single_model_speaks_whatever_it_is_called() -> None:
    assert list(
        models(saying(httpx.Response(200, json={"data": [{"id": "fishaudio/s2-pro"}]})))
    ) == ["fishaudio/s2-pro"]


def test_models_of_the_setting_come_first() -> None:
    assert list(models(at(FakeOpenAI(), models="kokoro"))) == ["kokoro"]


MANY = [{"id": f"voice-{number}"} for number in range(10_000)]
BAD_LISTS = {
    "html": httpx.Response(200, html=PAGE.decode()),
    "nothing": httpx.Response(200, content=b""),
    "a number": httpx.Response(200, json=7),
    "an error with 200": httpx.Response(200, json={"error": {"message": "busy"}}),
    "an empty list": httpx.Response(200, json={"voices": [], "data": []}),
    "nothing that could be asked for": httpx.Response(200, json=[{"id": "\0"}, {"id": "x" * 201}]),
    "ten thousand": httpx.Response(200, json={"voices": MANY, "data": MANY}),
    "too deep": httpx.Response(200, content=b"[" * 100_000),
}


@pytest.mark.parametrize("what", [voices, models])
@pytest.mark.parametrize("name", BAD_LISTS)
def test_what_is_no_list_is_garbled(what: Any, name: str) -> None:
    bad = BAD_LISTS[name]
    with pytest.raises(Garbled):
        what(saying(httpx.Response(200, headers=bad.headers, content=bad.content)))


@pytest.mark.parametrize("what", [voices, models])
@pytest.mark.parametrize(
    ("status", "kind"), [(401, BadCredentials), (429, RateLimited), (500, Unavailable)]
)
def test_a_list_that_is_refused_is_not_taken_for_one_that_is_not_there(
    what: Any, status: int, kind: type[ProviderError]
) -> None:
    with pytest.raises(kind):
        what(saying(httpx.Response(status), voices="alloy", models="tts-1"))


@pytest.mark.parametrize("what", [voices, models])
def test_a_list_without_an_end_is_left(what: Any) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b'"a",' * 65_536

    with pytest.raises(Unavailable):
        what(saying(httpx.Response(200, content=endless())))
