"""What is compressed, what never is, and what a real socket gets of it."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import RequestFactory

from speechsite.core.compression import CompressionMiddleware
from tests.running import EMAIL, Site, Visitor

PAGE = "<p>A page of words.</p>" * 100
LONG = "<p>A long page of words.</p>" * 4000
GZIP = {"Accept-Encoding": "br, gzip"}


def run(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    return CompressionMiddleware(lambda _request: response)(request)  # type: ignore[return-value]


def is_packed(response: HttpResponseBase) -> bool:
    return response.get("Content-Encoding") == "gzip"


@pytest.mark.parametrize(
    "kind", ["text/html; charset=utf-8", "application/json", "text/plain", "application/x-subrip"]
)
def test_text_is_compressed_and_says_what_it_depends_on(rf: RequestFactory, kind: str) -> None:
    answer = HttpResponse(PAGE, content_type=kind, headers={"ETag": '"abc"'})
    response = run(rf.get("/studio/", headers=GZIP), answer)
    assert isinstance(response, HttpResponse)
    assert is_packed(response)
    assert response["Vary"] == "Accept-Encoding"
    assert response["ETag"] == 'W/"abc"'
    assert int(response["Content-Length"]) == len(response.content) < len(PAGE) / 2
    assert gzip.decompress(response.content).decode() == PAGE


def test_two_answers_of_the_same_page_differ_in_length(rf: RequestFactory) -> None:
    sizes = {
        len(run(rf.get("/", headers=GZIP), HttpResponse(PAGE)).content)  # type: ignore[attr-defined]
        for _ in range(40)
    }
    assert len(sizes) > 5


@pytest.mark.parametrize("accepted", ["", "br", "identity", "gzip;q=0", "deflate, gzip; q=0.0, br"])
def test_who_does_not_ask_for_it_gets_plain_text(rf: RequestFactory, accepted: str) -> None:
    request = rf.get("/studio/", headers={"Accept-Encoding": accepted})
    response = run(request, HttpResponse(PAGE))
    assert not is_packed(response)


@pytest.mark.parametrize("path", ["/account/2fa/totp/activate/", "/account/password/reset/key/a/"])
def test_pages_with_secrets_never_are(rf: RequestFactory, path: str) -> None:
    assert not is_packed(run(rf.get(path, headers=GZIP), HttpResponse(PAGE)))


def test_the_answer_to_a_form_never_is(rf: RequestFactory) -> None:
    """Keys and webhook secrets are shown there, once."""
    assert not is_packed(run(rf.post("/developers/keys/", headers=GZIP), HttpResponse(PAGE)))


@pytest.mark.parametrize(
    ("site", "packed"),
    [("same-origin", True), ("none", True), ("cross-site", False), ("same-site", False)],
)
def test_what_another_sites_page_asks_for_never_is(
    rf: RequestFactory, site: str, packed: bool
) -> None:
    request = rf.get("/history/?q=guess", headers={**GZIP, "Sec-Fetch-Site": site})
    assert is_packed(run(request, HttpResponse(PAGE))) is packed


@pytest.mark.parametrize(
    "answer",
    [
        StreamingHttpResponse([PAGE.encode()], content_type="text/event-stream"),
        StreamingHttpResponse([PAGE.encode()], content_type="text/html"),
        HttpResponse(PAGE, content_type="audio/mpeg"),
        HttpResponse(PAGE, content_type="application/zip"),
        HttpResponse(PAGE, status=206),
        HttpResponse(PAGE, status=304),
    ],
    ids=["events", "stream", "sound", "zip", "range", "unchanged"],
)
def test_what_is_not_a_whole_text_passes_as_it_is(
    rf: RequestFactory, answer: HttpResponseBase
) -> None:
    response = run(rf.get("/x", headers=GZIP), answer)
    assert not is_packed(response)
    assert not response.has_header("Vary")
    answer.close()


@pytest.mark.parametrize("text", [PAGE, LONG])
def test_on_the_loop_it_is_the_same(rf: RequestFactory, text: str) -> None:
    async def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(text)

    async def ask() -> Any:
        return await CompressionMiddleware(view)(rf.get("/", headers=GZIP))  # type: ignore[arg-type,misc]

    response = asyncio.run(ask())
    assert gzip.decompress(response.content).decode() == text


def test_both_worlds_have_it() -> None:
    name = "speechsite.core.compression.CompressionMiddleware"
    assert name in settings.MIDDLEWARE
    assert name in settings.PARTNER_MIDDLEWARE


# --- over a real socket ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as running:
        running.open_account()
        yield running


def raw(http: httpx.Client, path: str, **more: Any) -> tuple[httpx.Headers, bytes]:
    """An answer's headers and its bytes as they came in."""
    with http.stream("GET", path, headers=more) as answer:
        assert answer.status_code in (200, 206), answer.status_code
        return answer.headers, b"".join(answer.iter_raw())


@pytest.mark.processes
@pytest.mark.xdist_group("compression")
def test_pages_come_compressed_over_a_socket(site: Site) -> None:
    with Visitor(site) as visitor:
        visitor.sign_in()
        http = visitor.http
        for path in ("/studio/", "/history/", "/voices/", "/api/docs/"):
            headers, sent = raw(http, path, **{"Accept-Encoding": "gzip"})
            _, whole = raw(http, path, **{"Accept-Encoding": "identity"})
            assert headers["Content-Encoding"] == "gzip"
            assert "Accept-Encoding" in headers["Vary"]
            assert int(headers["Content-Length"]) == len(sent) < len(whole) / 2
            assert gzip.GzipFile(fileobj=io.BytesIO(sent)).read().startswith(b"<!doctype html>")
        headers, sent = raw(http, "/studio/", **{"Sec-Fetch-Site": "cross-site"})
        assert "Content-Encoding" not in headers
        headers, _ = raw(http, "/account/profile/")
        assert "Content-Encoding" not in headers


@pytest.mark.processes
@pytest.mark.xdist_group("compression")
def test_lists_of_the_api_do_and_sound_does_not(site: Site) -> None:
    made = site.manage("createkey", EMAIL, "--test")
    bearer = {"Authorization": f"Bearer {made.stdout.strip()}", "Accept-Encoding": "gzip"}
    with httpx.Client(base_url=site.url, headers=bearer, timeout=60, trust_env=False) as http:
        headers, sent = raw(http, "/api/v1/voices")
        assert headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(sent))["data"]
        body = {"model": "tts-1", "voice": "alloy", "input": "Good morning."}
        sound = http.post("/v1/audio/speech", json=body)
        assert sound.headers["Content-Type"] == "audio/mpeg"
        assert "Content-Encoding" not in sound.headers
        body["stream_format"] = "sse"
        events = http.post("/v1/audio/speech", json=body)
        assert "Content-Encoding" not in events.headers
        history = http.get("/v1/history").json()["history"]
        path = f"/v1/history/{history[0]['history_item_id']}/audio"
        headers, part = raw(http, path, Range="bytes=0-99")
        assert (len(part), "Content-Encoding" in headers) == (100, False)
