"""The Studio and the page of a job in a real browser: what only a browser can show."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.pages.gallery import LONG
from tests.pages.test_browser_journey import (
    ENGLISH,
    Visit,
    browser,
    pytestmark,
    site,
    visit,
    wait_until_done,
)

__all__ = ["browser", "pytestmark", "site", "visit"]  # fixtures and marks of the main path

DOUBTFUL = "Le garçon a mangé une pomme près de la forêt."


def _until(page: Page, condition: str, seconds: int = 60) -> None:
    """Wait for a condition; the site's own policy forbids to hand the page code to run."""
    for _ in range(seconds * 5):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(200)
    raise AssertionError(condition)


def _order(visit: Visit, text: str) -> None:
    visit.page.fill("#id_text", text)
    visit.page.click("#generate")
    visit.page.wait_for_url("**/jobs/**")


def test_a_file_whose_letters_are_in_doubt_is_asked_about(visit: Visit, tmp_path: Path) -> None:
    visit.sign_up()
    page, file = visit.page, tmp_path / "story.txt"
    file.write_bytes("Herr Müller fährt über die Brücke nach Köln.".encode("cp1252"))
    page.set_input_files("#id_upload", file)
    expect(page.locator("#id_text")).to_have_value("Herr Müller fährt über die Brücke nach Köln.")
    expect(page.locator("#upload-note")).to_contain_text("Windows-1252")
    page.fill("#id_text", "")
    file.write_bytes(DOUBTFUL.encode("cp1252"))
    page.set_input_files("#id_upload", file)
    expect(page.locator("#letters")).to_contain_text(DOUBTFUL)
    expect(page.locator("#id_text")).to_have_value("")
    page.get_by_role("button", name="Use these letters").click()
    expect(page.locator("#id_text")).to_have_value(DOUBTFUL)


def test_a_wrong_setting_in_a_closed_panel_opens_it(visit: Visit) -> None:
    visit.sign_up()
    page = visit.page
    page.fill("#id_text", ENGLISH)
    page.locator("details.settings summary").click()
    page.fill("#id_set_speed", "9")
    page.locator("details.settings summary").click()
    expect(page.locator("#id_set_speed")).to_be_hidden()
    page.click("#generate")
    expect(page.locator("#id_set_speed")).to_be_visible()
    expect(page.locator("#id_set_speed")).to_be_focused()


def test_settings_stay_with_another_voice_and_come_back_later(visit: Visit) -> None:
    visit.sign_up()
    page = visit.page
    page.locator("details.settings summary").click()
    page.fill("#id_set_speed", "1.25")
    page.locator("#id_set_speed").blur()
    page.locator("#picker > summary").click()
    with page.expect_response("**/studio/options/**"):
        page.locator("#voice-list label").nth(4).click()
    expect(page.locator("#id_set_speed")).to_have_value("1.25")
    voice = page.inner_text("#voice-now b")
    page.wait_for_timeout(1500)
    page.evaluate("localStorage.clear()")
    page.goto(f"{visit.site.url}/studio/")
    expect(page.locator("#voice-now b")).to_have_text(voice)
    expect(page.locator("#id_set_speed")).to_have_value("1.25")


def test_tab_reaches_the_words_and_leaves_them_again(visit: Visit) -> None:
    visit.sign_up()
    page = visit.page
    _order(visit, ENGLISH)
    wait_until_done(page)
    page.locator(".transcript-head a").focus()
    page.keyboard.press("Tab")
    word = "document.activeElement.className.includes('word')"
    assert page.evaluate(word)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "sound"
    page.keyboard.press("Enter")
    _until(page, "document.querySelector('audio').currentTime > 0.1")
    page.keyboard.press("Shift+Tab")
    assert not page.evaluate(word)


def test_a_reload_and_a_cancel_leave_one_where_one_was(visit: Visit) -> None:
    visit.sign_up()
    page = visit.page
    _order(visit, LONG)
    here = "parseFloat(document.querySelector('.player-seek').value)"
    _until(page, "!document.querySelector('[data-do=play]').disabled", 120)
    page.evaluate("document.querySelector('audio').muted = true")
    page.click("[data-do=play]")
    _until(page, f"{here} > 1500")
    page.click("[data-do=play]")
    heard = page.evaluate(here)
    page.reload()
    _until(page, f"{here} >= {heard - 200}")
    assert page.evaluate("document.getElementById('job').dataset.state") == "processing"
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#job-status")).to_contain_text("You canceled this", timeout=30_000)
    assert page.evaluate("document.getElementById('job-status').contains(document.activeElement)")
    assert page.evaluate("scrollY") == 0
