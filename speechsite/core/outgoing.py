"""An httpx transport over aiohttp, which spends a fifth of the processor on each call.

Everything else of httpx stays: clients, requests, errors. Which error comes out decides
about money: `ConnectError` and its like say that nothing was sent, and that an order may
go elsewhere. aiohttp tells the two apart by where they happen, and so does `_as_httpx`;
whatever is not surely a connection that never was counts as an answer that was lost.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import httpx
from yarl import URL

CONNECTIONS = 1024
KEPT_ALIVE = 30.0  # seconds
LONGEST_LINE = 65_536  # bytes of a header: links to results are long
# aiohttp would add these; a request of httpx has all that it is to have.
ADDED = frozenset({"accept", "accept-encoding", "user-agent", "content-type"})

# httpcore tries to import this for every lock and event; where it is not installed, each try
# searches the whole path and costs more than the rest of the call.
if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]


@functools.cache
def tls() -> ssl.SSLContext:
    """One context for all: reading the certificates takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


class Transport(httpx.AsyncBaseTransport):
    """Up to 1,024 connections, opened when first needed. No proxies, no cookies, no HTTP/2."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits = request.extensions.get("timeout", {})
        url = request.url if not request.url.userinfo else request.url.copy_with(userinfo=b"")
        with _as_httpx(request):
            async with asyncio.timeout(_longest(limits)) as patience:
                answer = await self._opened().request(
                    request.method,
                    URL(str(url), encoded=True),
                    headers=request.headers,
                    data=_body(request, patience, limits),
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(
                        total=None,
                        connect=limits.get("pool"),
                        sock_connect=limits.get("connect"),
                        sock_read=limits.get("read"),
                    ),
                )
        return httpx.Response(
            answer.status,
            headers=answer.raw_headers,
            stream=_Body(answer, request),
            extensions={"http_version": b"HTTP/1.1"},
        )

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await asyncio.sleep(0)  # sockets are let go of in the loop's next round

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS, keepalive_timeout=KEPT_ALIVE, ssl=tls()
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=ADDED,
                auto_decompress=False,
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
            )
        return self._session


class _Body(httpx.AsyncByteStream):
    """What is read of an answer, as it comes."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self.answer = answer
        self.request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self.request):
            async for piece in self.answer.content.iter_any():
                yield piece

    async def aclose(self) -> None:
        # Read to its end, it has given its connection back already; else that is closed.
        self.answer.close()


def _body(
    request: httpx.Request, patience: asyncio.Timeout, limits: dict[str, float | None]
) -> bytes | AsyncIterator[bytes] | None:
    try:
        return request.content or None
    except httpx.RequestNotRead:
        # aiohttp writes this one itself where no length is given.
        request.headers.pop("Transfer-Encoding", None)
        return _pieces(request, patience, limits)


async def _pieces(
    request: httpx.Request, patience: asyncio.Timeout, limits: dict[str, float | None]
) -> AsyncIterator[bytes]:
    """A long body; who asks for its next piece has sent the last one."""
    loop = asyncio.get_running_loop()
    assert isinstance(request.stream, httpx.AsyncByteStream)  # noqa: S101 (an async client's)
    for_each = limits.get("write")
    async for piece in request.stream:
        patience.reschedule(None if for_each is None else loop.time() + for_each)
        yield piece
    # From here on aiohttp watches how long the answer takes.
    patience.reschedule(None)


def _longest(limits: dict[str, float | None]) -> float | None:
    """Seconds until the head of an answer must be there; None without limit."""
    waits = [limits.get(stage) for stage in ("pool", "connect", "write", "read")]
    return None if None in waits else sum(wait for wait in waits if wait is not None)


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """aiohttp's errors as httpx's, as said above."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout(str(error), request=request) from error
    except (aiohttp.ClientConnectorError, aiohttp.ClientConnectorCertificateError) as error:
        raise httpx.ConnectError(str(error), request=request) from error
    except aiohttp.InvalidURL as error:
        raise httpx.UnsupportedProtocol(str(error), request=request) from error
    except ValueError as error:  # of a header that no request may have
        raise httpx.LocalProtocolError(str(error), request=request) from error
    except aiohttp.ServerTimeoutError as error:
        raise httpx.ReadTimeout(str(error), request=request) from error
    except TimeoutError as error:
        raise httpx.WriteTimeout("the request could not be sent", request=request) from error
    except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
        raise httpx.RemoteProtocolError(str(error), request=request) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.ReadError(str(error) or type(error).__name__, request=request) from error
