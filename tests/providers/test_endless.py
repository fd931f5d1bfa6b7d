"""Sound that comes from providers ends, in size and in time, whatever comes instead. Real sockets."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from speechsite.providers import http
from speechsite.providers.elevenlabs import ElevenLabs
from speechsite.providers.errors import Garbled, ProviderError, Unavailable, Unclear
from speechsite.providers.kie import Kie
from speechsite.providers.minimax import MiniMax
from speechsite.providers.openai import OpenAI
from speechsite.providers.rivya import Rivya
from speechsite.providers.types import (
    Chunk,
    CleaningOrder,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
)

MB = 1024 * 1024
Write = Callable[[asyncio.StreamWriter, str], Coroutine[Any, Any, None]]
Sound = AsyncIterator[Chunk]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "DOWNLOAD_LIMIT", MB)
    monkeypatch.setattr(http, "DOWNLOAD_SECONDS", 1.0)
    monkeypatch.setattr(http, "STREAM_SECONDS", 1.0)
    monkeypatch.setattr(http, "ANSWER_SECONDS", 1.0)
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")


def speech(*, with_times: bool = False, model: str = "eleven_flash_v2_5") -> SpeechOrder:
    return SpeechOrder("Hello.", "voice", model, "order-1", with_times=with_times)


def plain(site: str, _path: Path) -> tuple[Any, Sound]:
    adapter = ElevenLabs(site, {"api_key": "secret"})
    return adapter, adapter.speak(speech())


def timed(site: str, _path: Path) -> tuple[Any, Sound]:
    adapter = ElevenLabs(site, {"api_key": "secret"})
    return adapter, adapter.speak(speech(with_times=True))


def cleaned(site: str, path: Path) -> tuple[Any, Sound]:
    path.write_bytes(b"sound")
    adapter = ElevenLabs(site, {"api_key": "secret"})
    order = CleaningOrder(path, "a.mp3", "audio/mpeg", 1000, model="audio-isolation", key="order-1")
    return adapter, adapter.clean(order)


def events(site: str, _path: Path) -> tuple[Any, Sound]:
    adapter = MiniMax(site, {"api_key": "secret"})
    return adapter, adapter.speak(speech(model="speech-2.6-hd"))


def history(site: str, _path: Path) -> tuple[Any, Sound]:
    adapter = ElevenLabs(site, {"api_key": "secret"})
    return adapter, adapter.fetch(UpstreamEvent(UpstreamState.SUCCEEDED, "a", ("a",)), speech())


def kie_link(site: str, _path: Path) -> tuple[Any, Sound]:
    adapter = Kie(site, {"api_key": "secret"})
    found = UpstreamEvent(UpstreamState.SUCCEEDED, "a", (f"{site}/a.mp3",))
    return adapter, adapter.fetch(found, speech())


def rivya_link(site: str, _path: Path) -> tuple[Any, Sound]:
    adapter = Rivya(site, {"api_key": "secret"})
    found = UpstreamEvent(UpstreamState.SUCCEEDED, "a", (f"{site}/a.mp3",))
    return adapter, adapter.fetch(found, speech())


def own_server(site: str, _path: Path) -> tuple[Any, Sound]:
    adapter = OpenAI(site)
    return adapter, adapter.speak(speech())


PAID = [plain, timed, cleaned, events]  # what is lost here may have been billed
# Nobody bills what is fetched, nor what a server of one's own speaks.
FETCHED = [history, kie_link, rivya_link, own_server]
KINDS = {"timed": "application/json", "events": "text/event-stream"}
# What each reads without complaint, again and again.
FILLINGS = {
    "timed": b'{"audio_base64": "AAAA"}\n' * 1000,
    "events": b'data: {"data": {"audio": "0000", "status": 1}}\n\n' * 1000,
}


def head(name: str, *more: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {KINDS.get(name, 'audio/mpeg')}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def endless(writer: asyncio.StreamWriter, name: str) -> None:
    writer.write(head(name))
    for _ in itertools.count():
        writer.write(FILLINGS.get(name, bytes(65_536)))
        await writer.drain()


async def slow(writer: asyncio.StreamWriter, name: str) -> None:
    writer.write(head(name))
    line = FILLINGS.get(name, b"\0\n").splitlines(keepends=True)[0]
    for _ in itertools.count():
        writer.write(line)
        await writer.drain()
        await asyncio.sleep(0.05)


async def without_lines(writer: asyncio.StreamWriter, name: str) -> None:
    writer.write(head(name))
    for _ in itertools.count():
        writer.write(b"a" * 65_536)
        await writer.drain()


async def packed(writer: asyncio.StreamWriter, name: str) -> None:
    content = gzip.compress(FILLINGS.get(name, b"\0" * 50_000) * 1000)
    writer.write(head(name, "Content-Encoding: gzip", f"Content-Length: {len(content)}") + content)
    await writer.drain()


async def page(writer: asyncio.StreamWriter, _name: str) -> None:
    body = b"<!doctype html><p>Hello"
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
    writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


def heard(make: Callable[[str, Path], tuple[Any, Sound]], write: Write, path: Path) -> Any:
    """The error that an order ends with, and the bytes of sound until then."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await write(writer, make.__name__)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def run() -> tuple[ProviderError | None, int]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        adapter, sound = make(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", path)
        size = 0
        try:
            async with adapter:
                async for chunk in sound:
                    size += len(chunk.audio)
        except ProviderError as error:
            return error, size
        finally:
            server.close()
        return None, size

    return asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize("make", PAID)
@pytest.mark.parametrize("write", [endless, slow, packed])
def test_sound_that_was_paid_for_and_does_not_end_is_ended(
    make: Any, write: Write, tmp_path: Path
) -> None:
    error, size = heard(make, write, tmp_path / "a.mp3")
    assert isinstance(error, Unclear), error
    assert size <= MB


@pytest.mark.parametrize("make", FETCHED)
@pytest.mark.parametrize("write", [endless, slow, packed])
def test_a_result_that_does_not_end_is_ended(make: Any, write: Write, tmp_path: Path) -> None:
    error, size = heard(make, write, tmp_path / "a.mp3")
    assert isinstance(error, (Unavailable, Garbled)), error
    assert size <= MB


@pytest.mark.parametrize("make", [timed, events])
def test_a_line_that_does_not_end_is_ended(make: Any, tmp_path: Path) -> None:
    error, size = heard(make, without_lines, tmp_path / "a.mp3")
    assert isinstance(error, ProviderError)
    assert size == 0


@pytest.mark.parametrize("make", [*PAID, *FETCHED])
def test_a_page_is_no_sound(make: Any, tmp_path: Path) -> None:
    error, size = heard(make, page, tmp_path / "a.mp3")
    assert isinstance(error, (Garbled, Unclear)), error
    assert size == 0
