"""A slash at the end of a path changes nothing, in any dialect, and loses no body."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import get_resolver, resolve

from speechsite.api import urls
from speechsite.api.auth import Caller
from tests.api import asgi
from tests.test_urls import walk

HOLE = re.compile(r"<\w+:(\w+)>")
PLAIN = sorted({path for path, _ in walk(urls._usual) if not path.endswith("/")})


@pytest.mark.parametrize("path", PLAIN)
def test_every_path_leads_to_the_same_view_with_a_slash(path: str) -> None:
    asked = "/" + HOLE.sub(r"some-\1", path)
    without, slashed = resolve(asked), resolve(f"{asked}/")
    assert slashed.func is without.func
    assert slashed.kwargs == without.kwargs


def test_there_are_paths_of_every_dialect() -> None:
    for start in ("v1/voices", "v2/", "api/v1/jobs", "api/v1/gen", "minimax/", "v1/audio"):
        assert any(path.startswith(start) for path in PLAIN)
    assert get_resolver().resolve("/v1/models/")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb", {"text": "Hi."}),
        ("/api/v1/generations", {"model": "builtin-speech", "prompt": "Hi.", "params": {}}),
        ("/v1/audio/speech", {"model": "tts-1", "input": "Hi.", "voice": "alloy"}),
        ("/api/v1/jobs/createTask", {"model": "nothing", "input": {}}),
        ("/minimax/v1/t2a_v2", {"model": "speech-02-hd", "text": "Hi."}),
    ],
)
def test_the_body_of_a_post_arrives(
    path: str, body: dict[str, Any], trial: tuple[Caller, str]
) -> None:
    headers = {"Authorization": f"Bearer {trial[1]}"}
    plain = asgi.ask("POST", path, headers=headers, json=body)
    slashed = asgi.ask("POST", f"{path}/", headers=headers, json=body)
    assert slashed.status_code == plain.status_code
    assert slashed.headers["content-type"] == plain.headers["content-type"]
    assert slashed.status_code not in (301, 302, 307, 308, 404)
