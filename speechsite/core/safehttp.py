"""HTTP to addresses that somebody else chose: result links, callbacks, webhooks.

Only public hosts are reached. The name is resolved here, every address is
checked, and the connection goes to a checked address, so a name that changes
its mind between check and call gains nothing. Calls to a provider's own API do
not belong here: its base URL is the operator's word.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from speechsite.core import env, outgoing

MAX_REDIRECTS = 3
TOTAL_SECONDS = 600.0  # one download, from the first byte asked to the last one got
TIMEOUT = httpx.Timeout(connect=10, read=60, write=60, pool=60)
LIMITS = httpx.Limits(max_connections=256, max_keepalive_connections=8, keepalive_expiry=15)
PIECE = 64 * 1024

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Not for public services, yet called global by some Python releases.
NEVER = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")
)


class FetchError(Exception):
    """Base of everything that goes wrong in this module."""


class Refused(FetchError):
    """The address is not one that we call."""


class TooLarge(FetchError):
    """The answer is longer than the caller allows."""


class Unreachable(FetchError):
    """The host did not answer, answered too slowly, or broke off."""


class BadStatus(FetchError):
    """The host answered, but not with success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the host answered {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from a `post`; `body` is cut at the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def client(
    transport: httpx.AsyncBaseTransport | None = None,
    user_agent: str = "speechsite",
    *,
    allow_private: bool | None = None,
) -> httpx.AsyncClient:
    """A client that calls public hosts only.

    `transport` replaces the network in tests; addresses written as numbers are
    refused even there. ALLOW_PRIVATE_NETWORKS=1 opens private networks.
    """
    allowed = _private_allowed(allow_private)
    return httpx.AsyncClient(
        transport=_CheckedTransport(transport or _PublicTransport(allowed), allowed),
        timeout=TIMEOUT,
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        trust_env=False,
        # Sound does not shrink, and a packed answer could grow past the limit.
        headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
    )


async def stream(
    client: httpx.AsyncClient, url: str, *, limit: int, seconds: float = TOTAL_SECONDS
) -> AsyncIterator[bytes]:
    """The bytes behind a link, at most `limit` of them, within `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    with _our_errors():
        async with _answer(client, client.build_request("GET", url), deadline) as response:
            if not response.is_success:
                raise BadStatus(response.status_code)
            async for piece in _pieces(response, limit, deadline):
                yield piece


async def post(
    client: httpx.AsyncClient,
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    limit: int = PIECE,
    timeout: float = 15.0,  # noqa: ASYNC109 — the whole call's limit
) -> Answer:
    """Send a message and hear the start of the answer. Redirects are not followed."""
    deadline = asyncio.get_running_loop().time() + timeout
    body = bytearray()
    with _our_errors():
        request = client.build_request("POST", url, content=content, headers=dict(headers))
        async with _answer(client, request, deadline, follow_redirects=False) as response:
            try:
                async for piece in _pieces(response, limit, deadline):
                    body += piece
            except TooLarge:
                pass
    return Answer(response.status_code, dict(response.headers), bytes(body))


def check_url(url: str, *, allow_private: bool | None = None) -> None:
    """Refuse what is wrong at first sight: for forms, before anything is called.

    Names are not resolved here; that happens at each connection.
    """
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, UnicodeError) as error:
        raise Refused("this is not a URL") from error
    _check(parsed, _private_allowed(allow_private))


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, seen through all its disguises."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
        if address not in GLOBAL_UNICAST:
            return False
    if any(address in network for network in NEVER):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


class _CheckedTransport(httpx.AsyncBaseTransport):
    """Looks at the URL of every hop before it is called."""

    def __init__(self, inner: httpx.AsyncBaseTransport, allow_private: bool) -> None:
        self.inner = inner
        self.allow_private = allow_private

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _check(request.url, self.allow_private)
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


class _PublicTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport over a network that knows public addresses only.

    The pool still goes by host name, so TLS is verified against the name.
    """

    def __init__(self, allow_private: bool) -> None:
        super().__init__(verify=outgoing.tls(), trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=outgoing.tls(),
            max_connections=LIMITS.max_connections,
            max_keepalive_connections=LIMITS.max_keepalive_connections,
            keepalive_expiry=LIMITS.keepalive_expiry,
            network_backend=_PublicNetwork(allow_private),
        )


class _PublicNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name, checks every address, and connects to one that was checked."""

    def __init__(self, allow_private: bool) -> None:
        self.allow_private = allow_private
        self.inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 — httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in await self._addresses(host, port):
            try:
                return await self.inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not known") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        # One private address among public ones is a trick, not a mistake.
        if not self.allow_private and not all(
            is_public(ipaddress.ip_address(address)) for address in addresses
        ):
            raise Refused(f"{host} is not a public host")
        return addresses


@asynccontextmanager
async def _answer(
    client: httpx.AsyncClient, request: httpx.Request, deadline: float, **more: Any
) -> AsyncIterator[httpx.Response]:
    async with asyncio.timeout_at(deadline):
        response = await client.send(request, stream=True, **more)
    try:
        yield response
    finally:
        await response.aclose()


async def _pieces(response: httpx.Response, limit: int, deadline: float) -> AsyncIterator[bytes]:
    """The body, never more than `limit`; each wait ends at the deadline."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unreachable("the host sent a packed answer that nobody asked for")
    body = response.aiter_bytes(PIECE)
    left = limit
    while True:
        async with asyncio.timeout_at(deadline):
            piece = await anext(body, b"")
        if not piece:
            return
        if len(piece) > left:
            yield piece[:left]
            raise TooLarge(f"the answer is longer than {limit} bytes")
        left -= len(piece)
        yield piece


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except httpx.TooManyRedirects as error:
        raise Refused(f"more than {MAX_REDIRECTS} redirects") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise Refused("this is not a URL that can be called") from error
    except (httpx.HTTPError, TimeoutError) as error:
        raise Unreachable(str(error) or type(error).__name__) from error


def _check(url: httpx.URL, allow_private: bool) -> None:
    if url.scheme not in ("http", "https"):
        raise Refused("only http and https addresses are called")
    if url.userinfo:
        raise Refused("the address must not hold a name or a password")
    if not url.host:
        raise Refused("the address names no host")
    if allow_private:
        return
    name = url.host.rstrip(".").lower()
    address = _literal(name)
    if name == "localhost" or name.endswith(".localhost"):
        raise Refused("this machine is not called")
    if address is not None and not is_public(address):
        raise Refused(f"{url.host} is not a public address")


def _literal(host: str) -> Address | None:
    """The address that a host is written as, also in the old forms such as 127.1."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _private_allowed(override: bool | None) -> bool:
    return env.boolean("ALLOW_PRIVATE_NETWORKS") if override is None else override
