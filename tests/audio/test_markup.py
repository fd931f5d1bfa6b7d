from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechsite.audio import markup
from speechsite.audio.wording import Wording

STUDIO = Path(__file__).resolve().parents[2] / "static" / "js" / "studio.js"
FAMILY = "👨\u200d👩\u200d👧"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


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


def spoken(text: str) -> str:
    return Wording(text, tuple(markup.unspoken(text))).spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pro\u00adnun\u200bci\u2060a\ufefftion", "pronunciation"),
        ("\ufeffHello\r\nyou\x07", "Hello\nyou"),
        ("\u202aleft\u202c \u2066and\u2069 \u200fright\u200e", "left and right"),
        ("葛\U000e0100飾 a\ufe0f 1\ufe0f2", "葛飾 a 12"),
        ("wo\u200drd wo\u200crd", "word word"),
        ("\U000e0068\U000e0069 there", " there"),
    ],
)
def test_what_draws_nothing_reaches_no_voice(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",
        "क्\u200dष",
        "ශ්\u200dරී",
        "مَ\u200cن",
        FAMILY,
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "🏳\ufe0f\u200d🌈",
        ENGLAND,
    ],
)
def test_what_joins_letters_or_emoji_reaches_it_and_does_not_count(text: str) -> None:
    assert spoken(text) == text
    assert len(markup.countable(text)) < len(text)


def test_one_joiner_is_enough() -> None:
    assert spoken("می\u200c\u200c\u200cخواهم") == "می\u200cخواهم"


@given(
    st.text(st.one_of(st.characters(), st.sampled_from("\u200d\u200c\ufe0f👨\u064b\u20e3م\r\n")))
)
def test_what_is_left_out_never_counted(text: str) -> None:
    assert markup.countable(markup.strip_controls(spoken(text))) == markup.countable(
        markup.strip_controls(text)
    )
    assert spoken(spoken(text)) == spoken(text)


def test_the_studio_counts_by_the_same_list() -> None:
    [listed] = re.findall(r"const INVISIBLE = /(.+)/gu;", STUDIO.read_text())
    pattern = re.sub(r"\\u\{([0-9a-f]+)\}", lambda found: f"\\U{found.group(1):0>8}", listed)
    theirs = re.compile(pattern)
    for code in range(sys.maxunicode + 1):
        assert (theirs.match(chr(code)) is None) == (markup.countable(chr(code)) != ""), hex(code)


@pytest.mark.parametrize(
    "unit", ["\u200d", "م\u200d", "🏴\U000e0067", "\U000e0067", "👨\u200d", "1\ufe0f"]
)
def test_hostile_text_takes_a_moment(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    begun = time.process_time()
    markup.unspoken(text)
    assert time.process_time() - begun < 2
