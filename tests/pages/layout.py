"""What a browser can measure on every page, for the tests that have one running.

Nothing sticks out, there is one heading, and each control has a name and is large enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

ENTRANCE = [
    "/",
    "/shortcuts/",
    "/account/login/",
    "/account/signup/",
    "/account/password/reset/",
    "/account/password/reset/done/",
    "/account/password/reset/key/1-used/",
    "/api/docs/",
]
INSIDE = [
    "/studio/",
    "/voices/",
    "/cleanup/",
    "/history/",
    "/wallet/",
    "/developers/",
    "/developers/webhooks/",
    "/developers/examples/",
    "/developers/try/",
    "/account/profile/",
    "/account/2fa/",
    "/account/email/",
    "/account/password/change/",
]
FAULTS = """() => {
    const faults = [];
    const width = document.documentElement.scrollWidth;
    if (width > innerWidth) faults.push(`is ${width} px wide`);
    const headings = document.querySelectorAll('h1').length;
    if (headings !== 1) faults.push(`${headings} h1`);
    if (document.title.startsWith(' ')) faults.push('no title');
    const named = e => e.labels?.length || e.getAttribute('aria-label')
        || e.getAttribute('aria-labelledby') || e.innerText?.trim() || e.type === 'hidden';
    const seen = e => e.checkVisibility({visibilityProperty: true, opacityProperty: true});
    for (const e of document.querySelectorAll('input, select, textarea, button, a[href]')) {
        if (seen(e) && !named(e)) faults.push(`no name: ${e.outerHTML.slice(0, 90)}`);
    }
    for (const e of document.querySelectorAll('button, summary, select, .button, .icon-button')) {
        const {width, height} = e.getBoundingClientRect();
        if (seen(e) && height > 1 && (width < 24 || height < 24))
            faults.push(`${width} x ${height}: ${e.outerHTML.slice(0, 90)}`);
    }
    return faults;
}"""


def faults(page: Page, origin: str, paths: list[str]) -> dict[str, list[str]]:
    """The faults of each page, with everything on it unfolded; nothing for a page without."""
    found = {}
    for path in paths:
        page.goto(origin + path)
        page.evaluate("document.querySelectorAll('main details').forEach(d => d.open = true)")
        found[path] = page.evaluate(FAULTS)
    return {path: those for path, those in found.items() if those}
