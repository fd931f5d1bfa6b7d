from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechsite.audio import markup
from speechsite.audio.markup import Pause, Speech

MARKS = ["[pause:1.5s]", "[pause:1500ms]", "[Pause: 1.5 s]", '<break time="1.5s"/>']
MARKS += ["<break time='1500ms' />", '<break time="1.5s"></break>', "<#1.5#>", "<#1.50#>"]

HOSTILE = ["[", "[pause:", "[a](", "[a](x(y", "<break ", "<#1", "*", "_", "`", "http://", "- "]
HOSTILE += ["> ", "[^", "![", "👨\u200d", " ", "|", "a[pause:1s]", "\n"]

marked = st.lists(
    st.sampled_from([*MARKS, "[pause:99s]", "[pause:0s]", "<#", "a", " word ", "...", "👍", "\n"])
).map("".join)


@pytest.mark.parametrize("mark", MARKS)
def test_every_way_to_write_a_pause_is_understood(mark: str) -> None:
    text = f"one {mark}two"
    assert markup.parse(text) == [Speech("one ", 0), Pause(1_500), Speech("two", 4 + len(mark))]


@pytest.mark.parametrize("text", ["[pause]", "[pause:]", "[pause:x]", "<break>", "<#a#>", "<##>"])
def test_what_is_no_pause_is_spoken_text(text: str) -> None:
    assert markup.parse(f"a{text}b") == [Speech(f"a{text}b", 0)]


def test_pauses_at_the_edges_are_dropped() -> None:
    assert markup.parse("[pause:1s] [pause:2s]hi[pause:1s]...") == [Speech("hi", 21)]


def test_neighbours_are_added_up_to_ten_seconds() -> None:
    assert markup.parse("a[pause:1s] [pause:2s]b")[1] == Pause(3_000)
    assert markup.parse("a[pause:8s][pause:8s]b")[1] == Pause(10_000)
    assert markup.parse("a[pause:999999999s]b")[1] == Pause(10_000)


def test_a_text_of_pauses_only_says_nothing() -> None:
    assert markup.parse("[pause:1s]<#2#>") == []
    assert markup.for_minimax("[pause:1s]<#2#>") == ""


def test_elevenlabs_gets_breaks_of_three_seconds_at_most() -> None:
    assert markup.for_elevenlabs("a[pause:4s]b") == (
        'a<break time="3.00s" /><break time="1.00s" />b'
    )


def test_minimax_gets_its_own_marks() -> None:
    assert markup.for_minimax('[pause:1s]a<break time="250ms"/>[pause:1s]b') == "a<#1.25#>b"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a [pause:1s] b", "a b"),
        ("a[pause:1s]b", "a b"),
        ("a[pause:1s]\nb", "a\nb"),
        ("[pause:1s]a<#1#>", "a"),
    ],
)
def test_plain_text_has_no_pauses(text: str, left: str) -> None:
    assert markup.plain(text) == left


@given(marked)
def test_speech_and_pauses_alternate_inside_speech(text: str) -> None:
    items = markup.parse(text)
    for before, after in pairwise(items):
        assert not (isinstance(before, Pause) and isinstance(after, Pause))
    assert not items or (isinstance(items[0], Speech) and isinstance(items[-1], Speech))
    for item in items:
        if isinstance(item, Pause):
            assert 10 <= item.ms <= 10_000
        else:
            assert text[item.start : item.start + len(item.text)] == item.text
            assert markup.is_speakable(item.text)


@given(marked)
def test_rendered_pauses_mean_the_same_again(text: str) -> None:
    def silences(text: str) -> list[int]:
        return [item.ms for item in markup.parse(text) if isinstance(item, Pause)]

    assert silences(markup.for_minimax(text)) == silences(text)
    assert silences(markup.for_elevenlabs(text)) == silences(text)


@given(marked)
def test_blanks_keep_every_position(text: str) -> None:
    blanked = markup.blanked(text)
    assert len(blanked) == len(text)
    assert not any(isinstance(item, Pause) for item in markup.parse(blanked))


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Title", "Title"),
        ("> a quote", "a quote"),
        ("- one\n* two\n- [x] three", "one\ntwo\nthree"),
        ("**bold** and _soft_, ~~gone~~ `code`", "bold and soft, gone code"),
        ("2 * 3, 2*3 and snake_case_name", "2 * 3, 2*3 and snake_case_name"),
        ('[a link](https://x.org/a_(b) "title") ![alt](p.png)', "a link alt"),
        ("a fact[^1]", "a fact"),
        ("```python\nx = 1\n```", "\nx = 1\n"),
        ("above\n---\nbelow", "above\n\nbelow"),
        ("see https://u:p@www.example.com:80/a?b=c.", "see example.com."),
        ("看https://example.com/a吧", "看example.com吧"),
        ("<https://example.com> www.x.org!", "example.com x.org!"),
        ("good 👍🏽 job", "good job"),
        ("👨\u200d👩\u200d👧 ©2024 5 #1", " ©2024 5 #1"),
        ('a [pause:1s] <break time="1s"/> <#1.5#> b', 'a [pause:1s] <break time="1s"/> <#1.5#> b'),
    ],
)
def test_decoration_is_not_spoken(text: str, said: str) -> None:
    assert markup.clean(text) == said


def test_each_cleaning_can_be_turned_off() -> None:
    text = "**x** https://example.com/a 👍"
    assert markup.clean(text, markdown=False, urls=False, emoji=False) == text
    assert markup.clean(text, urls=False, emoji=False) == "x https://example.com/a 👍"


@pytest.mark.parametrize(
    "unit",
    HOSTILE,
)
def test_hostile_text_takes_a_moment(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    begun = time.process_time()
    markup.for_minimax(markup.clean(markup.strip_controls(text)))
    markup.plain(text)
    assert time.process_time() - begun < 1
