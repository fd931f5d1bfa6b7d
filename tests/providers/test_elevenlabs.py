"""What is peculiar to ElevenLabs: its lines, its words for trouble, its history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speechsite.providers import errors
from speechsite.providers.elevenlabs import ElevenLabs
from speechsite.providers.elevenlabs import sound as lines
from speechsite.providers.elevenlabs.times import WordTimer
from speechsite.providers.script import Script, Words
from speechsite.providers.types import (
    Chunk,
    CleaningOrder,
    Line,
    Order,
    Sample,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
    WordTime,
)
from tests.fakes import sound
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.server import serving
from tests.fakes.upstream import Fault

WIRE = Path(__file__).parent.parent / "wire" / "elevenlabs"
RACHEL, LIAM = "21m00Tcm4TlvDq8ikWAM", "TX3LPaxmHKxFdv7VOQHJ"
ORDER = SpeechOrder("Good morning.", RACHEL, "eleven_flash_v2_5", "order-1")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Wired:
    """A host that says what a wire file says, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def message(name: str) -> Any:
    return json.loads((WIRE / name).read_text())


def refusal(name: str) -> httpx.Response:
    told = message(name)
    return httpx.Response(told["status"], headers=told["headers"], json=told["body"])


def using(host: Any, story: Any) -> Any:
    """Run `story(adapter)` against a fake, or against a host that only talks."""
    handler = host.handle if isinstance(host, FakeElevenLabs) else host
    key = host.key if isinstance(host, FakeElevenLabs) else "key-0123456789"

    async def run() -> Any:
        transport = httpx.MockTransport(handler)
        async with ElevenLabs(
            "https://eleven.test", {"api_key": key}, transport=transport, downloads=transport
        ) as api:
            return await story(api)

    return asyncio.run(run())


async def heard(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in chunks]


def spoken(host: Any, order: SpeechOrder = ORDER) -> list[Chunk]:
    return using(host, lambda api: heard(api.speak(order)))


def texts(order: SpeechOrder, chunks: list[Chunk]) -> list[str]:
    return [order.text[word.start : word.end] for chunk in chunks for word in chunk.words]


def body_of(request: httpx.Request) -> dict[str, Any]:
    return json.loads(request.content)


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


def test_words_refer_to_the_order_and_not_to_what_was_sent():
    order = replace(ORDER, text="One[pause:4s]two, [pause:1s] drei 四五。[pause:2s] six")
    chunks = spoken(FakeElevenLabs(), order)
    assert texts(order, chunks) == ["One", "two", "drei", "四", "五", "six"]


def test_marks_that_the_alignment_leaves_out_do_no_harm():
    text = 'One<break time="1s" /> two'
    script = Script(text, [0, 1, 2, *[-1] * 19, 14, 15, 16, 17])
    timer = WordTimer(script)
    words = timer.feed(aligned("One two"))
    assert [(word.start, word.end) for word in words] == [(0, 3), (15, 18)]


def aligned(text: str, start: int = 0) -> dict[str, Any]:
    return {
        "characters": list(text),
        "character_start_times_seconds": [(start + n) / 10 for n in range(len(text))],
        "character_end_times_seconds": [(start + n + 1) / 10 for n in range(len(text))],
    }


def words_of(text: str, cuts: list[int]) -> list[WordTime]:
    script = Script()
    script.add_words(Words(text, 0))
    timer = WordTimer(script)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    pieces = pairwise(edges)
    words = [word for a, b in pieces for word in timer.feed(aligned(text[a:b], a))]
    return [*words, *timer.rest()]


@example("e\u0301", [1])
@given(st.text(max_size=40), st.lists(st.integers(0, 1000), max_size=5))
def test_where_lines_are_cut_changes_no_word(text: str, cuts: list[int]):
    whole = words_of(text, [])
    assert words_of(text, cuts) == whole
    assert all(text[word.start].isalnum() for word in whole)
    assert all(not set(text[word.start : word.end]) & set(" \n\t") for word in whole)


