"""What all adapters over HTTP share: one transport, one way to call, one error map.

A vendor's file adds its paths and its words; this one decides what a broken
connection means. The rule is about money: once an order that costs something
has gone out, an answer that is missing or breaks off is `Unclear`, never
`Unavailable`. A complete answer that reports an error, whatever its status, says
that the order was not taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, ClassVar

import httpx

from speechsite.core import answers, outgoing, safehttp
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
    Unsupported,
)
from speechsite.providers.types import SpeechOrder

USER_AGENT = "speechsite/0.1"
TIMEOUT = {"connect": 10.0, "read": 120.0, "write": 60.0, "pool": 60.0}  # seconds
DOWNLOAD_LIMIT = 512 * 1024 * 1024  # bytes of one result
DOWNLOAD_SECONDS = 600.0
ANSWER_LIMIT = 64 * 1024 * 1024  # bytes of an answer that is read as a whole, unpacked
ERROR_LIMIT = 256 * 1024  # bytes of an error that are looked at
ANSWER_SECONDS, STREAM_SECONDS = 600.0, 1800.0  # until an answer, or a stream of sound, has ended
NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)
NOT_SOUND = (b"<!doctype", b"<html", b"<?xml", b"{", b"[{")
HIGHEST_COST = Decimal(1_000_000)  # of a provider's credits, for one call


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

    # Both are made when first needed: reading a callback needs none of them.
    @cached_property
    def wire(self) -> httpx.AsyncBaseTransport:
        """What calls the provider.

        No client around it: cookies, redirects and proxies are not wanted here, and to look
        for them takes as long as the call.
        """
        return self.transport or outgoing.Transport()

    @cached_property
    def headers(self) -> dict[str, str]:
        """What every request says."""
        return {
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": USER_AGENT,
            **self.auth_headers(),
        }

    @cached_property
    def download_client(self) -> httpx.AsyncClient:
        """What follows links, which come from outside."""
        return safehttp.client(transport=self.downloads, user_agent=USER_AGENT)

    async def aclose(self) -> None:
        for name in ("wire", "download_client"):
            if name in self.__dict__:
                await getattr(self, name).aclose()

    def notice(self, response: httpx.Response) -> None:
        """Look at the headers of every answer; most providers say nothing there."""

    def auth_headers(self) -> dict[str, str]:
        """The headers that carry the operator's key."""
        return {"Authorization": f"Bearer {self.credentials.get('api_key', '')}"}

    def error_from(self, response: httpx.Response) -> ProviderError | None:
        """The vendor's own reading of an answer; None when it is not an error.

        Called with the body already read. Override it with the vendor's codes and
        fall back to `error_from_status`.
        """
        return None if response.is_success else error_from_status(response)

    async def call(
        self, method: str, path: str, *, spends: bool = False, **more: Any
    ) -> httpx.Response:
        """One request, whole answer. `spends` marks a call that may cost the operator."""
        async with self.stream(
            method, path, spends=spends, largest=ANSWER_LIMIT, seconds=ANSWER_SECONDS, **more
        ) as response:
            await response.aread()
        return response

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        spends: bool = False,
        headers: Mapping[str, str] | None = None,
        largest: int | None = None,
        seconds: float | None = None,
        **more: Any,
    ) -> AsyncIterator[httpx.Response]:
        """One request whose successful answer is left unread; an error is raised.

        The answer ends at `largest` bytes, unpacked, and after `seconds`, however it comes: by
        default where a sound has to end. A connection that breaks while the caller reads is the same lost answer.
        """
        url = path if path.startswith(("http://", "https://")) else self.base_url + path
        try:
            own = {**self.headers, **(headers or {})}
            limits = {"timeout": TIMEOUT}
            request = httpx.Request(method, url, headers=own, extensions=limits, **more)
            response = await self.wire.handle_async_request(request)
        except UnicodeError as error:
            raise BadCredentials("the key has characters that no header can carry") from error
        except NOT_SENT as error:
            what = type(error).__name__
            raise Unavailable(f"{self.name} cannot be reached: {what}") from error
        except httpx.HTTPError as error:
            raise lost_answer(error, spends) from error
        try:
            response.request = request
            answers.bounded(
                response, largest=largest or DOWNLOAD_LIMIT, seconds=seconds or STREAM_SECONDS
            )
            self.notice(response)
            if not response.is_success:
                answers.cut(response, ERROR_LIMIT)
                await response.aread()
                raise self.scrubbed(self.error_from(response) or error_from_status(response))
            yield response
        except httpx.HTTPError as error:
            raise lost_answer(error, spends) from error
        finally:
            await response.aclose()

    async def json_of(self, response: httpx.Response, *, spends: bool = False) -> Any:
        """The body as JSON after the vendor's error check."""
        error = self.error_from(response)
        if error is not None:
            raise self.scrubbed(error)
        try:
            return response.json()
        except (ValueError, RecursionError) as bad:
            kind = Unclear if spends else Garbled
            raise kind(
                f"{self.name} did not answer with JSON",
                status=response.status_code,
                raw=self.scrub({"body": response.text[:500]}),
            ) from bad

    async def download(self, url: str) -> AsyncIterator[bytes]:
        """The sound behind a result link, from public addresses only, bounded in size."""
        started = False
        try:
            async for piece in safehttp.stream(
                self.download_client, url, limit=DOWNLOAD_LIMIT, seconds=DOWNLOAD_SECONDS
            ):
                if not started and piece[:64].lstrip().lower().startswith(NOT_SOUND):
                    raise Garbled("the result is not sound")
                started = True
                yield piece
        except safehttp.FetchError as error:
            raise _download_error(error) from error
        if not started:
            raise Garbled("the result is empty")

    def check_settings(self, names: Iterable[str], *also: str) -> None:
        """Refuse aloud what this adapter would otherwise have to ignore."""
        strange = sorted(set(names) - self.controls - set(also))
        if strange:
            raise Unsupported(f"{self.name} does not take {', '.join(strange)}")

    def number(
        self, order: SpeechOrder, name: str, default: float, bounds: tuple[float, float]
    ) -> float:
        """One setting of an order, refused aloud outside what this provider takes."""
        value = order.settings.get(name, default)
        low, high = bounds
        if isinstance(value, (bool, str)) or not low <= value <= high:
            raise Unsupported(f"{self.name} takes {name} from {low:g} to {high:g}")
        return float(value)

    def scrub(self, value: Any) -> Any:
        """A provider's answer without our secrets, and fit for any database."""
        if isinstance(value, str):
            value = value.replace("\0", "").encode("utf-8", "replace").decode()
            for secret in self.credentials.values():
                if len(secret) >= 4:
                    value = value.replace(secret, "***")
            return value
        if isinstance(value, Mapping):
            return {self.scrub(str(key)): self.scrub(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.scrub(part) for part in value]
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return value

    def scrubbed(self, error: ProviderError) -> ProviderError:
        """The same error after every secret was taken out of it."""
        error.message = self.scrub(error.message)
        error.vendor_code = self.scrub(error.vendor_code)
        error.raw = self.scrub(error.raw)
        error.args = (error.message,)
        return error


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
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, response.headers.get("date", ""))
    return seconds if 0 <= seconds <= 3600 else None


