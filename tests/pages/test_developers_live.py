"""The examples and the panel do what they promise, against the real site."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from speechsite.audio import probe
from speechsite.pages.developers import examples
from tests.running import EMAIL, PASSWORD, Site, Visitor

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
DIALECTS = [dialect[0] for dialect in examples.DIALECTS]
SAVES_SOUND = {"elevenlabs", "minimax", "openai"}
PACKAGES = {"elevenlabs": "elevenlabs", "openai": "openai"}
TRIES = ["Make speech", "List generations", "Credits", "Models", "Voices", "Subscription",
         "Create a task"]  # fmt: skip

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("developers")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("developers")) as running:
        running.open_account()
        yield running


@pytest.fixture(scope="module")
def programs(site: Site) -> dict[str, str]:
    """Every program by its id on the page, with a test key that the page made."""
    with Visitor(site) as visitor:
        visitor.sign_in()
        shown = visitor.http.get("/developers/examples/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', shown)
        assert token is not None
        answer = visitor.http.post(
            "/developers/examples/", data={"csrfmiddlewaretoken": token[1]}
        ).text
    found = re.findall(r'<code id="code-([a-z-]+)"[^>]*>(.*?)</code>', answer, re.DOTALL)
    return {name: html.unescape(code) for name, code in found}


def run(command: list[str], folder: Path, program: str = "") -> str:
    done = subprocess.run(
        command, cwd=folder, input=program, text=True, capture_output=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(dialect: str, said: str, folder: Path) -> None:
    """The program made sound, or named where the sound is."""
    if dialect in SAVES_SOUND:
        assert probe.probe((folder / "speech.mp3").read_bytes()).duration_ms > 500
    else:
        assert "http" in said


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("dialect", DIALECTS)
def test_curl_examples_work(programs: dict[str, str], dialect: str, tmp_path: Path) -> None:
    said = run(["bash", "-e"], tmp_path, programs[f"{dialect}-curl"])
    if dialect in ("elevenlabs", "openai"):
        check(dialect, said, tmp_path)
    else:
        good = {"native": '"succeeded"', "kie": '"taskId"', "minimax": '"status_code": 0'}
        assert good[dialect].replace(" ", "") in said.replace(" ", "")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_python_examples_work(programs: dict[str, str], dialect: str, tmp_path: Path) -> None:
    if find_spec(PACKAGES.get(dialect, "httpx")) is None:
        pytest.skip("its SDK is not installed")
    check(dialect, run([sys.executable, "-"], tmp_path, programs[f"{dialect}-python"]), tmp_path)


@pytest.mark.node
@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
@pytest.mark.parametrize("dialect", ["native", "kie", "minimax"])
def test_node_examples_work(programs: dict[str, str], dialect: str, tmp_path: Path) -> None:
    command = ["node", "--input-type=module", "-"]
    check(dialect, run(command, tmp_path, programs[f"{dialect}-node"]), tmp_path)


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Page]:
    """A browser that is signed in and has made itself a test key."""
    if not Path(CHROMIUM).exists():
        pytest.skip("needs Debian's chromium package")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = chromium.new_page()
        page.goto(f"{site.url}/account/login/")
        page.fill("input[name=login]", EMAIL)
        page.fill("input[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/studio/**")
        page.goto(f"{site.url}/developers/examples/")
        page.click("text=Make a test key")
        page.wait_for_selector("#secret")
        yield page
        chromium.close()


@pytest.mark.browser
def test_the_key_that_was_made_is_at_hand(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/developers/examples/")
    key = page.input_value("#test-key")
    assert key.startswith("sps_test_")
    assert key in (page.text_content("#code-elevenlabs-python") or "")
    page.fill("#test-key", "")
    expect(page.locator("#code-native-curl")).to_contain_text(examples.PLACEHOLDER)
    page.fill("#test-key", key)


@pytest.mark.browser
@pytest.mark.parametrize("title", TRIES)
def test_each_request_shows_its_answer(page: Page, site: Site, title: str) -> None:
    page.goto(f"{site.url}/developers/try/")
    page.select_option("#attempt-preset", index=_place_of(page, title))
    page.click("#attempt-send")
    expect(page.locator("#answer-status .badge")).to_contain_text(re.compile("^20[01]"))
    expect(page.locator("#answer-body")).to_contain_text("{")
    expect(page.locator("#answer-headers code")).to_contain_text("content-type")


@pytest.mark.browser
@pytest.mark.parametrize("dialect", ["ElevenLabs", "OpenAI"])
def test_sound_can_be_heard(page: Page, site: Site, dialect: str) -> None:
    page.goto(f"{site.url}/developers/try/")
    option = page.locator(f'optgroup[label="{dialect}"] option').first
    page.select_option("#attempt-preset", label=option.text_content())
    page.click("#attempt-send")
    expect(page.locator("#answer-audio")).to_be_visible(timeout=20_000)
    expect(page.locator("#answer-note")).to_contain_text("audio/mpeg")
    page.wait_for_function("document.querySelector('#answer-audio').duration > 0.5")


@pytest.mark.browser
@pytest.mark.parametrize("title", ["Make speech · POST /api/v1/generations", "Create a task"])
def test_work_under_way_is_followed_and_heard(page: Page, site: Site, title: str) -> None:
    page.goto(f"{site.url}/developers/try/")
    page.select_option("#attempt-preset", index=_place_of(page, title))
    page.click("#attempt-send")
    page.click("#answer-follow")
    expect(page.locator("#answer-note")).to_contain_text("It is over", timeout=30_000)
    expect(page.locator("#answer-audio")).to_be_visible()
    page.wait_for_function("document.querySelector('#answer-audio').duration > 0.5")
    expect(page.locator("#answer-following")).to_be_hidden()
    page.select_option("#attempt-preset", index=_place_of(page, "Credits"))
    page.click("#attempt-send")
    expect(page.locator("#answer-audio")).to_be_hidden()


@pytest.mark.browser
def test_a_key_made_there_is_filled_in_there(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/developers/try/")
    before = page.input_value("#test-key")
    page.click("text=Make a test key")
    page.wait_for_selector("#secret")
    assert page.url == f"{site.url}/developers/try/"
    made = page.input_value("#test-key")
    assert made == page.inner_text("#secret") != before
    page.select_option("#attempt-preset", index=_place_of(page, "Credits"))
    page.click("#attempt-send")
    expect(page.locator("#answer-status .badge")).to_contain_text("200")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("key", "path", "said"),
    [
        ("sps_live_" + "a" * 51, "/api/v1/credits", "Enter a test key"),
        ("", "/api/v1/credits", "Enter a test key"),
        (None, "https://elsewhere.example.com/", "stays on this site"),
        (None, "//elsewhere.example.com/", "stays on this site"),
    ],
)
def test_nothing_is_sent_with_a_live_key_or_to_another_site(
    page: Page, site: Site, key: str | None, path: str, said: str
) -> None:
    page.goto(f"{site.url}/developers/try/")
    before = page.input_value("#test-key")
    if key is not None:
        page.fill("#test-key", key)
    page.fill("#attempt-path", path)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.click("#attempt-send")
    expect(page.locator("#answer-note")).to_contain_text(said)
    assert asked == []
    page.fill("#test-key", before)


def _place_of(page: Page, title: str) -> int:
    titles = page.locator("#attempt-preset option").all_text_contents()
    return next(place for place, text in enumerate(titles) if text.startswith(title))
