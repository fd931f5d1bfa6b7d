"""What all adapters over HTTP share: one client, one way to call, one error map.

A vendor's file adds its paths and its words; this one decides what a broken
connection means. The rule is about money: once an order that costs something
has gone out, a missing answer is `Unclear`, never `Unavailable`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import httpx

from speechsite.core import safehttp
from speechsite.providers.base import Adapter
from speechsite.providers.errors import (
    AccountEmpty,
    BadCredentials,
    Garbled,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
    Unclear,
)

USER_AGENT = "speechsite/0.1"
TIMEOUT = httpx.Timeout(connect=10, read=120, write=60, pool=60)
LIMITS = httpx.Limits(max_connections=512, max_keepalive_connections=128)
DOWNLOAD_LIMIT = 512 * 1024 * 1024  # bytes of one result
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class HttpAdapter(Adapter):
    """An adapter for a provider that is called over HTTP."""

    default_base_url: ClassVar[str] = ""

    def __init__(
        self,
        base_url: str = "",
        credentials: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        downloads: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(
            base_url or self.default_base_url, credentials, options, transport, downloads
        )
        self.client = httpx.AsyncClient(
            transport=transport,
            timeout=TIMEOUT,
            limits=LIMITS,
            headers={"User-Agent": USER_AGENT, **self.auth_headers()},
            trust_env=False,
        )
        self.download_client = safehttp.client(transport=downloads, user_agent=USER_AGENT)

    async def aclose(self) -> None:
        await self.client.aclose()
        await self.download_client.aclose()

    def auth_headers(self) -> dict[str, str]:
        """The headers that carry the operator's key."""
        return {"Authorization": f"Bearer {self.credentials.get('api_key', '')}"}

    def error_from(self, response: httpx.Response) -> ProviderError | None:
        """The vendor's own reading of an answer; None when it is not an error.

        Called with the body already read. Override it with the vendor's codes and
        fall back to `error_from_status`.
        """
        return None if response.is_success else error_from_status(response)

    async def call(self, method: str, path: str, *, spends: bool = False, **more: Any) -> httpx.Response:
        """One request, whole answer. `spends` marks a call that may cost the operator."""
        async with self.stream(method, path, spends=spends, **more) as response:
            try:
                await response.aread()
            except httpx.HTTPError as error:
                raise lost_answer(error, spends) from error
        return response

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, spends: bool = False, **more: Any
    ) -> AsyncIterator[httpx.Response]:
        """One request whose successful answer is left unread; an error is raised."""
        url = path if path.startswith(("http://", "https://")) else self.base_url + path
        request = self.client.build_request(method, url, **more)
        try:
            response = await self.client.send(request, stream=True)
        except NOT_SENT as error:
            raise Unavailable(f"{self.name} cannot be reached: {error!r}") from error
        except httpx.HTTPError as error:
            raise lost_answer(error, spends) from error
        try:
            if not response.is_success:
                await self._read_error(response, spends)
            yield response
        finally:
            await response.aclose()

    async def json_of(self, response: httpx.Response, *, spends: bool = False) -> Any:
        """The body as JSON after the vendor's error check."""
        error = self.error_from(response)
        if error is not None:
            raise error
        try:
            return response.json()
        except ValueError as bad:
            kind = Unclear if spends else Garbled
            raise kind(
                f"{self.name} did not answer with JSON",
                status=response.status_code,
                raw={"body": response.text[:500]},
            ) from bad

    async def download(self, url: str) -> AsyncIterator[bytes]:
        """The bytes behind a result link, from public addresses only, bounded in size."""
        async for piece in safehttp.stream(self.download_client, url, limit=DOWNLOAD_LIMIT):
            yield piece

    async def _read_error(self, response: httpx.Response, spends: bool) -> None:
        try:
            await response.aread()
        except httpx.HTTPError as error:
            raise lost_answer(error, spends) from error
        raised = self.error_from(response) or error_from_status(response)
        if spends and type(raised) is Unavailable and response.status_code in (500, 502, 504):
            raise Unclear(
                raised.message, status=raised.status, vendor_code=raised.vendor_code, raw=raised.raw
            )
        raise raised


def error_from_status(response: httpx.Response) -> ProviderError:
    """What an HTTP status means when the vendor's body says nothing more."""
    status = response.status_code
    more: dict[str, Any] = {"status": status, "raw": {"body": response.text[:2000]}}
    if status == 429:
        return RateLimited("too many requests", retry_after=retry_after(response), **more)
    if status in (401, 403):
        return BadCredentials("the provider refuses the key", **more)
    if status == 402:
        return AccountEmpty("the account at the provider has no funds", **more)
    if status == 408 or status >= 500:
        return Unavailable(f"the provider answered {status}", **more)
    if 400 <= status < 500:
        return Rejected(f"the provider refused the order with {status}", **more)
    return Garbled(f"unexpected status {status}", **more)


def retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait, from a number or an HTTP date; None where absent or absurd."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value).timestamp()
        except ValueError:
            return None
        seconds = then - parsedate_to_datetime(response.headers["date"]).timestamp() if "date" in response.headers else 0.0
    return seconds if 0 <= seconds <= 3600 else None


def lost_answer(error: httpx.HTTPError, spends: bool) -> ProviderError:
    """A connection that broke after the request went out."""
    if spends:
        return Unclear(f"the answer was lost: {error!r}")
    return Unavailable(f"no answer: {error!r}")