def lost_answer(error: httpx.HTTPError, spends: bool) -> ProviderError:
    """A connection that broke after the request went out."""
    if spends:
        return Unclear(f"the answer was lost: {type(error).__name__}")
    return Unavailable(f"no answer: {type(error).__name__}")


def sane_cost(value: Any, highest: Decimal = HIGHEST_COST) -> Decimal | None:
    """What a provider says it billed or has left; None for what no bill can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    try:
        cost = Decimal(str(value))
    except (ArithmeticError, ValueError):
        return None
    return cost if cost.is_finite() and 0 <= cost <= highest else None


def _seconds_until(date: str, now: str) -> float:
    try:
        until = parsedate_to_datetime(date).timestamp()
        return until - (parsedate_to_datetime(now).timestamp() if now else time.time())
    except (ValueError, OverflowError):
        return math.nan


def _download_error(error: safehttp.FetchError) -> ProviderError:
    if isinstance(error, safehttp.Unreachable):
        return Unavailable(f"the result cannot be fetched: {error}")
    if not isinstance(error, safehttp.BadStatus):
        return Garbled(f"the result cannot be used: {error}")
    if error.status == 429 or error.status >= 500:
        return Unavailable("the result cannot be fetched", status=error.status)
    return Garbled("the result is gone", status=error.status)