@given(st.text(alphabet="ab ,你é", max_size=30))
def test_every_letter_is_in_exactly_one_word(text: str):
    covered = [at for word in words_of(text, []) for at in range(word.start, word.end)]
    assert len(covered) == len(set(covered))
    assert {at for at, letter in enumerate(text) if letter.isalnum()} <= set(covered)


@pytest.mark.parametrize(
    "alignment",
    [
        None,
        [],
        {},
        {"characters": ["a"]},
        {**aligned("ab"), "characters": ["a"]},
        {**aligned("ab"), "character_start_times_seconds": [float("nan"), float("inf")]},
        {**aligned("ab"), "character_start_times_seconds": ["0", None]},
        {**aligned("ab"), "characters": [1, None]},
        {**aligned("ab"), "characters": "ab"},
    ],
)
def test_an_alignment_that_cannot_be_gives_no_words(alignment: Any):
    script = Script()
    script.add_words(Words("ab", 0))
    timer = WordTimer(script)
    assert timer.feed(alignment) + timer.rest() == ()


def timed_words(text: str, *characters: str) -> list[str]:
    """What the timer makes of an alignment that differs from the text."""
    script = Script()
    script.add_words(Words(text, 0))
    timer = WordTimer(script)
    count = range(len(characters))
    alignment = {
        "characters": list(characters),
        "character_start_times_seconds": [n / 10 for n in count],
        "character_end_times_seconds": [(n + 1) / 10 for n in count],
    }
    return [text[word.start : word.end] for word in (*timer.feed(alignment), *timer.rest())]


@pytest.mark.parametrize(
    ("text", "characters", "words"),
    [
        ("a\nb", "a b", ["a", "b"]),
        ("Hi you", " Hi you", ["Hi", "you"]),
        ("Hi 😀 you", ["H", "i", " ", "\ud83d", "\ude00", " ", "y", "o", "u"], ["Hi", "you"]),
        ("Hi «you» now", "Hi you now", ["Hi", "you", "now"]),
        ("caf\u00e9 ok", ["c", "a", "f", "e\u0301", " ", "o", "k"], ["caf\u00e9", "ok"]),
        ("cafe\u0301 ok", "cafe\u0301 ok", ["cafe\u0301", "ok"]),
        ("か\u3099く", "か\u3099く", ["か\u3099", "く"]),
        ("Hi you", "Hi \u2620\u2620\u2620\u2620", ["Hi"]),
        ("don't stop-start 3.5", "don't stop-start 3.5", ["don't", "stop-start", "3.5"]),
        ("AI技术", "AI技术", ["AI", "技", "术"]),
    ],
)
def test_small_differences_between_alignment_and_text_are_bridged(
    text: str, characters: Any, words: list[str]
):
    assert timed_words(text, *characters) == words


def test_the_last_word_of_a_short_alignment_is_told_at_the_end():
    line = json.dumps(message("with_timestamps.json")).encode()
    chunks = spoken(Wired(httpx.Response(200, content=line)), replace(ORDER, text="Hi you there"))
    assert [len(chunk.words) for chunk in chunks] == [1, 1]


def test_a_line_without_an_end_is_garbled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 100)
    with pytest.raises(errors.Garbled):
        spoken(Wired(httpx.Response(200, content=b"{" + b" " * 200)))


def test_speech_without_an_alignment_is_still_speech():
    chunks = spoken(FakeElevenLabs(gives_alignment=False))
    assert chunks
    assert texts(ORDER, chunks) == []


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


