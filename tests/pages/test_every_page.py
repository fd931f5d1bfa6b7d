"""What holds for every page: nothing foreign, nothing inline, words where errors are."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.staticfiles import finders
from django.template.loader import get_template
from django.test import Client

from tests.pages import layout

SIGNED_OUT = ["/", "/account/login/", "/account/signup/", "/account/password/reset/", "/shortcuts/"]
SIGNED_IN = layout.INSIDE
FOREIGN = re.compile(r"""(?:src|href|action|data|poster)=["'](?:https?:)?//""")
# Data for a script is not a script.
INLINE = re.compile(
    r"""<script(?![^>]*(?:\bsrc=|type="application/json"))[^>]*>|<style|\sstyle=|\son[a-z]+=""",
    re.IGNORECASE,
)
BUDGET = 32 * 1024  # bytes of script on one page, packed as they are sent


def _check(html: str) -> None:
    assert not FOREIGN.search(html), FOREIGN.search(html)
    assert not INLINE.search(html), INLINE.search(html)
    assert html.count("<h1") == 1
    assert 'lang="' in html
    assert 'id="main"' in html


@pytest.mark.parametrize("path", SIGNED_OUT)
def test_pages_for_visitors(client: Client, catalogue: None, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    _check(answer.content.decode())
    assert "default-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("path", SIGNED_IN)
def test_pages_for_people(page: Client, finished: Any, path: str) -> None:
    finished()
    answer = page.get(path)
    assert answer.status_code == 200
    _check(answer.content.decode())
    assert "default-src 'self'" in answer["Content-Security-Policy"]


def test_job_pages(page: Client, place: Any, finished: Any) -> None:
    for job in (place(), finished()):
        _check(page.get(f"/jobs/{job.pk}/").content.decode())


def test_no_label_lacks_its_control(page: Client) -> None:
    for path in SIGNED_IN:
        html = page.get(path).content.decode()
        ids = set(re.findall(r'\bid="([^"]+)"', html))
        assert set(re.findall(r'<label[^>]*\bfor="([^"]+)"', html)) <= ids


def test_signed_in_people_start_in_the_studio(page: Client) -> None:
    assert page.get("/")["Location"] == "/studio/"


def test_a_missing_page_says_so_in_our_frame(client: Client, db: None) -> None:
    answer = client.get("/no/such/page/")
    assert answer.status_code == 404
    _check(answer.content.decode())


def test_a_form_without_its_token_is_explained(ada: Any, catalogue: None) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    answer = strict.post("/studio/", {"text": "Hello."})
    assert answer.status_code == 403
    assert "open for too long" in answer.content.decode()


@pytest.mark.parametrize("name", ["400", "403", "404", "500", "503", "403_csrf", "429"])
def test_error_pages_need_no_context(name: str) -> None:
    html = get_template(f"{name}.html").render()
    assert "Speechsite" in html
    assert not FOREIGN.search(html)


def test_the_price_list_names_only_what_is_on_offer(client: Client, catalogue: None) -> None:
    html = client.get("/").content.decode()
    assert "Natural voices" in html
    assert "Basic voices" in html
    assert "MiniMax" not in html


def test_no_page_loads_more_script_than_its_budget(page: Client, place: Any, finished: Any) -> None:
    jobs = [f"/jobs/{job.pk}/" for job in (place(), finished())]
    for path in [*SIGNED_OUT, *SIGNED_IN, *jobs]:
        html = page.get(path, follow=True).content.decode()
        names = re.findall(r'<script[^>]*\ssrc="/static/([^"]+)"', html)
        assert names, path
        files = [Path(str(finders.find(name))) for name in names]
        assert sum(len(gzip.compress(file.read_bytes())) for file in files) <= BUDGET, path


def test_our_scripts_name_no_other_site() -> None:
    for script in sorted((Path(site.BASE_DIR) / "static" / "js").glob("*.js")):
        text = script.read_text()
        assert "http://" not in text
        assert "https://" not in text
        assert "eval(" not in text


def test_stylesheets_load_nothing_from_elsewhere() -> None:
    for sheet in (Path(site.BASE_DIR) / "static" / "css").glob("*.css"):
        text = sheet.read_text()
        assert "@import" not in text
        assert "url(" not in text
