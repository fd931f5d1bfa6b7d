"""Outside addresses: public hosts only, whatever they call themselves, within limits."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechsite.core import safehttp
from tests.fakes.server import serving
from tests.fakes.upstream import Upstream

PRIVATE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.8",
    "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
    "64:ff9b:1::a00:1", "2002:a00:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "100::1",
    "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.fixture(autouse=True)
def closed_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALLOW_PRIVATE_NETWORKS", raising=False)


def fetch(
    url: str, transport: httpx.AsyncBaseTransport | None = None, limit: int = 1000, **more: Any
) -> bytes:
    seconds = more.pop("seconds", 5)

    async def run() -> bytes:
        async with safehttp.client(transport, **more) as client:
            pieces = safehttp.stream(client, url, limit=limit, seconds=seconds)
            return b"".join([piece async for piece in pieces])

    return asyncio.run(run())


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(answer)


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    asked: list[str] = []

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_a_private_place_is_refused(address: str):
    assert not safehttp.is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(safehttp.Refused):
        safehttp.check_url(f"https://{host}/x")
    with pytest.raises(safehttp.Refused):
        fetch(f"http://{host}:9/x")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_taken(address: str):
    assert safehttp.is_public(ipaddress.ip_address(address))
    safehttp.check_url(f"https://[{address}]/x" if ":" in address else f"https://{address}/x")


@given(st.ip_addresses(v=4))
def test_a_disguise_changes_nothing(address: ipaddress.IPv4Address):
    number = int(address)
    disguised = (
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
    )
    assert {safehttp.is_public(form) for form in disguised} == {safehttp.is_public(address)}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x", "file:///etc/passwd", "gopher://example.com", "//example.com/x", "x",
        "", "http://", "http://user:pass@example.com/", "http://user@example.com/",
        "http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://127.1/",
        "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://[::1%25lo]/",
        "http://exa mple.com:port/",
    ],
)  # fmt: skip
def test_a_form_refuses_what_is_wrong_at_first_sight(url: str):
    with pytest.raises(safehttp.Refused):
        safehttp.check_url(url)


def test_a_form_takes_a_plain_address():
    safehttp.check_url("https://example.com:8443/hook?x=1")


def test_a_name_for_a_private_address_is_not_called(monkeypatch: pytest.MonkeyPatch):
    with serving(Upstream()) as url:
        port = url.rpartition(":")[2]
        asked = resolving_to(monkeypatch, "127.0.0.1")
        with pytest.raises(safehttp.Refused):
            fetch(f"http://inside.example:{port}/_state")
    assert asked == ["inside.example"]


def test_one_private_address_among_public_ones_spoils_the_name(monkeypatch: pytest.MonkeyPatch):
    resolving_to(monkeypatch, "8.8.8.8", "10.0.0.1")
    with pytest.raises(safehttp.Refused):
        fetch("http://mixed.example/")


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch):
    called: list[tuple[str, int]] = []

    async def connect_tcp(self: Any, host: str, port: int, *_: Any) -> Any:
        called.append((host, port))
        raise safehttp.httpcore.ConnectError("far away")

    monkeypatch.setattr(safehttp.httpcore.AnyIOBackend, "connect_tcp", connect_tcp)
    asked = resolving_to(monkeypatch, "8.8.8.8", "1.1.1.1")
    with pytest.raises(safehttp.Unreachable):
        fetch("https://files.example/x")
    assert called == [("8.8.8.8", 443), ("1.1.1.1", 443)]
    assert asked == ["files.example"]


def test_an_unknown_name_is_unreachable(monkeypatch: pytest.MonkeyPatch):
    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    with pytest.raises(safehttp.Unreachable):
        fetch("http://nowhere.example/")


def test_private_networks_open_by_environment(monkeypatch: pytest.MonkeyPatch):
    with serving(Upstream()) as url:
        with pytest.raises(safehttp.Refused):
            fetch(f"{url}/_state")
        monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
        assert b"accepted" in fetch(f"{url}/_state")
        with pytest.raises(safehttp.Refused):
            fetch(f"{url}/_state", allow_private=False)


def test_redirects_are_checked_hop_by_hop():
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": "http://169.254.169.254/latest"})

    with pytest.raises(safehttp.Refused):
        fetch("https://files.example/x", answering(answer))


@pytest.mark.parametrize(("hops", "heard"), [(3, True), (4, False)])
def test_three_redirects_are_followed_and_no_more(hops: int, heard: bool):
    def answer(request: httpx.Request) -> httpx.Response:
        hop = int(request.url.path.strip("/"))
        if hop == hops:
            return httpx.Response(200, content=b"sound")
        return httpx.Response(302, headers={"location": f"/{hop + 1}"})

    if heard:
        assert fetch("https://files.example/0", answering(answer)) == b"sound"
        return
    with pytest.raises(safehttp.Refused):
        fetch("https://files.example/0", answering(answer))


def test_the_answer_ends_at_the_limit():
    transport = answering(lambda _: httpx.Response(200, content=b"x" * 1001))
    with pytest.raises(safehttp.TooLarge):
        fetch("https://files.example/x", transport)
    assert len(fetch("https://files.example/x", transport, limit=1001)) == 1001


def test_a_packed_answer_is_not_opened():
    headers = {"content-encoding": "gzip"}
    transport = answering(lambda _: httpx.Response(200, headers=headers, stream=Slow(b"x")))
    with pytest.raises(safehttp.Unreachable):
        fetch("https://files.example/x", transport)


class Slow(httpx.AsyncByteStream):
    """A body whose second half never comes."""

    def __init__(self, start: bytes) -> None:
        self.start = start

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.start
        await asyncio.Event().wait()


def test_a_drip_ends_at_the_deadline():
    transport = answering(lambda _: httpx.Response(200, stream=Slow(b"x")))
    with pytest.raises(safehttp.Unreachable):
        fetch("https://files.example/x", transport, seconds=0.05)


@pytest.mark.parametrize("status", [304, 403, 404, 500])
def test_no_success_is_a_bad_status(status: int):
    transport = answering(lambda _: httpx.Response(status))
    with pytest.raises(safehttp.BadStatus) as caught:
        fetch("https://files.example/x", transport)
    assert caught.value.status == status


def post(transport: httpx.AsyncBaseTransport, url: str = "https://hook.example/") -> Any:
    async def run() -> safehttp.Answer:
        async with safehttp.client(transport, "teller") as client:
            headers = {"X-Sign": "abc", "Content-Type": "application/json"}
            return await safehttp.post(client, url, b"{}", headers, limit=10, timeout=0.2)

    return asyncio.run(run())


def test_a_message_carries_its_headers_and_the_answer_is_cut():
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(500, content=b"x" * 1000)

    heard = post(answering(answer))
    assert (heard.status, heard.body) == (500, b"x" * 10)
    assert seen[0].headers["x-sign"] == "abc"
    assert seen[0].headers["user-agent"] == "teller"
    assert seen[0].content == b"{}"


def test_a_message_is_not_redirected():
    heard = post(answering(lambda _: httpx.Response(307, headers={"location": "/elsewhere"})))
    assert heard.status == 307


def test_a_message_to_a_private_place_is_refused():
    with pytest.raises(safehttp.Refused):
        post(answering(lambda _: httpx.Response(200)), "http://10.0.0.1/")


@pytest.mark.parametrize("url", ["http://exa mple.com:port/", "x", "ftp://example.com/"])
def test_what_cannot_be_called_is_refused(url: str):
    transport = answering(lambda _: httpx.Response(200))
    with pytest.raises(safehttp.Refused):
        post(transport, url)
    with pytest.raises(safehttp.Refused):
        fetch(url, transport)


def test_a_message_that_nobody_answers_ends_at_its_timeout():
    with pytest.raises(safehttp.Unreachable):
        post(answering(lambda _: httpx.Response(200, stream=Slow(b"x"))))
