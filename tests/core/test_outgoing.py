"""The transport over aiohttp: what it sends and gets, and what each failure is called.

The names decide about money: what counts as never sent may be sent elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from speechsite.core import outgoing
from speechsite.providers.http import NOT_SENT

Talk = Callable[[socket.socket], None]
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"


@contextlib.contextmanager
def listening(*talks: Talk) -> Iterator[str]:
    """A server whose connections each follow their own script; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for talk in talks:
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    with connection:
                        talk(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        # Whoever still waits for a connection is told that there will be none.
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def heard(connection: socket.socket) -> bytes:
    """One request without a body, or the head of one with."""
    said = b""
    while b"\r\n\r\n" not in said:
        piece = connection.recv(65_536)
        if not piece:
            return said
        said += piece
    return said


def answering(*answers: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        for answer in answers:
            if not heard(connection):
                return
            connection.sendall(answer)

    return talk


def listening_to(said: list[bytes]) -> Talk:
    """Answers once, and writes down what it heard."""

    def talk(connection: socket.socket) -> None:
        said.append(heard(connection))
        connection.sendall(FINE)

    return talk


def asked(
    url: str, *, method: str = "GET", timeout: float | httpx.Timeout = 5.0, **more: object
) -> httpx.Response:
    async def story() -> httpx.Response:
        async with client(timeout) as http:
            return await http.request(method, url, **more)  # type: ignore[arg-type]

    return asyncio.run(story())


def client(timeout: float | httpx.Timeout = 5.0) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=outgoing.Transport(), timeout=timeout, trust_env=False)


def failure(url: str, **more: object) -> Exception:
    with pytest.raises(httpx.HTTPError) as caught:
        asked(url, **more)  # type: ignore[arg-type]
    assert isinstance(caught.value, httpx.RequestError)
    assert caught.value.request.url == url
    return caught.value


def test_a_request_goes_out_as_httpx_wrote_it():
    said: list[bytes] = []
    with listening(listening_to(said)) as url:
        address = f"{url}/a%2Fb/%E4%BD%A0?x=1%202&y=%26"
        answer = asked(address, method="POST", headers={"X-One": "1"}, content=b"words")
    assert (answer.status_code, answer.content) == (200, b"fine")
    line, _, rest = said[0].partition(b"\r\n")
    assert line == b"POST /a%2Fb/%E4%BD%A0?x=1%202&y=%26 HTTP/1.1"
    names = [
        header.partition(b":")[0].lower() for header in rest.split(b"\r\n\r\n")[0].split(b"\r\n")
    ]
    assert sorted(names) == sorted(set(names))
    assert b"x-one" in names
    assert b"python-httpx" in rest
    assert b"aiohttp" not in rest.lower()


def test_a_name_and_password_in_an_address_go_into_a_header_only():
    said: list[bytes] = []
    with listening(listening_to(said)) as url:
        asked(url.replace("http://", "http://me:secret@") + "/")
    assert b"authorization: basic bwu6c2vjcmv0" in said[0].lower()
    assert b"secret" not in said[0]


@pytest.mark.parametrize("is_counted", [True, False])
def test_a_long_body_goes_out_piece_by_piece(is_counted: bool):
    said: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        connection.settimeout(1)
        everything = b""
        while not everything.endswith((b"third", b"0\r\n\r\n")):
            everything += connection.recv(65_536)
        said.append(everything)
        connection.sendall(FINE)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"first", b"second", b"third"):
            yield piece

    with listening(talk) as url:
        headers = {"Content-Length": "16"} if is_counted else {}
        assert asked(url, method="POST", content=pieces(), headers=headers).is_success
    body = said[0].partition(b"\r\n\r\n")[2]
    if is_counted:
        assert body == b"firstsecondthird"
        assert b"chunked" not in said[0].lower()
    else:
        assert body == b"5\r\nfirst\r\n6\r\nsecond\r\n5\r\nthird\r\n0\r\n\r\n"
        assert said[0].lower().count(b"transfer-encoding") == 1


def test_calls_in_turn_share_a_connection():
    with listening(answering(FINE, FINE, FINE)) as url:

        async def story() -> list[int]:
            async with client() as http:
                return [(await http.get(url)).status_code for _ in range(3)]

        assert asyncio.run(story()) == [200, 200, 200]


