from __future__ import annotations

import json
import re
import time
from itertools import pairwise

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from speechsite.audio import captions, markup
from speechsite.audio.captions import Cue, TimedWord

ENGLISH = (
    "Hello there, my friend. This is a rather long sentence that will not fit on one line, no."
)
CHINESE = "今天天气很好，我们去公园散步吧。「你觉得怎么样？」我喜欢 Python 编程语言，真的。"
WIDE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")

texts = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            ["word ", "it, ", "end. ", "字", "好。", "，", "한국어 ", "\n", "https://a.b/"]
        )
        | st.sampled_from(["x" * 50, "“", "”", "(", "👍 ", "[pause:1s]", "\u0301"]),
        max_size=80,
    ).map("".join),
)


@st.composite
def spoken(draw: st.DrawFn) -> tuple[str, list[TimedWord], int]:
    text = draw(texts)
    numbers = st.integers(-5, len(text) + 5)
    times = st.integers(-50, 70_000)
    words = draw(st.lists(st.builds(TimedWord, numbers, numbers, times, times), max_size=30))
    return text, words, draw(st.integers(0, 60_000))


def check(cues: list[Cue], duration_ms: int, longest: int = 42) -> None:
    for cue in cues:
        assert 0 <= cue.start_ms < cue.end_ms <= duration_ms
        lines = cue.text.split("\n")
        assert len(lines) <= 2
        for line in lines:
            assert line == line.strip() != ""
            assert len(line) <= (16 if WIDE.search(line) else longest)
    for before, after in pairwise(cues):
        assert before.end_ms <= after.start_ms


@given(spoken(), st.sampled_from(["", "en", "zh"]))
def test_cues_are_valid_whatever_the_times(
    case: tuple[str, list[TimedWord], int], language: str
) -> None:
    text, words, duration_ms = case
    cues = captions.cues(text, words, duration_ms, language)
    check(cues, duration_ms, 16 if language == "zh" else 42)


@given(texts)
def test_no_word_is_lost_when_there_is_time(text: str) -> None:
    cues = captions.cues(text, [], 10_000_000)
    shown = "".join("".join(cue.text.split()) for cue in cues)
    assert shown == "".join(markup.strip_controls(text).replace("[pause:1s]", " ").split())


@given(texts, st.integers(0, 100_000))
def test_estimates_are_in_order_and_inside(text: str, duration_ms: int) -> None:
    words = captions.estimate(text, duration_ms)
    for word in words:
        assert 0 <= word.start < word.end <= len(text)
        assert 0 <= word.start_ms <= word.end_ms <= duration_ms
    for before, after in pairwise(words):
        assert before.end <= after.start
        assert before.end_ms <= after.start_ms


def test_a_cue_shows_its_words_when_they_sound() -> None:
    words = [
        TimedWord(0, 5, 100, 900),
        TimedWord(6, 11, 950, 2_000),
        TimedWord(13, 18, 4_500, 5_000),
    ]
    cues = captions.cues("Hello world. Again", words, 6_000)
    assert cues == [Cue(100, 2_000, "Hello world."), Cue(4_500, 5_200, "Again")]


def test_a_long_span_is_divided_in_proportion() -> None:
    cues = captions.cues(ENGLISH, [TimedWord(0, len(ENGLISH), 1_000, 9_900)], 20_000)
    assert cues[0].start_ms == 1_000
    assert cues[0].text == "Hello there, my friend."
    assert 3_000 < cues[0].end_ms < 3_600
    assert cues[-1].end_ms <= 9_900


def test_lines_break_after_a_clause() -> None:
    text = "When the long day was over at last, the whole family sat by the fire"
    assert captions.cues(text, [], 5_000)[0].text == (
        "When the long day was over at last,\nthe whole family sat by the fire"
    )


def test_chinese_is_timed_by_character_and_kept_short() -> None:
    assert len(captions.estimate("今天天气", 4_000)) == 4
    cues = captions.cues(CHINESE, [], 12_000, "zh-CN")
    check(cues, 12_000, 16)
    assert cues[0].text == "今天天气很好，我们去公园散步吧。"


def test_a_missing_time_is_passed_over() -> None:
    words = [TimedWord(0, 5, None, None), TimedWord(6, 11, 500, 900)]  # type: ignore[arg-type]
    check(captions.cues("Hello world", words, 2_000), 2_000)


def test_pauses_are_not_shown() -> None:
    assert captions.cues("Hello [pause:1s] world", [], 2_000)[0].text == "Hello world"


def test_nothing_gives_no_cues() -> None:
    assert captions.cues("", [], 5_000) == []
    assert captions.cues("Hello", [], 0) == []


def test_subrip_counts_from_one_and_passes_ten_hours() -> None:
    cues = [Cue(0, 999, "One --> two"), Cue(36_000_000, 359_999_999, "Late\nline")]
    assert captions.to_srt(cues) == (
        "1\n00:00:00,000 --> 00:00:00,999\nOne -> two\n\n"
        "2\n10:00:00,000 --> 99:59:59,999\nLate\nline\n\n"
    )


def test_webvtt_escapes_markup() -> None:
    written = captions.to_vtt([Cue(1, 2_003, "a < b --> c & d")])
    assert written == ("WEBVTT\n\n00:00:00.001 --> 00:00:02.003\na &lt; b --&gt; c &amp; d\n\n")


@given(texts)
def test_written_captions_have_one_time_line_per_cue(text: str) -> None:
    cues = captions.cues(text, [], 500_000)
    for written in (captions.to_srt(cues), captions.to_vtt(cues)):
        assert len(re.findall(r"-->", written)) == len(cues)
        assert "\n\n\n" not in written


def test_json_tells_words_positions_and_origin() -> None:
    made = json.loads(captions.to_json("Hi 你", captions.estimate("Hi 你", 900), "estimated"))
    assert made["timing"] == "estimated"
    assert [(word["text"], word["start"], word["end"]) for word in made["words"]] == [
        ("Hi", 0, 2),
        ("你", 3, 4),
    ]


@pytest.mark.parametrize("unit", ["a ", "字", "- ", "[^", "x", "word, "])
def test_a_long_text_takes_a_moment(unit: str) -> None:
    text = (unit * 20_000)[:20_000]
    begun = time.process_time()
    captions.cues(text, [], 3_600_000)
    assert time.process_time() - begun < 2
