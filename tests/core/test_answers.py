"""Answers of other machines end, in size and in time, however they are packed. Real sockets."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import zlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from speechsite.core import safehttp
from speechsite.providers import http
from speechsite.providers.base import Adapter
from speechsite.providers.elevenlabs import ElevenLabs
from speechsite.providers.errors import Garbled, ProviderError, Unavailable, Unclear
from speechsite.providers.kie import Kie
from speechsite.providers.minimax import MiniMax
from speechsite.providers.openai import OpenAI
from speechsite.providers.rivya import Rivya

Write = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]
ADAPTERS: list[type[http.HttpAdapter]] = [ElevenLabs, Kie, MiniMax, OpenAI, Rivya]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
MB = 1024 * 1024


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_LIMIT", MB)
    monkeypatch.setattr(http, "DOWNLOAD_LIMIT", MB)
    monkeypatch.setattr(http, "ANSWER_SECONDS", 1.0)
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"\r\n")
    for _ in itertools.count():
        writer.write(b" " * 65_536)
        await writer.drain()


async def slow(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"\r\n")
    for _ in itertools.count():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


def packed(packing: str, content: bytes) -> Write:
    async def write(writer: asyncio.StreamWriter) -> None:
        head = (
            HEAD + f"Content-Encoding: {packing}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        )
        writer.write(head + content)
        await writer.drain()

    return write


async def page(writer: asyncio.StreamWriter) -> None:
    body = b"<!doctype html><p>Hello"
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
    writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(MB)) for _ in range(megabytes)), packer.flush()])


def asked(
    kind: type[http.HttpAdapter], write: Write, *, spends: bool = False
) -> ProviderError | Any:
    """What comes of one call to a server that answers like this."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await write(writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def run() -> Any:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        adapter: Adapter
        async with kind(f"http://127.0.0.1:{port}", {"api_key": "secret"}) as adapter:
            try:
                answer = await adapter.call("GET", "/x", spends=spends)
                return await adapter.json_of(answer, spends=spends)
            except ProviderError as error:
                return error
            finally:
                server.close()

    return asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize("kind", ADAPTERS)
@pytest.mark.parametrize("write", [endless, slow])
def test_an_answer_without_an_end_is_ended(kind: type[http.HttpAdapter], write: Write) -> None:
    assert isinstance(asked(kind, write), Unavailable)
    assert isinstance(asked(kind, write, spends=True), Unclear)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_gigabyte_in_a_megabyte_is_not_unpacked(kind: type[http.HttpAdapter]) -> None:
    assert isinstance(asked(kind, packed("gzip", bomb(1024))), Unavailable)


@pytest.mark.parametrize("kind", ADAPTERS)
@pytest.mark.parametrize("packing", ["gzip", "deflate", "raw"])
def test_a_packed_answer_is_read(kind: type[http.HttpAdapter], packing: str) -> None:
    content = b'{"data": "x"}'
    packers = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "raw": lambda c: zlib.compress(c)[2:-4],
    }
    answer = asked(kind, packed(packing.replace("raw", "deflate"), packers[packing](content)))
    assert isinstance(answer, ProviderError) or answer == {"data": "x"}
    assert "JSON" not in str(answer)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_packing_that_is_none_is_no_answer(kind: type[http.HttpAdapter]) -> None:
    assert isinstance(asked(kind, packed("gzip", b"no gzip at all")), Unavailable)
    assert isinstance(asked(kind, packed("br", b"anything")), Unavailable)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_page_is_no_answer(kind: type[http.HttpAdapter]) -> None:
    assert isinstance(asked(kind, page), Garbled)
    assert isinstance(asked(kind, page, spends=True), Unclear)


def test_a_download_is_bounded_whatever_it_is() -> None:
    async def run(write: Write) -> Exception | None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            try:
                await write(writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with safehttp.client(allow_private=True) as client:
            try:
                async for _piece in safehttp.stream(client, url, limit=MB, seconds=1.0):
                    pass
            except safehttp.FetchError as error:
                return error
            finally:
                server.close()
        return None

    for write in (endless, slow, packed("gzip", bomb(10))):
        assert asyncio.run(asyncio.wait_for(run(write), 20)) is not None
