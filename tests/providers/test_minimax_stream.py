"""MiniMax's event stream: heard once, handed on at once, and an error when it breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest

from speechsite.providers import errors
from speechsite.providers.minimax import MiniMax, stream
from speechsite.providers.types import (
    Chunk,
)
from tests.fakes.minimax import FakeMiniMax
from tests.fakes.upstream import Fault
from tests.providers.minimax_talk import (
    ORDER,
    WIRE,
    Wired,
    sound_of,
    spoken,
    stream_of,
    texts,
    using,
)

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


def test_a_stream_that_times_out_at_the_provider_says_so():
    with pytest.raises(errors.Unavailable):
        spoken(FakeMiniMax(fault=Fault.TASK_FAILS, code=1001))
