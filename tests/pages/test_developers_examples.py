"""The examples to copy, the key that is filled in, and the requests to try."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import resolve

from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey, User
from speechsite.pages.developers import attempts, examples

SECRET = re.compile(r"sps_(?:live|test)_[0-9a-z]{8}[\w-]{43}")
SITE = "https://speech.example.com"
PAIRS = [(dialect[0], language) for dialect in examples.DIALECTS for language in examples.LANGUAGES]


@pytest.fixture
def snippets(
    ada: User, catalogue: None, rf: RequestFactory, settings: Any
) -> dict[tuple[str, str], str]:
    """Every program by dialect and language."""
    settings.SITE_URL = SITE
    found = examples.dialects(rf.get("/"), ada, "sps_test_key")
    return {(one.slug, each.language): each.code for one in found for each in one.snippets}


@pytest.mark.parametrize("pair", PAIRS)
def test_every_program_has_this_sites_address_and_the_key(
    snippets: dict[tuple[str, str], str], pair: tuple[str, str]
) -> None:
    code = snippets[pair]
    assert SITE in code
    assert "sps_test_key" in code
    assert "{{" not in code.replace("{{}}", "")


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[1] == "python"])
def test_python_programs_can_be_read_by_python(
    snippets: dict[tuple[str, str], str], pair: tuple[str, str]
) -> None:
    compile(snippets[pair], "example.py", "exec")


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[1] == "curl"])
def test_curl_programs_can_be_read_by_a_shell_and_send_json(
    snippets: dict[tuple[str, str], str], pair: tuple[str, str]
) -> None:
    subprocess.run(["bash", "-n"], input=snippets[pair], text=True, check=True)
    body = re.search(r"-d '(.+?)'", snippets[pair], re.DOTALL)
    assert body is not None
    assert isinstance(json.loads(body[1]), dict)


@pytest.mark.node
@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[1] == "node"])
def test_node_programs_can_be_read_by_node(
    snippets: dict[tuple[str, str], str], pair: tuple[str, str]
) -> None:
    command = ["node", "--check", "--input-type=module", "-"]
    subprocess.run(command, input=snippets[pair], text=True, check=True, timeout=30)


def test_the_page_shows_every_program_with_a_place_for_the_key(page: Client) -> None:
    answer = page.get("/developers/examples/")
    html = answer.content.decode()
    assert html.count("<pre") == len(PAIRS)
    assert html.count(examples.PLACEHOLDER) >= len(PAIRS)
    assert "http://testserver/api/v1" in html
    assert SECRET.search(html) is None
    # The page's own list of programming languages must not stand in for the site's languages.
    assert answer.context["languages"] == settings.LANGUAGES


def test_a_test_key_is_made_and_filled_in_once(page: Client) -> None:
    told = {"ticket": "one"}
    answer = page.post("/developers/examples/", told)
    (secret,) = set(SECRET.findall(answer.content.decode()))
    key = keys.find_key(secret)
    assert key is not None
    assert key.mode == ApiKey.Mode.TEST
    assert answer.content.decode().count(secret) > len(PAIRS)
    assert "no-store" in answer["Cache-Control"]
    again = page.post("/developers/examples/", told).content.decode()
    assert SECRET.search(again) is None
    assert ApiKey.objects.count() == 1


def test_there_is_an_end_to_test_keys_too(
    page: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechsite.pages.developers.examples.MOST_KEYS", 1)
    keys.issue_key(ada)
    assert "too many keys" in page.post("/developers/examples/").content.decode()
    assert ApiKey.objects.count() == 1


def test_a_key_to_try_with_is_made_where_one_is(page: Client) -> None:
    html = page.get("/developers/try/").content.decode()
    assert 'method="post" action="/developers/try/"' in html
    told = {"ticket": "one"}
    answer = page.post("/developers/try/", told)
    assert SECRET.search(answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    assert 'id="test-key"' in answer.content.decode()
    assert SECRET.search(page.post("/developers/try/", told).content.decode()) is None
    assert ApiKey.objects.count() == 1


def test_requests_to_try_belong_to_this_site(ada: User, catalogue: None) -> None:
    for one in attempts.ready_made(examples.names_for(ada), examples.TEXT):
        assert resolve(one.path)
        assert not one.body or json.loads(one.body)


def test_the_page_to_try_has_every_request(page: Client) -> None:
    html = page.get("/developers/try/").content.decode()
    assert html.count("data-path=") == 11
    assert "needs JavaScript" in html
    assert SECRET.search(html) is None


@pytest.mark.parametrize("path", ["examples/", "try/"])
def test_a_stranger_is_asked_to_sign_in(client: Client, db: None, path: str) -> None:
    answer = client.get(f"/developers/{path}")
    assert answer["Location"].startswith("/account/login/")


def test_the_menu_and_the_header_lead_here(page: Client) -> None:
    assert page.get("/studio/").content.decode().count('href="/developers/"') == 2
