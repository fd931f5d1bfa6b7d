from __future__ import annotations

import pytest

from speechsite.audio import markup


@pytest.mark.parametrize(
    "text", ["", " \n", "...", "?!", "👍", "👨\u200d👩\u200d👧", "🇬🇧", "1️⃣", "ℹ️"]
)
def test_nothing_to_say(text: str) -> None:
    assert not markup.is_speakable(text)


@pytest.mark.parametrize("text", ["a", "你", "7", "½", "👍 ok", "...x"])
def test_something_to_say(text: str) -> None:
    assert markup.is_speakable(text)


def test_controls_go_and_lines_end_alike() -> None:
    text = "a\x00b\tc\r\nd\re\x85f\x1b\x7f\x9f\ud800g\n"
    assert markup.strip_controls(text) == "ab\tc\nd\ne\nfg\n"
