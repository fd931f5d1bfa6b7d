"""What all HTTP adapters share: what a status means, and what is taken out of answers."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechsite.core import safehttp
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
from speechsite.providers.http import HttpAdapter, error_from_status, sane_cost

SECRET = "sk-very-secret"


class Plain(HttpAdapter):
    name = "plain"
    default_base_url = "https://plain.test"


def adapter(answer: Any, **more: Any) -> Plain:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    transport = httpx.MockTransport(handle)
    return Plain(credentials={"api_key": SECRET}, transport=transport, downloads=transport, **more)


def called(answer: Any, *, spends: bool = False, **more: Any) -> Any:
    async def run() -> Any:
        async with adapter(answer, **more) as plain:
            response = await plain.call("POST", "/x", spends=spends)
            return await plain.json_of(response, spends=spends)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Garbled),
        (400, Rejected),
        (401, BadCredentials),
        (402, AccountEmpty),
        (403, BadCredentials),
        (408, Unavailable),
        (429, RateLimited),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_a_status_alone_means(status: int, kind: type[ProviderError]):
    assert type(error_from_status(httpx.Response(status))) is kind
    with pytest.raises(kind):
        called(httpx.Response(status))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Unavailable) for status in (408, 500, 502, 503, 504, 520, 521, 524)),
        (429, RateLimited),
        (400, Rejected),
    ],
)
def test_a_whole_answer_that_refuses_says_that_nothing_was_taken(
    status: int, kind: type[ProviderError]
):
    with pytest.raises(kind) as caught:
        called(httpx.Response(status), spends=True)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("broken", "spent", "asked"),
    [
        (httpx.ConnectError("no"), Unavailable, Unavailable),
        (httpx.ConnectTimeout("no"), Unavailable, Unavailable),
        (httpx.PoolTimeout("no"), Unavailable, Unavailable),
        (httpx.LocalProtocolError(f"Illegal header value {SECRET}"), Unavailable, Unavailable),
        (httpx.ReadTimeout("no"), Unclear, Unavailable),
        (httpx.WriteError("no"), Unclear, Unavailable),
        (httpx.RemoteProtocolError("no"), Unclear, Unavailable),
    ],
)
def test_a_broken_connection_is_unclear_only_where_something_may_have_been_taken(
    broken: Exception, spent: type[ProviderError], asked: type[ProviderError]
):
    with pytest.raises(spent) as caught:
        called(broken, spends=True)
    assert SECRET not in str(caught.value)
    with pytest.raises(asked):
        called(broken)


def test_a_base_url_that_is_none_took_nothing():
    with pytest.raises(Unavailable):
        called(httpx.Response(200), spends=True, base_url="https://exa mple:port")


class Breaking(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield b"{"
        raise httpx.ReadError("gone")


@pytest.mark.parametrize("status", [200, 400, 500, 502])
def test_a_body_that_breaks_off_is_a_lost_answer(status: int):
    with pytest.raises(Unclear):
        called(httpx.Response(status, stream=Breaking()), spends=True)
    with pytest.raises(Unavailable):
        called(httpx.Response(status, stream=Breaking()))


def test_an_answer_that_is_not_json():
    with pytest.raises(Unclear):
        called(httpx.Response(200, text=f"<p>{SECRET}"), spends=True)
    with pytest.raises(Garbled) as caught:
        called(httpx.Response(200, text=f"<p>{SECRET}"))
    assert caught.value.raw == {"body": "<p>***"}


def test_an_answer_nested_too_deep_is_not_json():
    with pytest.raises(Garbled):
        called(httpx.Response(200, text="[" * 100_000))


@given(
    st.recursive(
        st.none() | st.floats() | st.text() | st.just(f"a {SECRET} b") | st.just("\ud800"),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just(SECRET), inner),
    )
)
def test_a_scrubbed_answer_can_be_stored_anywhere(value: Any):
    text = json.dumps(adapter(None).scrub(value), allow_nan=False, ensure_ascii=False)
    assert text.encode()
    assert SECRET not in text
    assert "\\u0000" not in text.replace("\\\\", "")


def test_a_secret_too_short_to_be_one_does_not_eat_words():
    plain = Plain(credentials={"api_key": SECRET, "group": "a"})
    assert plain.scrub("a banana") == "a banana"


def test_a_secret_in_disguise_is_found():
    assert adapter(None).scrub(SECRET.replace("very", "ve\0ry")) == "***"


@given(st.integers() | st.floats() | st.text() | st.booleans() | st.none() | st.just([1]))
def test_a_cost_is_small_and_positive_or_nothing(value: Any):
    cost = sane_cost(value)
    assert cost is None or (cost.is_finite() and 0 <= cost <= 1_000_000)


@pytest.mark.parametrize(
    ("value", "cost"), [(0, "0"), (6, "6"), (0.1, "0.1"), ("12.5", "12.5"), (True, None)]
)
def test_a_cost_is_exact(value: Any, cost: str | None):
    assert sane_cost(value) == (None if cost is None else Decimal(cost))


async def downloaded(answer: Any, url: str) -> bytes:
    async with adapter(answer) as plain:
        return b"".join([piece async for piece in plain.download(url)])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(403), Garbled),
        (httpx.Response(404), Garbled),
        (httpx.Response(410), Garbled),
        (httpx.Response(429), Unavailable),
        (httpx.Response(502), Unavailable),
        (httpx.ConnectError("no"), Unavailable),
        (httpx.ReadTimeout("no"), Unavailable),
        (httpx.Response(200), Garbled),
        (httpx.Response(200, text="  <HTML>"), Garbled),
        (httpx.Response(200, json={"code": 404}), Garbled),
    ],
)
def test_a_download_that_fails_is_one_of_our_errors(answer: Any, kind: type[ProviderError]):
    with pytest.raises(kind):
        asyncio.run(downloaded(answer, "https://files.test/x.mp3"))


@pytest.mark.parametrize("url", ["http://10.0.0.1/x", "file:///etc/passwd", "https://[::1]/", "x"])
def test_a_link_to_a_private_place_is_garbled(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ALLOW_PRIVATE_NETWORKS", raising=False)
    with pytest.raises(Garbled):
        asyncio.run(downloaded(httpx.Response(200, content=b"ID3"), url))


def test_a_result_has_a_size_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("speechsite.providers.http.DOWNLOAD_LIMIT", 5)
    with pytest.raises(Garbled) as caught:
        asyncio.run(downloaded(httpx.Response(200, content=b"123456"), "https://files.test/x"))
    assert isinstance(caught.value.__cause__, safehttp.TooLarge)
