"""Sixty thousand letters on a phone: a box that scrolls by itself, with the results above it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.pages.frame import Frame, open_frame
from tests.pages.gallery import LONG, shown
from tests.pages.test_browser_journey import CHROMIUM

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("axe"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium package"),
]

PLACES = """selectors => selectors.map(selector => {
    const one = document.querySelector(selector);
    const {top, height} = one.getBoundingClientRect();
    return {top: top + scrollY, height, inside: one.scrollHeight};
})"""


def _places(frame: Frame, *selectors: str) -> list[dict[str, float]]:
    """Where each begins and how high it is, and how much there is to scroll in it."""
    return frame.page.evaluate(PLACES, list(selectors))


@pytest.mark.parametrize("width", [390, 320])
def test_the_downloads_of_a_long_text_are_within_reach(
    page: Client, finished: Any, width: int
) -> None:
    job = finished(LONG)
    made = shown("pages:job", "", page.get(f"/jobs/{job.pk}/"))
    with open_frame() as frame:
        frame.show(made, width)
        results, text = _places(frame, "#job-results", "#transcript")
        seen = frame.page.viewport_size
    assert seen is not None
    assert results["top"] + results["height"] <= text["top"]
    assert results["top"] < 2 * seen["height"]
    assert text["height"] < seen["height"] < text["inside"]


@pytest.mark.parametrize("width", [390, 320])
def test_generate_stays_within_reach_of_a_long_text(
    page: Client, finished: Any, width: int
) -> None:
    job = finished(LONG)
    made = shown("pages:studio", "", page.get(f"/studio/?again={job.pk}"))
    with open_frame() as frame:
        frame.show(made, width)
        (text,) = _places(frame, "#id_text")
        seen = frame.page.viewport_size
    assert seen is not None
    assert text["height"] < seen["height"] < text["inside"]
