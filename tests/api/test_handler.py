"""What partners' requests go through, on the site's own ASGI application."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from django.http import HttpResponse

from speechsite.api import handler
from tests.api.asgi import ask, transport

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "path", ["/v1/models", "/api/v1/models", "/minimax/v1/get_voice", "/api/file-url-upload"]
)
def test_an_answer_has_its_length_its_id_and_no_cookie(path: str) -> None:
    assert handler.is_for_partners(path)
    answer = ask("GET", path)
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/api/docs/", "/", "/accounts/login/", "/hooks/kie/x/"])
def test_pages_go_through_all_of_the_portals_middleware(path: str) -> None:
    assert not handler.is_for_partners(path)
    assert "content-security-policy" in ask("GET", path).headers


@pytest.mark.parametrize("path", ["/v1/nothing", "/api/v1/nothing", "/minimax/v1/nothing"])
def test_a_path_that_is_not_there_is_not_found(path: str) -> None:
    assert ask("GET", path).status_code == 404


def test_plain_http_is_sent_to_https_where_that_is_asked_for(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = asyncio.run(_with(handler.PartnerHandler(), "/v1/models"))
    assert answer[0]["status"] == 301
    assert (b"Location", b"https://testserver/v1/models") in answer[0]["headers"]


def test_who_hangs_up_ends_the_work_on_an_answer() -> None:
    partners = handler.PartnerHandler()
    ended: list[str] = []

    async def never(request: Any) -> Any:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("canceled")
            raise

    partners.get_response_async = never
    assert asyncio.run(_with(partners, "/v1/models", hangs_up=True)) == []
    assert ended == ["canceled"]


def test_the_site_keeps_its_own_list_of_middleware(settings: Any) -> None:
    handler.PartnerHandler()
    assert "django.contrib.sessions.middleware.SessionMiddleware" in settings.MIDDLEWARE
    assert transport() is not None


async def _with(partners: Any, path: str, *, hangs_up: bool = False) -> list[dict[str, Any]]:
    """What the handler sends for a GET of a path."""
    sent: list[dict[str, Any]] = []
    asked = [{"type": "http.request", "body": b""}]

    async def receive() -> dict[str, Any]:
        if asked:
            return asked.pop()
        await asyncio.sleep(0.1 if hangs_up else 60)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
    }
    await partners(scope, receive, send)
    return sent


def noted(response: HttpResponse, statuses: list[int]) -> HttpResponse:
    """An answer that knows whom to tell when it is closed, who knows the answer."""
    response._resource_closers.append(lambda: statuses.append(response.status_code))
    return response


def test_an_answer_is_gone_as_soon_as_it_is_closed() -> None:
    statuses: list[int] = []
    response = noted(HttpResponse(b"sound"), statuses)
    gone = weakref.ref(response)
    gc.disable()
    try:
        handler._close(response)
        del response
        assert statuses == [200]
        assert gone() is None
    finally:
        gc.enable()
