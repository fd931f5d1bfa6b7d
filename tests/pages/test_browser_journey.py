"""The main path in a real browser: sign up, Generate, hear, find it again.

With JavaScript, by keyboard alone, and without JavaScript.
"""

from __future__ import annotations

import itertools
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.audio.sounds import sine
from tests.pages import layout
from tests.running import Site

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ENGLISH = "The first sound of a new house is somebody reading aloud. " * 3
LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk" * 4
CHINESE = "你好，世界。今天天气很好，我们一起去公园散步吧。" * 4
NUMBERS = itertools.count(1)
PHONE: ViewportSize = {"width": 320, "height": 640}
PASSWORD = "a-long-enough-pass-phrase"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium package"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


class Visit:
    """One person's browser, which remembers what went wrong in it."""

    def __init__(self, context: BrowserContext, site: Site, email: str) -> None:
        self.context, self.site, self.email = context, site, email
        self.page: Page = context.new_page()
        self.troubles: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", self._asked)

    def _heard(self, message: Any) -> None:
        # A form that is answered with its errors is no trouble, though Chromium logs it.
        if message.type == "error" and "422" not in message.text:
            self.troubles.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.site.url, "data:", "blob:")):
            self.foreign.append(request.url)

    def sign_up(self) -> None:
        self.page.goto(f"{self.site.url}/account/signup/")
        self.page.fill("input[name=email]", self.email)
        self.page.fill("input[name=password1]", PASSWORD)
        self.page.click("form[action*=signup] button:not([type=button])")
        self.page.wait_for_url("**/studio/**")

    def balance(self) -> str:
        self.page.goto(f"{self.site.url}/wallet/")
        return self.page.inner_text("main")


@pytest.fixture
def visit(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Visit]:
    options = getattr(request, "param", {})
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    made = Visit(context, site, f"visitor-{next(NUMBERS)}@example.com")
    yield made
    context.close()
    assert made.foreign == []
    assert made.troubles == []


def wait_until_done(page: Page) -> None:
    expect(page.locator("#job-status")).to_contain_text("Done", timeout=30_000)
    # The player follows: an element without a source promises to play, and never does.
    page.wait_for_selector("audio[src]", state="attached")


def test_a_voice_that_cannot_read_the_text_is_noticed(visit: Visit) -> None:
    visit.sign_up()
    page, hint = visit.page, visit.page.locator("#language-hint")
    page.fill("#id_text", "A text in English.")
    expect(hint).to_be_hidden()
    page.fill("#id_text", CHINESE)
    expect(hint).to_contain_text("Chinese")
    hint.locator("button").click()
    page.locator("#voice-list label", has_text="Chinese").nth(0).click()
    expect(hint).to_be_hidden()
    page.fill("#id_text", "안녕하세요. 오늘은 날씨가 좋습니다.")
    expect(hint).to_contain_text("Korean")
    page.fill("#id_text", "")
    expect(hint).to_be_hidden()