def test_the_first_bytes_are_there_before_the_last():
    go_on = threading.Event()

    def talk(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nearly")
        go_on.wait(5)
        connection.sendall(b"end")

    with listening(talk) as url:

        async def story() -> list[bytes]:
            got = []
            async with client() as http, http.stream("GET", url) as answer:
                async for piece in answer.aiter_raw():
                    got.append(piece)
                    go_on.set()
            return got

        assert asyncio.run(story()) == [b"early", b"end"]


def test_who_leaves_early_ends_the_connection():
    is_gone = threading.Event()

    def talk(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nearly")
        connection.settimeout(5)
        if connection.recv(1) == b"":
            is_gone.set()

    with listening(talk) as url:

        async def story() -> None:
            async with client() as http:
                async with http.stream("GET", url) as answer:
                    assert await anext(answer.aiter_raw()) == b"early"
                # Before the client ends, which would close everything.
                assert await asyncio.to_thread(is_gone.wait, 5)

        asyncio.run(story())


def test_nobody_there_means_that_nothing_was_sent():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = failure(f"http://127.0.0.1:{free.getsockname()[1]}")
    assert isinstance(error, httpx.ConnectError)
    assert isinstance(error, NOT_SENT)


def test_a_header_that_no_request_may_have_is_not_sent():
    said: list[bytes] = []
    with listening(listening_to(said)) as url:
        error = failure(url, method="POST", headers={"X-Key": "secret\r\nX-Other: 1"})
    assert isinstance(error, NOT_SENT)
    assert b"X-Other" not in b"".join(said)


def test_an_unknown_host_means_that_nothing_was_sent():
    assert isinstance(failure("http://nobody.invalid"), httpx.ConnectError)


def test_a_certificate_of_somebody_else_means_that_nothing_was_sent():
    with listening(lambda connection: connection.sendall(b"no TLS here")) as url:
        error = failure(url.replace("http:", "https:"))
    assert isinstance(error, httpx.ConnectError)
    assert outgoing.tls().verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(heard, id="hangs up without an answer"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"), id="half"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nContent-Le"), id="half a head"),
        pytest.param(answering(b"no HTTP at all\r\n\r\n"), id="something else"),
    ],
)
def test_what_breaks_after_the_request_went_out_is_a_lost_answer(talk: Talk):
    with listening(talk) as url:
        error = failure(url, method="POST", content=b"an order")
    assert isinstance(error, httpx.TransportError)
    assert not isinstance(error, NOT_SENT)


def test_a_connection_reset_is_a_lost_answer():
    def talk(connection: socket.socket) -> None:
        heard(connection)
        # Closed with something unread and no time to linger: that is a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with listening(talk) as url:
        error = failure(url, method="POST", content=b"an order")
    assert isinstance(error, httpx.TransportError)
    assert not isinstance(error, NOT_SENT)


def test_an_order_that_is_lost_is_not_sent_again():
    orders: list[bytes] = []

    def lose(connection: socket.socket) -> None:
        heard_first = heard(connection)
        connection.sendall(FINE)
        orders.append(heard_first)
        # The next one on the kept connection is read and then dropped.
        orders.append(heard(connection))

    def again(connection: socket.socket) -> None:
        orders.append(heard(connection))
        connection.sendall(FINE)

    with listening(lose, again) as url:

        async def story() -> None:
            async with client() as http:
                await http.post(url, content=b"first")
                with pytest.raises(httpx.TransportError):
                    await http.post(url, content=b"second")

        asyncio.run(story())
    assert len(orders) == 2


def test_a_slow_answer_is_a_read_that_took_too_long():
    is_over = threading.Event()

    def talk(connection: socket.socket) -> None:
        heard(connection)
        is_over.wait(5)

    with listening(talk) as url:
        error = failure(url, timeout=httpx.Timeout(5, read=0.1))
        is_over.set()
    assert isinstance(error, httpx.ReadTimeout)


def test_a_host_that_does_not_take_a_long_body_is_given_up():
    is_over = threading.Event()

    def talk(connection: socket.socket) -> None:
        heard(connection)
        is_over.wait(5)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65_536

    async def story(url: str) -> None:
        async with client(httpx.Timeout(5, write=0.2)) as http:
            with pytest.raises(httpx.WriteTimeout) as caught:
                await http.post(url, content=endless())
            assert not isinstance(caught.value, NOT_SENT)
            is_over.set()
            await asyncio.sleep(0.05)  # for the socket to find out

    with listening(talk) as url:
        asyncio.run(story(url))


def test_long_headers_are_read():
    head = b"HTTP/1.1 302 Found\r\nLocation: https://cdn.example/" + b"x" * 30_000
    with listening(answering(head + b"\r\nContent-Length: 0\r\n\r\n")) as url:
        assert len(asked(url).headers["location"]) > 30_000


def test_packed_answers_are_unpacked_once():
    packed = gzip.compress(b"words " * 100)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    with listening(answering(head.encode() + packed)) as url:
        assert asked(url).content == b"words " * 100