ERRORS = [
    ("error_invalid_key.json", errors.BadCredentials, "unauthorized"),
    ("error_no_key.json", errors.BadCredentials, "missing_api_key"),
    ("error_bearer_key.json", errors.BadCredentials, "invalid_authorization_header"),
    ("error_missing_permission.json", errors.BadCredentials, "missing_permissions"),
    ("error_unusual_activity.json", errors.BadCredentials, "detected_unusual_activity"),
    ("error_quota_legacy_401.json", errors.AccountEmpty, "quota_exceeded"),
    ("error_quota_as_authentication_error.json", errors.AccountEmpty, "unauthorized"),
    ("error_quota_402.json", errors.AccountEmpty, "insufficient_credits"),
    ("error_too_many_at_once.json", errors.RateLimited, "concurrent_limit_exceeded"),
    ("error_too_many_at_once_legacy.json", errors.RateLimited, "too_many_concurrent_requests"),
    ("error_rate_limit.json", errors.RateLimited, "rate_limit_exceeded"),
    ("error_system_busy.json", errors.Unavailable, "system_busy"),
    ("error_system_busy_legacy.json", errors.Unavailable, "system_busy"),
    ("error_maintenance.json", errors.Unavailable, "maintenance"),
    ("error_voice_not_found.json", errors.Rejected, "voice_not_found"),
    ("error_voice_does_not_exist_legacy.json", errors.Rejected, "voice_does_not_exist"),
    ("error_text_too_long.json", errors.Rejected, "text_too_long"),
    ("error_plan_too_small.json", errors.Unsupported, "only_for_creator+"),
    ("error_model_denied.json", errors.Unsupported, "model_access_denied"),
    ("error_forbidden.json", errors.Rejected, "forbidden"),
    ("error_content.json", errors.Moderated, "content_violation"),
    ("error_schema.json", errors.Rejected, "less_than_equal"),
    ("error_malformed_json.json", errors.Rejected, "json_invalid"),
]


@pytest.mark.parametrize(("name", "kind", "word"), ERRORS)
def test_a_documented_refusal_has_one_meaning(
    name: str, kind: type[errors.ProviderError], word: str
):
    with pytest.raises(errors.ProviderError) as caught:
        spoken(Wired(refusal(name)))
    assert type(caught.value) is kind
    assert caught.value.vendor_code == word
    assert caught.value.status == message(name)["status"]


def test_every_documented_refusal_is_tested():
    assert {name for name, _, _ in ERRORS} == {path.name for path in WIRE.glob("error_*")}


def test_a_new_word_goes_by_its_status_and_is_kept():
    detail = {"type": "conflict_error", "code": "already_sung", "message": "Once is enough."}
    with pytest.raises(errors.Rejected, match="Once is enough") as caught:
        spoken(Wired(httpx.Response(409, json={"detail": detail})))
    assert caught.value.vendor_code == "already_sung"


def test_a_schema_error_names_the_field():
    with pytest.raises(errors.Rejected, match=r"voice_settings\.stability: Input should be"):
        spoken(Wired(refusal("error_schema.json")))


def test_a_rate_limit_says_when_to_come_back():
    with pytest.raises(errors.RateLimited) as caught:
        spoken(Wired(refusal("error_rate_limit.json")))
    assert caught.value.retry_after == 3


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"detail": "Not here"}', b'{"a": 1}'])
def test_a_refusal_without_words_goes_by_its_status(body: bytes):
    with pytest.raises(errors.RateLimited):
        spoken(Wired(httpx.Response(429, content=body)))


def test_a_server_error_after_an_order_is_unclear_and_after_a_question_is_not():
    body = {"detail": {"type": "internal_error", "code": "internal_error", "message": "oh"}}
    with pytest.raises(errors.Unclear):
        spoken(Wired(httpx.Response(500, json=body)))
    with pytest.raises(errors.Unavailable):
        using(Wired(httpx.Response(500, json=body)), lambda api: api.balance())


def test_the_limit_on_parallel_requests_is_remembered_from_answers_and_refusals():
    async def told(api: ElevenLabs) -> list[Any]:
        seen: list[Any] = [api.concurrency]
        await heard(api.speak(ORDER))
        seen.append(api.concurrency)
        fake.maximum_concurrent, fake.fault = 3, Fault.RATE_LIMIT
        with pytest.raises(errors.RateLimited):
            await heard(api.speak(ORDER))
        return [*seen, api.concurrency]

    fake = FakeElevenLabs()
    assert using(fake, told) == [None, (1, 10), (1, 3)]


@pytest.mark.parametrize("current", ["", "many", "-1", "9" * 40])
def test_an_absurd_limit_is_not_remembered(current: str):
    headers = {"current-concurrent-requests": current, "maximum-concurrent-requests": "5"}
    host = Wired(httpx.Response(200, headers=headers, json=message("subscription.json")))

    async def told(api: ElevenLabs) -> Any:
        await api.balance()
        return api.concurrency

    assert using(host, told) is None


