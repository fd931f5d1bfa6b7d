"""One browser's window for pages that were made before, by their views in this process.

A theme and a width are then a change of the page and no new one, and no server runs.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from django.contrib.staticfiles import finders

from tests.pages.gallery import Shown
from tests.pages.test_browser_journey import CHROMIUM

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

ORIGIN = "http://portal.test"
WIDTHS = {1280: 900, 390: 844, 320: 640}
THEMES = ("light", "dark")
STILL = "*, ::before, ::after { transition: none !important; animation: none !important; }"
THEME = """theme => {
    document.documentElement.dataset.theme = theme;
    document.documentElement.classList.toggle('dark', theme === 'dark');
}"""
UNFOLD = "document.querySelectorAll('main details').forEach(panel => { panel.open = true; })"


class Frame:
    """Shows one page after the other and asks nobody else: what a page fetches is not there."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.shown: Shown | None = None
        page.route("**/*", self._answer)

    def show(self, shown: Shown, width: int = 1280) -> None:
        """Load a page, with everything in it unfolded and nothing moving."""
        self.shown = shown
        self.resize(width)
        self.page.goto(ORIGIN + shown.path)
        self.page.add_style_tag(content=STILL)
        self.page.evaluate(UNFOLD)
        if shown.act:
            self.page.evaluate(shown.act)

    def resize(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": WIDTHS[width]})

    def turn(self, theme: str) -> None:
        """Light or dark, as the switch in the footer would make it."""
        self.page.evaluate(THEME, theme)

    def _answer(self, route: Route) -> None:
        request, shown = route.request, self.shown
        assert shown is not None
        path = request.url.removeprefix(ORIGIN).partition("?")[0]
        if request.resource_type == "document":
            route.fulfill(body=shown.html, content_type="text/html; charset=utf-8")
        elif path.startswith("/static/") and (file := finders.find(path.removeprefix("/static/"))):
            kind = mimetypes.guess_type(str(file))[0]
            route.fulfill(body=Path(str(file)).read_bytes(), content_type=kind or "text/plain")
        else:
            route.abort()


@contextmanager
def open_frame() -> Iterator[Frame]:
    """A browser for one test, which asks the database before and after, but not meanwhile."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        # What a test adds to a page is not the page's own.
        context = browser.new_context(bypass_csp=True, reduced_motion="reduce")
        yield Frame(context.new_page())
        browser.close()
