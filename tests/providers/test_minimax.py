"""What is peculiar to MiniMax: its codes, its archives, its stream, its prefix."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechsite.providers import errors
from speechsite.providers.minimax import MiniMax, adapter, archive, refusals, stream, wire
from speechsite.providers.types import (
    Chunk,
    CleaningOrder,
    Line,
    Sample,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
    WordTime,
)
from tests.fakes import tones
from tests.fakes.minimax import PAUSE, FakeMiniMax, tar_of
from tests.fakes.server import serving
from tests.fakes.upstream import Fault, Part

WIRE = Path(__file__).parent.parent / "wire" / "minimax"
VOICE = "English_Graceful_Lady"
ORDER = SpeechOrder("Good morning. Sit down.", VOICE, "speech-2.8-hd", "order-1")
DONE = UpstreamEvent(UpstreamState.SUCCEEDED, "1", result=("2",))


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


def told(name: str) -> httpx.Response:
    """An answer from a wire file, with its HTTP status where the file has one."""
    said = message(name)
    return httpx.Response(said.get("status", 200), json=said["body"])


def query(name: str) -> httpx.Response:
    return httpx.Response(200, json=message(name))


def stream_of(name: str) -> httpx.Response:
    headers = {"content-type": "text/event-stream"}
    return httpx.Response(200, headers=headers, content=(WIRE / name).read_bytes())


def using(host: Any, story: Any, prefix: str = "", options: dict[str, Any] | None = None) -> Any:
    """Run `story(adapter)` against a fake, or against a host that only talks."""
    handler = host.handle if isinstance(host, FakeMiniMax) else host
    key = host.key if isinstance(host, FakeMiniMax) else "key-0123456789"

    async def run() -> Any:
        transport = httpx.MockTransport(handler)
        async with MiniMax(
            "https://upstream.test" + prefix,
            {"api_key": key},
            options,
            transport=transport,
            downloads=transport,
        ) as api:
            return await story(api)

    return asyncio.run(run())


async def heard(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in chunks]


async def done(api: MiniMax, order: SpeechOrder = ORDER) -> list[Chunk]:
    submitted = await api.submit(order)
    return await heard(api.fetch(await api.check(submitted.upstream_id), order))


def spoken(host: Any, order: SpeechOrder = ORDER) -> list[Chunk]:
    return using(host, lambda api: heard(api.speak(order)))


def sound_of(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.audio for chunk in chunks)


def texts(order: SpeechOrder, chunks: list[Chunk]) -> list[str]:
    return [order.text[word.start : word.end] for chunk in chunks for word in chunk.words]


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
        ("a[pause:500s]b", "a<#99.99#>b"),
        ("a[pause:1.239s]b", "a<#1.24#>b"),
        ("a[pause:0s]b", "ab"),
        ("a[pause:1]b", "a[pause:1]b"),
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


# Answers to an order


def test_a_documented_creation_is_understood_and_its_token_forgotten():
    event = using(Wired(told("created.json")), lambda api: api.submit(ORDER))
    assert event.state is UpstreamState.QUEUED
    assert event.upstream_id == "95157322514444"
    assert event.cost == Decimal(101)
    assert "task_token" not in event.raw
    assert "eyJ" not in repr(event)


REFUSED = {
    "refused_parameter_gateway.json": errors.Rejected,
    "refused_key_gateway.json": errors.BadCredentials,
    "refused_rate_gateway.json": errors.RateLimited,
    "refused_parameter.json": errors.Rejected,
    "refused_key.json": errors.BadCredentials,
    "refused_rate.json": errors.RateLimited,
    "refused_tokens.json": errors.RateLimited,
    "refused_growth.json": errors.RateLimited,
    "refused_balance.json": errors.AccountEmpty,
    "refused_plan_used_up.json": errors.AccountEmpty,
    "refused_text_moderated.json": errors.Moderated,
    "refused_sound_moderated.json": errors.Moderated,
    "refused_voice_unknown.json": errors.Rejected,
    "refused_internal.json": errors.Unavailable,
    "refused_with_zero_task.json": errors.Rejected,
    # The provider may still carry it out.
    "refused_timed_out.json": errors.Unclear,
}


@pytest.mark.parametrize("way", ["submit", "speak"])
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_documented_refusal_has_one_meaning(name: str, way: str):
    async def story(api: MiniMax) -> None:
        await (api.submit(ORDER) if way == "submit" else heard(api.speak(ORDER)))

    with pytest.raises(errors.ProviderError) as caught:
        using(Wired(told(name)), story)
    assert type(caught.value) is REFUSED[name]
    assert caught.value.vendor_code == str(message(name)["body"]["base_resp"]["status_code"])


def test_every_documented_refusal_is_tested():
    assert set(REFUSED) == {path.name for path in WIRE.glob("refused_*")}


@pytest.mark.parametrize("code", sorted(refusals.CODES))
def test_every_listed_code_is_one_of_our_errors(code: int):
    body = {"base_resp": {"status_code": code, "status_msg": "so"}}
    error = refusals.error_in(body)
    assert type(error) is refusals.CODES[code][0]
    assert str(code) in str(error)


@pytest.mark.parametrize("code", [77, "many", -3, 1e400])
def test_a_code_that_is_not_listed_is_garbled(code: Any):
    error = refusals.error_in({"base_resp": {"status_code": code}})
    assert type(error) is errors.Garbled


def test_a_code_is_believed_whatever_the_http_status():
    answer = httpx.Response(500, json={"base_resp": {"status_code": 1008, "status_msg": "empty"}})
    with pytest.raises(errors.AccountEmpty):
        using(Wired(answer), lambda api: api.submit(ORDER))


def test_a_gateways_error_without_a_code_goes_by_its_status():
    with pytest.raises(errors.RateLimited):
        using(Wired(httpx.Response(429, text="slow down")), lambda api: api.submit(ORDER))


@pytest.mark.parametrize("task_id", [None, 0, "", "0"])
def test_an_order_taken_without_a_task_id_is_unclear(task_id: Any):
    answer = {"task_id": task_id, "base_resp": {"status_code": 0}}
    with pytest.raises(errors.Unclear):
        using(Wired(httpx.Response(200, json=answer)), lambda api: api.submit(ORDER))


@pytest.mark.parametrize("usage", [-1, 10**18, "many", None, True, 1e400])
def test_an_absurd_usage_is_no_cost(usage: Any):
    answer = json.dumps({"task_id": "1", "usage_characters": usage})
    event = using(Wired(httpx.Response(200, text=answer)), lambda api: api.submit(ORDER))
    assert event.cost is None


# How a task stands


@pytest.mark.parametrize(
    ("name", "state", "result"),
    [
        ("query_success.json", UpstreamState.SUCCEEDED, ("95157322514496",)),
        ("query_success_gateway.json", UpstreamState.SUCCEEDED, ("95157322514496",)),
        ("query_processing.json", UpstreamState.RUNNING, ()),
        ("query_processing_lower.json", UpstreamState.RUNNING, ()),
        ("query_failed.json", UpstreamState.FAILED, ()),
        ("query_failed_moderated.json", UpstreamState.FAILED, ()),
        ("query_expired.json", UpstreamState.FAILED, ()),
        ("query_unlisted.json", UpstreamState.UNKNOWN, ()),
    ],
)
def test_a_documented_state_is_understood(name: str, state: UpstreamState, result: tuple[str, ...]):
    event = using(Wired(query(name)), lambda api: api.check("95157322514444"))
    assert (event.state, event.result) == (state, result)
    assert event.upstream_id == "95157322514444"
    assert (event.error is not None) == (state is UpstreamState.FAILED)


def test_the_file_of_the_query_wins_over_the_file_of_the_creation():
    fake = FakeMiniMax()

    async def story(api: MiniMax) -> tuple[UpstreamEvent, UpstreamEvent]:
        created = await api.submit(ORDER)
        return created, await api.check(created.upstream_id)

    created, checked = using(fake, story)
    assert checked.result != (str(created.raw["file_id"]),)
    assert sound_of(using(fake, lambda api: heard(api.fetch(checked, ORDER))))


def test_a_task_that_expired_was_carried_out_and_is_not_repeated():
    event = using(Wired(query("query_expired.json")), lambda api: api.check("1"))
    assert event.error is not None
    assert not event.error.retryable


def test_a_task_that_was_moderated_says_so():
    event = using(Wired(query("query_failed_moderated.json")), lambda api: api.check("1"))
    assert type(event.error) is errors.Moderated


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("refused_rate.json", errors.RateLimited),
        ("refused_key.json", errors.BadCredentials),
        ("refused_timed_out.json", errors.Unavailable),
    ],
)
def test_a_refused_question_says_nothing_about_the_task(name: str, kind: type[Exception]):
    with pytest.raises(kind):
        using(Wired(told(name)), lambda api: api.check("1"))


@pytest.mark.parametrize("body", ["[]", "null", "<html>", '{"status": "Success"}'])
def test_a_query_that_cannot_be_read_is_garbled(body: str):
    with pytest.raises(errors.Garbled):
        using(Wired(httpx.Response(200, text=body)), lambda api: api.check("1"))


# Results


def fetched(content: bytes, order: SpeechOrder = ORDER) -> list[Chunk]:
    """The chunks that a finished task with this result gives."""
    link = {"file": {"download_url": "https://files.test/x"}, "base_resp": {"status_code": 0}}
    host = Wired(httpx.Response(200, json=link), httpx.Response(200, content=content))
    return using(host, lambda api: heard(api.fetch(DONE, order)))


def documented_archive(order: SpeechOrder, **replaced: bytes) -> bytes:
    members = {
        "mp3": tones.tone("mp3_32000_128", 500),
        "titles": (WIRE / "titles.json").read_bytes(),
        "extra": (WIRE / "extra.json").read_bytes(),
        **replaced,
    }
    return tar_of({f"95157/content-95157.{end}": body for end, body in members.items()})


TITLED = replace(ORDER, text="Good morning.[pause:1s] Wait for it. \n[pause:2s]好了！")


def test_a_documented_archive_gives_sound_truth_and_sentences():
    chunks = fetched(documented_archive(TITLED), TITLED)
    assert sound_of(chunks) == tones.tone("mp3_32000_128", 500)
    assert {chunk.format for chunk in chunks} == {"mp3_32000_128"}
    assert texts(TITLED, chunks) == ["Good morning.", "Wait for it.", "好了！"]
    assert chunks[0].words[1] == WordTime(24, 36, 812, 1930)


@pytest.mark.parametrize(
    "titles",
    [
        b"no json",
        b"{}",
        b"[" * 100_000,
        b"[1, null]",
        b'[{"text": "Good morning.", "time_begin": -1, "time_end": 2}]',
        b'[{"text": "Good morning.", "time_begin": 5, "time_end": 2}]',
        b'[{"text": "Good morning.", "time_begin": "0", "time_end": 2}]',
        b'[{"text": "Good morning.", "time_begin": NaN, "time_end": 2}]',
        b'[{"text": "Never said.", "time_begin": 0, "time_end": 2}]',
        b'[{"text": "", "time_begin": 0, "time_end": 2}]',
    ],
)
def test_times_that_cannot_be_cost_nothing_but_themselves(titles: bytes):
    chunks = fetched(documented_archive(TITLED, titles=titles), TITLED)
    assert sound_of(chunks)
    assert texts(TITLED, chunks) == []


def test_a_repeated_sentence_is_found_where_it_stands():
    order = replace(ORDER, text="No. No. No.")
    sentences = [{"text": "No.", "time_begin": at, "time_end": at + 1} for at in range(3)]
    titles = json.dumps(sentences).encode()
    chunks = fetched(documented_archive(order, titles=titles), order)
    assert [word.start for word in chunks[0].words] == [0, 4, 8]


@pytest.mark.parametrize("name", ["mp3_44100_128", "wav_44100", "flac_44100", "pcm_44100"])
def test_bare_sound_is_told_from_an_archive(name: str):
    audio = tones.tone(name, 300)
    chunks = fetched(audio, replace(ORDER, output_format=name))
    assert sound_of(chunks) == audio
    assert {chunk.format for chunk in chunks} == {name}


def test_bare_sound_of_another_kind_is_called_what_it_is():
    audio = tones.tone("mp3_44100_128", 300)
    chunks = fetched(audio, replace(ORDER, output_format="flac_44100"))
    assert {chunk.format for chunk in chunks} == {"mp3_44100_128"}


def tar_with(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for member, content in members:
            packed.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> Any:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, "/etc/passwd"
    return member, content


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_only_regular_files_count(kind: bytes):
    with pytest.raises(errors.Garbled):
        fetched(tar_with(entry("content-1.mp3", kind=kind)))


def test_nothing_is_written_under_a_members_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    chunks = fetched(tar_with(entry("../../escaped.mp3", b"ID3sound")))
    assert sound_of(chunks) == b"ID3sound"
    assert list(tmp_path.iterdir()) == []


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    with pytest.raises(errors.Garbled, match="too much"):
        fetched(tar_with(*[entry(f"{number}.mp3", b"ID3") for number in range(4)]))


def test_a_member_larger_than_the_archive_is_refused():
    huge = tarfile.TarInfo("content-1.mp3")
    huge.size = 10**12
    with pytest.raises(errors.Garbled):
        fetched(huge.tobuf() + bytes(1024))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><p>expired",
        b'{"error": 1}',
        b"some text, neither sound nor archive",
        tar_with(),
        tar_with(entry("content-1.titles", b"[]")),
        tar_with(entry("content-1.mp3", b"")),
        tar_with(entry("content-1.mp3", b"ID3" * 1000))[:1500],
    ],
)
def test_a_result_without_sound_is_garbled(content: bytes):
    with pytest.raises(errors.Garbled):
        fetched(content)


def test_recordings_of_several_chapters_are_joined_in_their_order():
    content = tar_with(
        entry("1/content-1.mp3", b"ID3one"), entry("1/c.titles", b"[]"), entry("2/c.mp3", b"two")
    )
    assert sound_of(fetched(content)) == b"ID3onetwo"


@pytest.mark.parametrize("names", [("1.flac", "2.flac"), ("1.mp3", "2.wav")])
def test_recordings_that_cannot_be_joined_are_refused_aloud(names: tuple[str, str]):
    with pytest.raises(errors.Unsupported):
        fetched(tar_with(*[entry(name, b"sound") for name in names]))


def test_a_long_result_is_handed_on_in_pieces():
    audio = b"ID3" + bytes(1_000_000)
    chunks = fetched(tar_with(entry("content-1.mp3", audio)))
    assert len(chunks) == 4
    assert sound_of(chunks) == audio


@pytest.mark.parametrize("archives", [True, False])
def test_a_host_without_links_gives_the_bytes_itself(archives: bool):
    fake = FakeMiniMax(links=False, archives=archives)
    chunks = using(fake, done)
    assert sound_of(chunks) == next(iter(fake.tasks.values())).audio
    assert fake.seen[-1].url.path == "/v1/files/retrieve_content"


def test_a_refusal_in_place_of_the_bytes_is_an_error():
    host = Wired(
        httpx.Response(200, json={"file": {}}),
        httpx.Response(200, json={"base_resp": {"status_code": 1002}}),
    )
    with pytest.raises(errors.RateLimited):
        using(host, lambda api: heard(api.fetch(DONE, ORDER)))


def without_link(content: bytes) -> Wired:
    return Wired(httpx.Response(200, json={"file": {}}), httpx.Response(200, content=content))


def test_bytes_without_end_are_garbled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapter, "DOWNLOAD_LIMIT", 100)
    with pytest.raises(errors.Garbled, match="too long"):
        using(without_link(b"ID3" + bytes(200)), lambda api: heard(api.fetch(DONE, ORDER)))


def test_no_bytes_are_garbled():
    with pytest.raises(errors.Garbled, match="empty"):
        using(without_link(b""), lambda api: heard(api.fetch(DONE, ORDER)))


def test_a_file_that_shrank_is_garbled():
    with pytest.raises(errors.Garbled, match="too early"):
        list(archive.read(io.BytesIO(b"ID3"), archive.Sound("mp3", ((0, 10),))))


def test_a_file_that_nobody_knows_any_more_is_garbled():
    with pytest.raises(errors.Garbled, match="gone"):
        using(FakeMiniMax(), lambda api: heard(api.fetch(DONE, ORDER)))


def test_an_event_without_a_file_has_nothing_to_fetch():
    with pytest.raises(errors.Garbled):
        using(FakeMiniMax(), lambda api: heard(api.fetch(replace(DONE, result=()), ORDER)))


# The stream


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("stream_repeats_the_whole.sse", [b"ID3one", b"two", b"three", b""]),
        ("stream_without_the_whole.sse", [b"ID3one", b"two", b"three", b""]),
        ("stream_in_one_event.sse", [b"ID3onetwothree"]),
    ],
)
def test_a_documented_stream_is_heard_once(name: str, pieces: list[bytes]):
    chunks = spoken(Wired(stream_of(name)), replace(ORDER, with_times=False))
    assert [chunk.audio for chunk in chunks] == pieces
    assert [chunk.cost for chunk in chunks] == [*[None] * (len(pieces) - 1), Decimal(26)]


def test_an_answer_that_is_no_stream_is_heard_all_the_same():
    body = {"data": {"audio": b"ID3all".hex(), "status": 2}, "extra_info": None}
    chunks = spoken(Wired(httpx.Response(200, json=body)))
    assert sound_of(chunks) == b"ID3all"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("stream_refused_on_the_way.sse", errors.Moderated),
        ("stream_without_an_end.sse", errors.Unclear),
    ],
)
def test_a_stream_that_goes_wrong_is_an_error(name: str, kind: type[errors.ProviderError]):
    heard_first: list[Chunk] = []

    async def story(api: MiniMax) -> None:
        async for chunk in api.speak(ORDER):
            heard_first.append(chunk)  # noqa: PERF401 — kept although the stream fails

    with pytest.raises(kind):
        using(Wired(stream_of(name)), story)
    assert heard_first[0].audio == b"ID3one"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", errors.Garbled),
        (b"<html>", errors.Garbled),
        (b"data: [DONE]\n\n", errors.Garbled),
        (b"data: {no json}\n\n", errors.Garbled),
        (b"data: [1]\n\n", errors.Unclear),
        (b'data: {"data": {"audio": "zz", "status": 1}}\n\n', errors.Garbled),
        (b'data: {"data": {"audio": 7, "status": 1}}\n\n', errors.Garbled),
        (b'data: {"data": {"audio": "", "status": 2}}\n\n', errors.Garbled),
        (b'data: {"data": null}\n\n', errors.Unclear),
        (b'data: {"data": {"audio": "00", "stat', errors.Unclear),
    ],
)
def test_a_stream_without_sound_is_an_error(body: bytes, kind: type[errors.ProviderError]):
    with pytest.raises(kind):
        spoken(Wired(httpx.Response(200, content=body)))


def test_an_answer_without_sound_and_without_a_refusal_is_unclear():
    with pytest.raises(errors.Unclear):
        spoken(Wired(httpx.Response(200, json={"data": None, "base_resp": {"status_code": 0}})))


def test_an_event_without_an_end_is_garbled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream, "LONGEST_EVENT", 100)
    with pytest.raises(errors.Garbled):
        spoken(Wired(httpx.Response(200, content=b"data: " + b" " * 200)))


def test_a_text_too_long_for_a_stream_is_refused_before_it_costs():
    fake = FakeMiniMax()
    with pytest.raises(errors.Rejected):
        spoken(fake, replace(ORDER, text="a" * 10_000))
    assert fake.requests == 0


def test_a_stream_in_the_providers_own_format_is_asked_for_without_a_setting():
    fake = FakeMiniMax()
    chunks = spoken(fake, replace(ORDER, extra={"audio_setting": {}}))
    assert "audio_setting" not in json.loads(fake.seen[0].content)
    assert {chunk.format for chunk in chunks} == {"mp3_32000_128"}


def test_the_first_sound_is_handed_on_before_the_second_exists():
    first = (WIRE / "stream_without_an_end.sse").read_bytes().split(b"\n\n")[0] + b"\n\n"

    async def story() -> Chunk:
        async def body() -> AsyncIterator[bytes]:
            yield first
            await asyncio.Event().wait()

        transport = httpx.MockTransport(Wired(httpx.Response(200, content=body())))
        async with MiniMax("https://m.test", {"api_key": "k"}, transport=transport) as api:
            stream = api.speak(ORDER)
            chunk = await asyncio.wait_for(anext(stream), 5)
            await stream.aclose()
            return chunk

    assert asyncio.run(story()).audio == b"ID3one"


def test_a_repeated_whole_is_dropped_and_sentences_come_last():
    fake = FakeMiniMax(repeats_whole=True)
    chunks = spoken(fake)
    assert sound_of(chunks) == next(iter(fake.tasks.values())).audio
    assert texts(ORDER, chunks[-1:]) == ["Good morning.", "Sit down."]


@pytest.mark.parametrize("link", ["http://127.0.0.1/x", "file:///etc/passwd", "nonsense"])
def test_sentences_behind_a_forbidden_link_are_left_there(link: str):
    last = {"data": {"audio": "00", "status": 2, "subtitle_file": link}}
    body = f"data: {json.dumps(last)}\n\n".encode()
    assert texts(ORDER, spoken(Wired(httpx.Response(200, content=body)))) == []


def test_a_stream_that_times_out_at_the_provider_is_unclear():
    with pytest.raises(errors.Unclear):
        spoken(FakeMiniMax(fault=Fault.TASK_FAILS, code=1001))


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


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.GATEWAY])
def test_a_broken_socket_is_unclear(fault: Fault):
    fake = FakeMiniMax(fault=fault)

    async def story(url: str) -> None:
        async with MiniMax(url, {"api_key": fake.key}) as api:
            await api.submit(ORDER)

    with serving(fake) as url, pytest.raises(errors.Unclear):
        asyncio.run(story(url))
    assert fake.accepted == 1