@pytest.mark.parametrize("word", ["rate_limit_exceeded", "too_many_concurrent_requests"])
def test_the_accounts_own_429_is_a_rate_limit(word: str):
    with pytest.raises(errors.RateLimited):
        spoken(FakeElevenLabs(fault=Fault.RATE_LIMIT, rate_word=word))


def test_the_services_429_is_an_outage():
    fake = FakeElevenLabs(fault=Fault.RATE_LIMIT, rate_word="system_busy")
    with pytest.raises(errors.Unavailable) as caught:
        spoken(fake)
    assert caught.value.retryable
    assert fake.accepted == 0


@pytest.mark.parametrize("status", [401, 402])
def test_an_empty_quota_is_not_a_bad_key(status: int):
    with pytest.raises(errors.AccountEmpty):
        spoken(FakeElevenLabs(fault=Fault.NO_FUNDS, funds_status=status))


@pytest.mark.parametrize("with_times", [True, False])
def test_a_stream_that_breaks_off_is_unclear(with_times: bool):
    fake = FakeElevenLabs(fault=Fault.AUDIO_TRUNCATED)
    with pytest.raises(errors.Unclear):
        spoken(fake, replace(ORDER, with_times=with_times))
    assert fake.accepted == 1


def test_half_a_line_at_a_clean_end_is_unclear():
    whole = (WIRE / "stream_with_timestamps.ndjson").read_bytes()
    with pytest.raises(errors.Unclear):
        spoken(Wired(httpx.Response(200, content=whole[:-200])))


@pytest.mark.parametrize("with_times", [True, False])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<!DOCTYPE html>"),
        ("audio/mpeg", b"<html><body>Sign in"),
        ("audio/mpeg", b""),
        ("application/json", b'"hello"'),
        ("application/json", b"[1, 2]"),
        ("application/json", b""),
        ("application/json", b'{"audio_base64": "%%%"}\n'),
        ("application/json", b'{"audio_base64": 7}\n'),
        ("application/json", b'{"audio_base64": ""}\n'),
    ],
)
def test_what_is_not_sound_is_garbled(with_times: bool, kind: str, body: bytes):
    host = Wired(httpx.Response(200, headers={"content-type": kind}, content=body))
    with pytest.raises(errors.Garbled):
        spoken(host, replace(ORDER, with_times=with_times))


def test_a_complaint_in_place_of_a_line_is_a_failed_task():
    with pytest.raises(errors.TaskFailed):
        spoken(FakeElevenLabs(fault=Fault.TASK_FAILS))


@pytest.mark.parametrize("cost", ["-5", "9" * 30, "nan", "", "many"])
def test_an_absurd_cost_is_no_cost(cost: str):
    headers = {"content-type": "audio/mpeg", "character-cost": cost}
    host = Wired(httpx.Response(200, headers=headers, content=b"\xff\xfbsound"))
    assert [c.cost for c in spoken(host, replace(ORDER, with_times=False))] == [None]


# Dialogue

TALK = SpeechOrder(
    "Hi Ben.\nOh, Ada!",
    RACHEL,
    "eleven_v3",
    "order-2",
    settings={"stability": 0.5},
    lines=(Line("Hi Ben.", RACHEL), Line("Oh, Ada!", LIAM)),
)


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


def cleaning(path: Path) -> CleaningOrder:
    return CleaningOrder(path, "noisy.mp3", "audio/mpeg", 1000, "audio-isolation", "order-3")


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


# Lost orders


def found(host: Any, order: Order, since: datetime = LONG_AGO) -> UpstreamEvent | None:
    return using(host, lambda api: api.find(order, since))


def test_an_order_is_found_by_voice_and_text_and_the_oldest_wins():
    host = Wired(httpx.Response(200, json=message("history.json")))
    event = found(host, replace(ORDER, model="eleven_multilingual_v2"))
    assert event is not None
    assert event.state is UpstreamState.SUCCEEDED
    assert event.result == ("older00000000000000a",)
    assert event.cost == 13
    assert dict(host.asked[0].url.params) == {
        "page_size": "100",
        "date_after_unix": str(int(LONG_AGO.timestamp())),
        "voice_id": RACHEL,
    }


