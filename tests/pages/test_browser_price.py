"""The price line in a real browser: what the script works out is what the server says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.pages.test_browser_journey import Visit, browser, pytestmark, visit
from tests.running import Site

__all__ = ["browser", "pytestmark", "visit"]  # fixtures and marks of the main path

OFFER = "Ask sales@example.com for more."
TEXTS = [
    "",
    "   ",
    " \n\t\n ",
    "... — !",
    "\U0001f600 1\ufe0f\u20e3 ℹ",
    "Good morning.",
    "One.\nTwo.\n",
    "Go\u200bod\u00ad mor\u2060ning\ufeff.",
    "<speak>Good <emphasis>morning</emphasis> &amp; hello.</speak>",
    "[pause:300ms] Good <#1.5#> morning. <break time='1s'/>",
    "Go. " + "[pause:60s]" * 30,
    "Go. " + "[PAUSE = 90 s] <break time='60000ms'/> <# 60 #> " * 10 + "[pause:1ms]",
    "你好，世界。𠀀 Hello.",
    "½",
    "x" * 999,
    "x" * 1000,
    "x" * 1001,
    "x" * 2000,
    "x" * 2001,
]
SERVERS = """async () => {
    const form = new FormData(document.getElementById("studio"));
    form.set("do", "refresh");
    const answer = await fetch("/studio/", { method: "POST", body: form });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return [...page.querySelectorAll("#count, #cost, #left")].map((one) => one.textContent.trim())
        .concat([page.getElementById("shown").value]);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A text of 1,000 characters takes all that a new account has; 2,000 are the limit."""
    few = {"WELCOME_CREDITS": "1", "MAX_TEXT": "2000", "CREDITS_OFFER": OFFER}
    with Site(tmp_path_factory.mktemp("site"), **few) as running:
        yield running


def line_of(page: Page) -> list[str]:
    said = [page.inner_text(one).strip() for one in ("#count", "#cost", "#left")]
    return [*said, page.input_value("#shown")]


def test_the_script_says_what_the_server_says(visit: Visit) -> None:
    visit.sign_up()
    page, offer = visit.page, visit.page.locator(".order [data-offer]")
    for text in TEXTS:
        page.fill("#id_text", text)
        servers = page.evaluate(SERVERS)
        assert line_of(page) == servers, text
        expect(offer).to_be_visible(visible="Not enough" in servers[2])
    page.fill("#id_text", "x" * 1001)
    expect(page.locator("#left")).to_have_text("Not enough: 0.001 credits missing")
    expect(offer).to_have_text(OFFER)
