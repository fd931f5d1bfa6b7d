"""Request ids and the access log, in both ways that Django runs a request."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import get_resolver
from django.utils.functional import SimpleLazyObject
from django.utils.log import log_response
from pythonjsonlogger.json import JsonFormatter

from speechsite.core.requestid import RequestIdFilter, RequestIdMiddleware, current, shown, user_id


def answer(request: HttpRequest) -> HttpResponse:
    logging.getLogger("speechsite.test").warning("at work")
    return HttpResponse("hello")


def run(request: HttpRequest, view: Any = answer) -> HttpResponseBase:
    response = RequestIdMiddleware(view)(request)
    assert isinstance(response, HttpResponseBase)
    return response


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "speechsite.access"]


@pytest.fixture(autouse=True)
def _hear_everything(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG, logger="speechsite.access")
    # Closing a response also looks after database connections, which are none of ours here.
    request_finished.disconnect(close_old_connections)
    yield
    request_finished.connect(close_old_connections)


def test_each_request_gets_an_id_of_its_own(rf: RequestFactory) -> None:
    first, second = (run(rf.get("/"))["X-Request-ID"] for _ in range(2))
    assert first != second


def test_a_well_formed_id_of_the_proxy_is_kept(rf: RequestFactory) -> None:
    assert run(rf.get("/", headers={"X-Request-ID": "abc-12345678"}))["X-Request-ID"] == (
        "abc-12345678"
    )


@pytest.mark.parametrize("given", ["short", "x" * 65, "with blank inside", "line\nbreak-here"])
def test_any_other_id_is_replaced(rf: RequestFactory, given: str) -> None:
    assert run(rf.get("/", headers={"X-Request-ID": given}))["X-Request-ID"] != given


def test_lines_written_meanwhile_bear_the_id(
    rf: RequestFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.addFilter(RequestIdFilter())
    response = run(rf.get("/"))
    assert caplog.records[0].request_id == response["X-Request-ID"]  # type: ignore[attr-defined]


def test_the_line_comes_when_the_answer_is_out(
    rf: RequestFactory, caplog: pytest.LogCaptureFixture
) -> None:
    response = run(rf.post("/studio/"))
    assert lines(caplog) == []
    response.close()
    (line,) = lines(caplog)
    assert (line.method, line.path, line.status) == ("POST", "/studio/", 200)  # type: ignore[attr-defined]
    assert line.request_id == response["X-Request-ID"]  # type: ignore[attr-defined]


def test_a_streamed_answer_is_logged_once_after_its_last_byte(
    rf: RequestFactory, caplog: pytest.LogCaptureFixture
) -> None:
    response = run(rf.get("/"), lambda request: StreamingHttpResponse([b"a", b"b"]))
    assert b"".join(response) == b"ab"  # type: ignore[arg-type]
    assert lines(caplog) == []
    response.close()
    assert len(lines(caplog)) == 1


def test_an_async_chain_is_served_alike(
    rf: RequestFactory, caplog: pytest.LogCaptureFixture
) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return HttpResponse(current.get())

    async def both() -> list[HttpResponse]:
        middleware: Any = RequestIdMiddleware(view)  # type: ignore[arg-type]
        return await asyncio.gather(*(middleware(rf.get("/")) for _ in range(2)))

    for response in asyncio.run(both()):
        assert response.content.decode() == response["X-Request-ID"]
        response.close()
    assert len(lines(caplog)) == 2


@pytest.mark.parametrize("path", ["/healthz", "/static/site.css"])
def test_what_machines_ask_all_day_is_not_worth_a_line(
    rf: RequestFactory, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    run(rf.get(path)).close()
    assert [line.levelname for line in lines(caplog)] == ["DEBUG"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/files/abc.def:ghi/speech.mp3", "/files/…/speech.mp3"),
        ("/hooks/kie/a-token/", "/hooks/kie/…/"),
        ("/account/password/reset/key/1-set/", "/account/password/reset/key/…/"),
        ("/api/v1/file-content/a:b/s.mp3", "/api/v1/file-content/…/s.mp3"),
        ("/api/file-download/a:b/s.mp3", "/api/file-download/…/s.mp3"),
        ("/minimax/v1/files/download/a:b/s.mp3", "/minimax/v1/files/download/…/s.mp3"),
        ("/minimax/v1/subtitles/a:b", "/minimax/v1/subtitles/…"),
        ("/a%0Ab", "/a%0Ab"),
    ],
)
def test_a_path_cannot_betray_a_secret_or_forge_a_line(
    rf: RequestFactory, caplog: pytest.LogCaptureFixture, path: str, shown: str
) -> None:
    run(rf.get(path)).close()
    assert lines(caplog)[0].path == shown  # type: ignore[attr-defined]


def _addresses(patterns: Any, before: str = "/") -> Iterator[str]:
    """Every address of the site as it is written down, with names for its parts."""
    for pattern in patterns:
        whole = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _addresses(pattern.url_patterns, whole)
        else:
            yield whole


def test_every_secret_in_an_address_of_the_site_is_masked() -> None:
    names = re.compile(
        r"<(?:\w+:)?(signed|token|key|uidb36)>|\(\?P<(key|uidb36)>[^)]*\)(?:-\(\?P<key>.+\))?"
    )
    found = [one for one in _addresses(get_resolver().url_patterns) if names.search(one)]
    assert len(found) >= 7
    for address in found:
        path = re.sub(r"<[^>]+>", "part", names.sub("SECRET", address)).replace("^", "")
        assert "SECRET" not in shown(path), path


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_broken_request_does_not_betray_its_secret_either(
    rf: RequestFactory, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    formatter = JsonFormatter("%(message)s") if kind == "json" else logging.Formatter("%(message)s")
    caplog.handler.addFilter(RequestIdFilter())
    request = rf.get("/files/abc.def:ghi/speech.mp3")
    log_response(
        "%s: %s", "Broken", request.path, request=request, response=HttpResponse(status=500)
    )
    assert "abc.def" not in formatter.format(caplog.records[-1])
    assert "speech.mp3" in formatter.format(caplog.records[-1])


def test_a_user_nobody_asked_for_is_not_looked_up(rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = SimpleLazyObject(lambda: pytest.fail("asked the database"))
    assert user_id(request) is None


def test_a_known_user_is_named_by_number(rf: RequestFactory) -> None:
    request = rf.get("/")
    request._cached_user = type("User", (), {"pk": 7})()  # type: ignore[attr-defined]
    assert user_id(request) == 7


def test_a_stranger_has_no_number(rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = AnonymousUser()
    assert user_id(request) is None