def test_the_search_ends_after_ten_pages():
    page = {**message("history.json"), "has_more": True}
    host = Wired(httpx.Response(200, json=page))
    assert found(host, replace(ORDER, text="Never said.")) is None
    assert len(host.asked) == 10


def test_an_item_without_counts_has_no_cost():
    item = {"history_item_id": "x", "voice_id": RACHEL, "text": ORDER.text}
    event = found(Wired(httpx.Response(200, json={"history": [item, None]})), ORDER)
    assert event is not None
    assert event.cost is None


def test_an_event_without_an_item_has_nothing_to_fetch():
    event = UpstreamEvent(UpstreamState.SUCCEEDED, "x")
    with pytest.raises(errors.Garbled):
        using(FakeElevenLabs(), lambda api: heard(api.fetch(event, ORDER)))


def test_a_dialogue_is_found_by_its_turns():
    host = Wired(httpx.Response(200, json=message("history.json")))
    event = found(host, TALK)
    assert event is not None
    assert event.result == ("talk0000000000000000",)


@pytest.mark.parametrize(
    "order",
    [
        replace(ORDER, text="Good evening."),
        replace(ORDER, voice="JBFqnCBsd6RMkjVDRZzb", model="eleven_multilingual_v2"),
        replace(ORDER, model="eleven_turbo_v2_5"),
        replace(TALK, lines=TALK.lines[:1]),
    ],
)
def test_what_is_not_in_the_history_is_not_found(order: SpeechOrder):
    assert found(Wired(httpx.Response(200, json=message("history.json"))), order) is None


def test_a_lost_answer_is_found_again_and_fetched():
    fake = FakeElevenLabs(page_size=1, fault=Fault.DROP_AFTER, times=1)
    order = replace(ORDER, text="Good[pause:1s] morning.")

    async def story(api: ElevenLabs) -> list[Chunk]:
        with pytest.raises(errors.Unclear):
            await heard(api.speak(order))
        await heard(api.speak(replace(ORDER, text="Something else.")))
        event = await api.find(order, LONG_AGO)
        assert event is not None
        return await heard(api.fetch(event, order))

    chunks = using(fake, story)
    first = next(iter(fake.tasks.values()))
    assert b"".join(chunk.audio for chunk in chunks) == first.audio
    assert texts(order, chunks) == ["Good", "morning"]


def test_an_order_that_never_arrived_is_not_found():
    fake = FakeElevenLabs(fault=Fault.DROP_BEFORE)

    async def story(api: ElevenLabs) -> UpstreamEvent | None:
        with pytest.raises(errors.Unclear):
            await heard(api.speak(ORDER))
        return await api.find(ORDER, LONG_AGO)

    assert using(fake, story) is None


def test_a_cleaning_cannot_be_told_from_others(tmp_path: Path):
    with pytest.raises(errors.Unsupported):
        found(FakeElevenLabs(), cleaning(tmp_path))


def test_an_item_that_is_gone_is_garbled():
    event = UpstreamEvent(UpstreamState.SUCCEEDED, "gone", result=("gone",))
    with pytest.raises(errors.Garbled):
        using(FakeElevenLabs(), lambda api: heard(api.fetch(event, ORDER)))


@pytest.mark.parametrize(
    ("asked", "kept", "kind", "name"),
    [
        ("pcm_22050", None, "audio/mpeg", "mp3_44100_128"),
        ("pcm_22050", "pcm_22050", "audio/pcm", "pcm_22050"),
        ("mp3_22050_32", None, "audio/mpeg", "mp3_22050_32"),
    ],
)
def test_the_history_tells_the_truth_about_its_format(
    asked: str, kept: str | None, kind: str, name: str
):
    host = Wired(httpx.Response(200, headers={"content-type": kind}, content=b"sound"))
    event = UpstreamEvent(
        UpstreamState.SUCCEEDED, "item", result=("item",), raw={"output_format": kept}
    )
    order = replace(ORDER, output_format=asked)
    chunks = using(host, lambda api: heard(api.fetch(event, order)))
    assert [chunk.format for chunk in chunks] == [name]


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
