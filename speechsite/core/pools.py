"""An httpx transport that stays fast with hundreds of calls in flight.

httpx's pool looks at every connection it holds for each request, which costs
more than the request once there are some hundred. Many small pools look at few.
"""

from __future__ import annotations

import functools
import importlib.util
import ssl
import sys
from collections.abc import AsyncIterator
from typing import cast

import httpx

PER_POOL = 2
POOLS = 512
KEPT_ALIVE = 30.0  # seconds

# httpcore tries to import this for every lock and event; where it is not installed, each try
# searches the whole path and costs more than the rest of the call.
if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]


@functools.cache
def tls() -> ssl.SSLContext:
    """One context for all: reading the certificates takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


class Pools(httpx.AsyncBaseTransport):
    """Up to 1,024 connections in pools of two; few calls share the first pool."""

    def __init__(self) -> None:
        self.pools: list[_Pool] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        pool = self._free_pool()
        pool.in_flight += 1
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.in_flight -= 1
            raise
        body = cast(httpx.AsyncByteStream, response.stream)
        response.stream = _Counted(body, pool)
        return response

    async def aclose(self) -> None:
        for pool in self.pools:
            await pool.transport.aclose()

    def _free_pool(self) -> _Pool:
        for pool in self.pools:
            if pool.in_flight < PER_POOL:
                return pool
        if len(self.pools) < POOLS:
            self.pools.append(_Pool())
            return self.pools[-1]
        return min(self.pools, key=lambda pool: pool.in_flight)


class _Pool:
    def __init__(self) -> None:
        limits = httpx.Limits(
            max_connections=PER_POOL,
            max_keepalive_connections=PER_POOL,
            keepalive_expiry=KEPT_ALIVE,
        )
        self.transport = httpx.AsyncHTTPTransport(limits=limits, verify=tls(), trust_env=False)
        self.in_flight = 0


class _Counted(httpx.AsyncByteStream):
    """A body that gives its place in the pool back when it is closed."""

    def __init__(self, inner: httpx.AsyncByteStream, pool: _Pool) -> None:
        self.inner = inner
        self.pool = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.inner:
            yield piece

    async def aclose(self) -> None:
        self.pool.in_flight -= 1  # httpx closes a body once
        await self.inner.aclose()
