"""Paths that nobody serves, and our own mistakes: programs are told in JSON, people on a page."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.test import Client

from tests.api import asgi

PATHS = [
    "/v1/nothing",
    "/v2/nothing",
    "/api/v1/nothing",
    "/minimax/v1/nothing",
    "/api/file-nothing",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_program_is_told_in_json_that_a_path_does_not_exist(path: str) -> None:
    answer = asgi.ask("GET", path)
    assert answer.status_code == 404
    assert path in answer.text
    assert isinstance(answer.json(), dict)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/v1/nothing", ("detail", "status")),
        ("/v1/nothing", ("error", "code")),
        ("/api/v1/nothing", ("error", "code")),
        ("/api/v1/nothing", ("msg",)),
        ("/minimax/v1/nothing", ("base_resp", "status_msg")),
    ],
)
def test_each_dialect_finds_its_own_words(path: str, place: tuple[str, ...]) -> None:
    found: Any = asgi.ask("GET", path).json()
    for name in place:
        found = found[name]
    assert found


def test_people_get_a_page(client: Client, db: None) -> None:
    answer = client.get("/nothing/")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("path", ["/v1/models", "/api/v1/credits", "/minimax/v1/get_voice"])
@pytest.mark.django_db(transaction=True)
def test_our_own_mistake_is_told_in_json(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("speechsite.api.auth.caller_of_secret", breaks)
    method = "POST" if path.startswith("/minimax") else "GET"
    with caplog.at_level(logging.CRITICAL):
        answer = asgi.ask(method, path, "sps_live_x", json={} if method == "POST" else None)
    assert answer.status_code == 500
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "a secret detail" not in answer.text
