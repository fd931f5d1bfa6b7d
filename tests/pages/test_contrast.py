"""Both themes can be read: WCAG 2.2's contrast, worked out from the tokens themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

SHEET = (Path(settings.BASE_DIR) / "static" / "css" / "tokens.css").read_text()
TEXT = 4.5
CONTROL = 3.0
PAIRS = [
    *((ink, paper, TEXT) for ink in ("ink", "soft") for paper in ("paper", "surface", "sunken")),
    *((ink, "surface", TEXT) for ink in ("accent", "accent-strong", "good", "bad", "wait")),
    ("accent", "paper", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    ("on-lit", "lit", TEXT),
    ("accent-strong", "accent-wash", TEXT),
    ("ink", "accent-wash", TEXT),
    ("soft", "accent-wash", TEXT),
    ("good", "good-wash", TEXT),
    ("bad", "bad-wash", TEXT),
    ("wait", "wait-wash", TEXT),
    ("surface", "bad", TEXT),
    ("edge", "surface", CONTROL),
    ("edge", "paper", CONTROL),
]


def _tokens(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{3,6});", block))


def _blocks() -> dict[str, dict[str, str]]:
    light, dark = SHEET.split(':root[data-theme="dark"]', 1)
    dark, device = dark.split("@media", 1)
    return {"light": _tokens(light), "dark": _tokens(dark), "device": _tokens(device)}


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_front_stands_out_from_back(theme: str, front: str, back: str, least: float) -> None:
    tokens = _blocks()[theme]
    assert _contrast(tokens[front], tokens[back]) >= least


def test_the_devices_dark_theme_is_the_chosen_dark_theme() -> None:
    blocks = _blocks()
    assert blocks["device"] == blocks["dark"]
