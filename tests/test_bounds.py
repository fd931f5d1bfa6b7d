"""What strangers may send to a running site, over real sockets: it ends, whatever they do."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.client import connect

from tests.fakes.tones import tone
from tests.running import EMAIL, Site

# One site for all of them, whichever process runs them.
pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("bounds")]

UPLOADS = [
    ("/api/v1/files", "file"),
    ("/v1/audio-isolation", "audio"),
    ("/api/file-stream-upload", "file"),
    ("/v1/voices/add", "files"),
    ("/minimax/v1/files/upload", "file"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("bounds"), WORKERS="1") as running:
        made = ("createaccount", EMAIL, "--password", "correct horse 7", "--plan", "enterprise")
        assert running.manage(*made).returncode == 0
        yield running


@pytest.fixture(scope="module")
def key(site: Site) -> str:
    return site.manage("createkey", EMAIL, "--test").stdout.strip()


def address(site: Site) -> tuple[str, int]:
    return "127.0.0.1", urlsplit(site.url).port or 0


def in_pieces(body: bytes, size: int = 8000) -> Iterator[bytes]:
    """Without a length: http.client sends an iterator as chunks."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def form(field: str, content: bytes, **more: str) -> tuple[str, bytes]:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in more.items()
    ]
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="a.wav"\r\n\r\n'
    body = b"".join([*parts, head.encode(), content, b"\r\n--b--\r\n"])
    return "multipart/form-data; boundary=b", body


def sent(site: Site, path: str, body: object, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*address(site), timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", path, body, named, encode_chunked=True)  # type: ignore[arg-type]
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(("path", "field"), UPLOADS)
def test_a_form_without_a_length_is_read_like_any_other(
    site: Site, key: str, path: str, field: str
) -> None:
    content = b"A text." if "minimax" in path else tone("wav_16000", 5000)
    more = {"uploadPath": "x", "purpose": "t2a_async_input", "name": "Voice", "kind": "audio"}
    kind, body = form(field, content, **more)
    usual = {"Content_Type": kind, "Authorization": f"Bearer {key}"}
    by_length = sent(site, path, body, **usual)
    in_chunks = sent(site, path, in_pieces(body), Transfer_Encoding="chunked", **usual)
    assert by_length[0] == in_chunks[0], in_chunks
    assert by_length[0] < 300 or path == "/v1/voices/add", by_length


def test_json_without_a_length_is_read_too(site: Site, key: str) -> None:
    body = json.dumps({"text": "Hi.", "model_id": "builtin-speech"}).encode()
    usual = {"Content_Type": "application/json", "xi_api_key": key}
    answer = sent(
        site, "/v1/text-to-speech/en-us", in_pieces(body), Transfer_Encoding="chunked", **usual
    )
    assert answer[0] == 200, answer


@pytest.mark.parametrize("path", ["/api/v1/files", "/v1/audio-isolation", "/cleanup/", "/nothing"])
def test_a_stranger_is_refused_before_the_body_and_not_after_it(site: Site, path: str) -> None:
    with socket.create_connection(address(site), timeout=10) as line:
        length = 40 * 1024 * 1024 if path != "/nothing" else 10 * 1024 * 1024
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n"
        line.sendall(head.encode())
        answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 401"), answer


def test_a_stranger_without_a_length_is_stopped_after_the_first_kilobytes(site: Site) -> None:
    with socket.create_connection(address(site), timeout=10) as line:
        line.sendall(b"POST /v1/audio-isolation HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        line.sendall(b"xi-api-key: nobody\r\nTransfer-Encoding: chunked\r\n\r\n")
        taken = 0
        try:
            for _ in range(2000):
                line.sendall(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
                taken += 0x8000
        except OSError:
            pass
        assert taken < 20 * 1024 * 1024


@pytest.mark.parametrize("head", [b"X: ", b"GET /", b""], ids=["value", "address", "name"])
def test_headers_that_do_not_end_are_ended(site: Site, head: bytes) -> None:
    start = b"" if head.startswith(b"GET") else b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    with socket.create_connection(address(site), timeout=10) as line:
        line.sendall(start + head)
        taken = 0
        try:
            for _ in range(1000):
                line.sendall(b"a" * 0x8000)
                taken += 0x8000
        except OSError:
            pass
        assert taken < 8 * 1024 * 1024


def test_many_small_headers_are_too_many(site: Site) -> None:
    connection = http.client.HTTPConnection(*address(site), timeout=20)
    connection.putrequest("GET", "/healthz")
    for number in range(3000):
        connection.putheader(f"X-{number}", "a" * 30)
    connection.endheaders()
    assert connection.getresponse().status == 431
    connection.close()


SPEECH_SOCKET = "/v1/text-to-speech/en-us/stream-input?model_id=builtin-speech"


def test_a_strangers_message_is_short_or_it_is_not_read(site: Site) -> None:
    with connect(site.url.replace("http", "ws", 1) + SPEECH_SOCKET, proxy=None) as stranger:
        with suppress(ConnectionClosed):
            stranger.send("x" * 100_000)
        with pytest.raises(ConnectionClosed) as closed:
            stranger.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == CloseCode.MESSAGE_TOO_BIG


def test_who_has_a_key_may_begin_with_a_long_message(site: Site, key: str) -> None:
    address = site.url.replace("http", "ws", 1) + SPEECH_SOCKET
    with connect(address, additional_headers={"xi-api-key": key}, proxy=None) as known:
        known.send(json.dumps({"text": " ", "note": "x" * 1_000_000}))
        known.send(json.dumps({"text": "Good morning. ", "flush": True}))
        assert json.loads(known.recv(timeout=60))["audio"]
