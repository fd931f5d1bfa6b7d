"""Nothing keeps people out: axe on every page, both themes, on phones and on a desk.

axe judges colours in both themes and all else once for each width, since a theme only
swaps colours (see tokens.css).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from speechsite.accounts.models import User
from tests import npm
from tests.pages import gallery
from tests.pages.frame import Frame, open_frame
from tests.pages.test_browser_journey import CHROMIUM

LOCKED = Path(__file__).parent / "axe"
# Rules that axe leaves out by itself, since not everybody means to keep them.
RULES = {name: {"enabled": True} for name in ("target-size", "label-content-name-mismatch")}
COLOURS = ["color-contrast"]
# What a width can change, where a narrower and a wider one have been looked at as a whole.
SIZES = ["target-size", "scrollable-region-focusable", "label-content-name-mismatch"]
LOOKS: list[tuple[int, str, list[str] | None]] = [
    (1280, "light", None),
    (1280, "dark", COLOURS),
    (390, "light", SIZES),
    (390, "dark", COLOURS),
    (320, "light", None),
    (320, "dark", COLOURS),
]
# Addresses at which no page is shown: they redirect, or answer with data or with a fragment.
NO_PAGE = {
    "account_confirm_login_code", "account_set_password", "mfa_download_recovery_codes",
    "pages:preferences", "pages:studio-voices", "pages:studio-choice", "pages:studio-file",
    "pages:studio-options", "pages:voice-preview", "pages:voice-hear", "pages:voice-favourite", "pages:job-status", "pages:job-text",
    "pages:job-cancel", "pages:job-segment-audio", "pages:developers-webhook-switch",
    "pages:developers-webhook-test", "pages:developers-replay",
}  # fmt: skip
OURS = ("pages:", "account_", "mfa_")

AXE = """async ([rules, only]) => {
    const told = {resultTypes: ['violations'], preload: false, rules};
    if (only) told.runOnly = only;
    const {violations} = await axe.run(document, told);
    return violations.flatMap(one => one.nodes.map(node =>
        `${one.id}: ${node.html.slice(0, 160)} ${node.any.concat(node.all, node.none)
            .map(check => check.message).join(' ').slice(0, 200)}`));
}"""
# Too wide for the window, or side by side and yet on top of each other.
LAYOUT = """() => {
    const faults = [];
    const {scrollWidth} = document.documentElement;
    if (scrollWidth > innerWidth) faults.push(`the page is ${scrollWidth} px wide`);
    const boxes = [...document.querySelectorAll('body *')].filter(one =>
        /flex|grid/.test(getComputedStyle(one).display) && one.checkVisibility());
    for (const box of boxes) {
        const inside = [...box.children].filter(one => {
            const {position, clipPath} = getComputedStyle(one);
            return /static|relative/.test(position) && clipPath === 'none' && one.innerText?.trim();
        }).map(one => [one, one.getBoundingClientRect()]).filter(([, at]) => at.width && at.height);
        inside.forEach(([one, a], place) => inside.slice(place + 1).forEach(([other, b]) => {
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (wide > 1 && high > 1)
                faults.push(`overlap: ${one.outerHTML.slice(0, 90)} and ${other.outerHTML.slice(0, 90)}`);
        }));
    }
    return faults;
}"""
# Fields and buttons that neither their outline nor their own colour sets off by 3:1.
OUTLINES = """() => {
    const paint = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const over = (colour, back) => {
        paint.globalCompositeOperation = 'source-over';
        paint.fillStyle = `rgb(${back})`;
        paint.fillRect(0, 0, 1, 1);
        paint.fillStyle = colour;
        paint.fillRect(0, 0, 1, 1);
        return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const behind = element => {
        const path = [];
        for (let one = element; one; one = one.parentElement) path.unshift(one);
        return path.reduce((back, one) => over(getComputedStyle(one).backgroundColor, back),
            [255, 255, 255]);
    };
    const light = ([r, g, b]) => {
        const part = v => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const ratio = (one, two) => {
        const [dark, bright] = [light(one), light(two)].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const isDrawn = one => {
        const {borderTopWidth, borderTopStyle} = getComputedStyle(one);
        return parseFloat(borderTopWidth) > 0 && borderTopStyle !== 'none';
    };
    const outlined = one => (!one || isDrawn(one) ? one : outlined(one.parentElement));
    const own = 'input:not([type=hidden], [type=range], [type=file]), select, textarea, button, .button';
    const faults = [];
    for (const one of document.querySelectorAll(own)) {
        const style = getComputedStyle(one);
        const {width, height} = one.getBoundingClientRect();
        const isSeen = one.checkVisibility({visibilityProperty: true, opacityProperty: true});
        if (!isSeen || width < 2 || height < 2 || one.disabled) continue;
        if (/checkbox|radio/.test(one.type) && style.appearance !== 'none') continue;
        // A field may be the inner part of what has the outline.
        const edge = (one.matches('button, .button') ? one : outlined(one)) || one;
        const back = behind(edge.parentElement);
        const fill = over(getComputedStyle(edge).backgroundColor, back);
        const line = isDrawn(edge) ? over(getComputedStyle(edge).borderTopColor, fill) : fill;
        // A button without an outline is known by its words; a field is known by nothing else.
        const isPlain = one.matches('button, .button') && String(line) === String(fill);
        const best = Math.max(ratio(fill, back), ratio(line, back));
        if (!isPlain && best < 3) faults.push(`outline ${best.toFixed(2)}: ${one.outerHTML.slice(0, 120)}`);
    }
    return faults;
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.node,
    pytest.mark.xdist_group("axe"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium package"),
    pytest.mark.skipif(not npm.HAS_NPM, reason="node and npm are not on this machine"),
]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The rules and what runs them, as one script."""
    modules = npm.install(LOCKED, tmp_path_factory.mktemp("axe"))
    return (modules / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def world(ada: User, ben: User, eve: User, admin_user: User, catalogue: None) -> gallery.World:
    return gallery.World(ada, ben, eve, admin_user)


def faults(frame: Frame) -> Iterator[tuple[str, str]]:
    """(where, what) of each fault of the page in the frame, at every width, in both themes."""
    for width, theme, only in LOOKS:
        frame.resize(width)
        frame.turn(theme)
        found = [*frame.page.evaluate(AXE, [{} if only else RULES, only])]
        found += frame.page.evaluate(OUTLINES)
        if theme == "light":
            found += frame.page.evaluate(LAYOUT)
        for fault in found:
            yield f"{width} px, {theme}", fault


def names(patterns: list[Any], space: str = "") -> Iterator[str]:
    """The name of every address, with its namespace."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = ":".join(filter(None, (space, pattern.namespace)))
            yield from names(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield f"{space}:{pattern.name}" if space else pattern.name


BROKEN = """<!doctype html><html lang="en"><title>Broken</title><main><h1>Broken</h1>
<p><button style="width: 18px; height: 18px; padding: 0">+</button><button
 style="width: 18px; height: 18px; padding: 0">-</button></p>
<p><button aria-label="Replay the message">Send again</button></p>
<p><input aria-label="Name" style="border: 1px solid #ddd; background: #fff"></p>
<p style="color: #aaa">Pale words</p>
<p style="display: flex"><b>One name</b><i style="margin-left: -40px">a badge</i></p>
<p style="width: 2000px">Wide</p></main></html>"""


def test_what_is_looked_for_is_found(axe: str) -> None:
    with open_frame() as frame:
        frame.show(gallery.Shown("broken", "", "/", BROKEN))
        frame.page.evaluate(axe)
        found = [fault.split(":")[0].split(" ")[0] for _where, fault in faults(frame)]
    kinds = {"target-size", "label-content-name-mismatch", "outline", "color-contrast", "overlap"}
    assert kinds | {"the"} <= set(found)


def test_every_address_has_its_row() -> None:
    known = {name for name in names(get_resolver().url_patterns) if name.startswith(OURS)}
    assert known - set(gallery.PAINTERS) == NO_PAGE


def _found(axe: str, pages: list[gallery.Shown]) -> dict[str, dict[str, list[str]]]:
    """Each fault, with where it shows: the width, the theme and the pages."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    with open_frame() as frame:
        for shown in pages:
            frame.show(shown)
            frame.page.evaluate(axe)
            for where, fault in faults(frame):
                found[fault][where].append(str(shown))
    return {fault: dict(places) for fault, places in found.items()}


def test_nothing_keeps_people_out(axe: str, world: gallery.World) -> None:
    portal = [address for address in gallery.PAINTERS if address != "admin"]
    assert _found(axe, list(gallery.gallery(world, *portal))) == {}
