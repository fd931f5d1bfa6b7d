"""The OpenAPI document: its snapshot, its page, and that we keep to it."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from speechsite.api.auth import Caller
from speechsite.api.native import document
from tests.api.native.talk import Partner

SNAPSHOT = Path(__file__).parent / "schema.json"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# What the built-in model understands.
KNOWN = ("speed", "pitch", "timestamps", "previous_text", "language_code", "output_format")
OPERATIONS = [
    (method.upper(), path)
    for path, item in document.document()["paths"].items()
    for method in document.METHODS
    if method in item
]


def test_the_document_is_the_one_we_reviewed() -> None:
    """To accept a change: ACCEPT=1 pytest tests/api/native/test_schema.py"""
    if os.environ.get("ACCEPT"):
        SNAPSHOT.write_text(written())
    assert written() == SNAPSHOT.read_text()


def test_every_operation_has_a_short_summary_of_its_own(client: Client, db: None) -> None:
    said = [
        item[method]["summary"]
        for item in document.document()["paths"].values()
        for method in document.METHODS
        if method in item
    ]
    assert len(set(said)) == len(OPERATIONS)
    assert all(0 < len(one) <= 50 and not one.endswith(".") for one in said)
    page = client.get("/api/docs/").text
    assert all(f">{one}</span></summary>" in page for one in said)


def test_the_document_names_this_site_as_its_server(client: Client, db: None) -> None:
    body = client.get("/api/schema/").json()
    assert (body["openapi"], body["servers"]) == ("3.1.1", [{"url": "http://testserver"}])


def test_the_page_shows_every_operation_and_no_other_host(client: Client, db: None) -> None:
    page = client.get("/api/docs/").content.decode()
    for method, path in OPERATIONS:
        assert f"<b>{method}</b> {path}</code>" in page
    assert "https://" not in page
    links = [part.partition('"')[0] for part in page.split('href="#shape-')[1:]]
    assert set(links) <= {part.partition('"')[0] for part in page.split('id="shape-')[1:]}


@pytest.fixture
def same_connection(db: None) -> Iterator[Callable[[], None]]:
    """Keeps requests from closing the connection that the test's transaction is on."""

    def keep() -> None:
        for signal in (request_started, request_finished):
            signal.disconnect(close_old_connections)

    yield keep
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_whatever_is_sent_is_answered_as_documented(
    live: tuple[Caller, str],
    same_connection: Callable[[], None],
    method: str,
    path: str,
    mode: GenerationMode,
) -> None:
    schema = schemathesis.openapi.from_dict(document.document())
    schema.app = WSGIHandler()
    operation = schema[path][method]
    known = names_of_rows(live[1])
    same_connection()
    numbers = itertools.count()

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Any) -> None:
        # Every other case meets what is really there.
        if next(numbers) % 2:
            make_real(case, known)
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {live[1]}"}
        # Waiting is tested elsewhere, on a clock.
        case.headers.pop("Prefer", None)
        # The other place for a key: a made-up one there would hide all that is behind it.
        case.headers.pop("xi-api-key", None)
        # Its client in process asks for compressed answers and cannot read them.
        case.headers["Accept-Encoding"] = "identity"
        case.call_and_validate(checks=CHECKS)

    try:
        run()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE


def names_of_rows(secret: str) -> dict[str, str]:
    """The ids of a generation and a file that are there."""
    partner = Partner(secret)
    return {
        "task_id": partner.order().json()["id"],
        "file_id": partner.upload().json()["id"],
    }


def make_real(case: Any, known: dict[str, str]) -> None:
    """Put names that exist where the case has made some up."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = known.get(name, case.path_parameters[name])
    if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
        case.body |= {"model": "builtin-speech", "prompt": "Hello there."}
        given = case.body.get("params")
        kept = (
            {name: given[name] for name in KNOWN if name in given}
            if isinstance(given, dict)
            else {}
        )
        case.body["params"] = {**kept, "voice": "en-us"}


def written() -> str:
    """The document as the snapshot keeps it."""
    return json.dumps(document.document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