@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_a_stranger_hears_a_text_and_finds_it_again(visit: Visit, text: str) -> None:
    visit.sign_up()
    page = visit.page
    expect(page.locator("header")).to_contain_text("1,000")
    page.fill("#id_text", text[: len(text) // 2])
    half = page.inner_text("#cost")
    page.fill("#id_text", text)
    expect(page.locator("#cost")).not_to_have_text(half)
    price = page.inner_text("#cost")
    assert price == f"{len(text) / 1000:.3f}".rstrip("0")
    page.click("#generate")
    page.wait_for_url("**/jobs/**")
    page.evaluate("window.hasNotReloaded = true")
    wait_until_done(page)
    assert page.evaluate("window.hasNotReloaded")
    heard = page.evaluate(
        """async () => {
            const audio = document.querySelector('audio');
            audio.muted = true;
            const late = new Promise((_, no) => setTimeout(() => no("it does not play"), 20_000));
            await Promise.race([audio.play(), late]);
            await new Promise(done => setTimeout(done, 700));
            audio.pause();
            return [audio.currentTime, audio.duration, audio.error];
        }"""
    )
    assert heard[0] > 0.2
    assert heard[1] > 3
    assert heard[2] is None
    with page.expect_download() as download:
        page.click("a[download], a:has-text('MP3')")
    assert download.value.suggested_filename.endswith(".mp3")
    captions = page.get_by_role("link", name="SRT").get_attribute("href")
    assert "-->" in visit.context.request.get(visit.site.url + (captions or "")).text()
    page.goto(f"{visit.site.url}/history/")
    expect(page.locator("main")).to_contain_text(text[:20].strip())
    assert f"−{price}" in visit.balance()


def test_the_spoken_word_is_lit_and_a_click_seeks(visit: Visit) -> None:
    visit.sign_up()
    page = visit.page
    page.fill("#id_text", ENGLISH)
    page.click("#generate")
    page.wait_for_url("**/jobs/**")
    wait_until_done(page)
    words = page.locator("#transcript [data-start], #transcript [data-ms], #transcript .word")
    expect(words.first).to_be_visible(timeout=10_000)
    words.nth(12).click()
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('audio').currentTime") > 0.8


def test_the_keyboard_alone_is_enough(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.site.url}/account/signup/")
    page.locator("input[name=email]").focus()
    page.keyboard.type(visit.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/studio/**")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "id_text":
            break
    page.keyboard.type("No mouse was moved to make this sound.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/jobs/**")
    wait_until_done(page)
    page.evaluate("document.querySelector('audio').muted = true")
    page.keyboard.press("k")
    page.wait_for_function("!document.querySelector('audio').paused", timeout=5000)


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True)
def test_everything_works_without_javascript(visit: Visit) -> None:
    visit.sign_up()
    page = visit.page
    page.fill("#id_text", "Plain forms have always worked.")
    page.get_by_role("button", name="Work out the price").click()
    page.click("#generate")
    page.wait_for_url("**/jobs/**")
    for _ in range(20):
        if "Done" in page.inner_text("#job-status"):
            break
        page.wait_for_timeout(500)
        page.reload()
    wait_until_done(page)
    source = page.locator("audio source, audio").first.get_attribute("src")
    sound = visit.context.request.get(
        visit.site.url + (source or ""), headers={"Range": "bytes=0-99"}
    )
    assert (sound.status, len(sound.body())) == (206, 100)
    page.goto(f"{visit.site.url}/history/")
    expect(page.locator("main")).to_contain_text("Plain forms")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Three seconds of a tone, as a wave file."""
    path = tmp_path / "At the station.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(sine(3, 16_000).tobytes())
    return path


def test_a_recording_is_cleaned_and_compared(visit: Visit, recording: Path) -> None:
    visit.sign_up()
    page = visit.page
    page.goto(f"{visit.site.url}/cleanup/")
    page.set_input_files("#id_file", recording)
    expect(page.locator("#cost")).to_have_text("0.03")
    page.click("#clean")
    page.wait_for_url("**/jobs/**")
    expect(page.locator(".compare-player")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Before").click()
    before, after = page.locator("[data-track=before]"), page.locator("[data-track=after]")
    assert before.evaluate("audio => audio.muted") is False
    assert after.evaluate("audio => audio.muted") is True
    seek = "bar => { bar.value = 2000; bar.dispatchEvent(new Event('input', {bubbles: true})); }"
    page.locator(".player-seek").evaluate(seek)
    places = [track.evaluate("audio => audio.currentTime") for track in (before, after)]
    assert places == pytest.approx([2, 2], abs=0.05)
    assert "−0.03" in visit.balance()


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True)
def test_a_recording_is_cleaned_without_javascript(visit: Visit, recording: Path) -> None:
    visit.sign_up()
    page = visit.page
    page.goto(f"{visit.site.url}/cleanup/")
    page.set_input_files("#id_file", recording)
    page.get_by_role("button", name="Upload and see the price").click()
    expect(page.locator("#cost")).to_have_text("0.03")
    page.click("#clean")
    page.wait_for_url("**/jobs/**")
    for _ in range(20):
        if "Done" in page.inner_text("#job-status"):
            break
        page.wait_for_timeout(500)
        page.reload()
    wait_until_done(page)
    assert page.locator("audio").count() == 2


def test_nothing_typed_is_lost_on_an_error(visit: Visit) -> None:
    visit.sign_up()
    page = visit.page
    page.fill("#id_text", "🎉🎉🎉")
    page.fill("input[name=title]", "A title to keep")
    page.click("#generate")
    expect(page.locator("[role=alert]").first).to_be_visible()
    assert page.input_value("#id_text") == "🎉🎉🎉"
    assert page.input_value("input[name=title]") == "A title to keep"


def test_a_visitors_pages_fit_a_narrow_phone(visit: Visit) -> None:
    visit.page.set_viewport_size(PHONE)
    assert layout.faults(visit.page, visit.site.url, layout.ENTRANCE) == {}


def test_a_persons_pages_fit_a_narrow_phone(visit: Visit) -> None:
    page, origin = visit.page, visit.site.url
    page.set_viewport_size(PHONE)
    visit.sign_up()
    page.fill("#id_text", LONG_WORD)
    page.fill("input[name=title]", LONG_WORD[:200])
    page.click("#generate")
    page.wait_for_url("**/jobs/**")
    job = page.url.removeprefix(origin)
    assert layout.faults(page, origin, [job, f"{job}delete/", *layout.INSIDE]) == {}
