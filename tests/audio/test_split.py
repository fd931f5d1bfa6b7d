from __future__ import annotations

import time
from itertools import pairwise

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from speechsite.audio.split import split

PROSE = "Mr. Smith paid 3.14 dollars, e.g. for tea. He left! Did he?\n\nA new day, then. "
HOSTILE = {
    "english": PROSE,
    "chinese": "今天天气很好，我们去公园散步吧。你觉得怎么样？好的！",
    "chinese without stops": "今天天气很好我们去公园散步吧",
    "digits": "1234567890",
    "decimals": "1.",
    "no spaces": "abcdefghij",
    "unclosed tags": '<a href="x',
    "joined emoji": "👨\u200d👩\u200d👧",
    "flags": "\U0001f1e6",
    "combining marks": "\u0301",
    "spaces with marks": " \u0301",
    "line feeds": "\n",
    "carriage returns": "\r\n",
    "abbreviations": "e.g. ",
    "closing quotes": '."',
    "devanagari": "क्षि",
}

texts = st.one_of(
    st.text(max_size=400),
    st.lists(
        st.sampled_from(
            [
                "Mr. ",
                "a",
                "word ",
                ". ",
                "。",
                "，",
                "\n",
                "\r\n",
                "\n\n",
                "👨\u200d👩\u200d👧",
                "🇬🇧",
                "\u0301",
                "字",
                "”",
                "!",
                " ",
                "1.5",
                "e.g. ",
                "\u200d",
                "क्षि",
                "「",
            ]
        ),
        max_size=200,
    ).map("".join),
)


def is_spoken(text: str) -> bool:
    return regex.search(r"[\p{L}\p{N}]", text) is not None


def boundaries(text: str) -> set[int]:
    return {0} | {cluster.end() for cluster in regex.finditer(r"\X", text)}


@given(texts, st.integers(1, 60), st.none() | st.integers(1, 60))
def test_nothing_is_lost_and_no_piece_is_too_long(text: str, limit: int, first: int | None) -> None:
    pieces = split(text, limit, first=first)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= limit for piece in pieces)


@given(texts, st.integers(1, 60), st.none() | st.integers(1, 60))
def test_a_cluster_is_only_cut_when_it_alone_is_too_long(
    text: str, limit: int, first: int | None
) -> None:
    allowed = boundaries(text)
    clusters = [cluster.span() for cluster in regex.finditer(r"\X", text)]
    at = 0
    for piece in split(text, limit, first=first):
        at += len(piece)
        around = [end - start for start, end in clusters if start < at < end]
        assert at in allowed or around[0] > limit


@given(texts, st.integers(2, 60))
def test_a_piece_without_speech_fits_to_no_neighbour(text: str, limit: int) -> None:
    pieces = split(text, limit)
    for before, after in pairwise(pieces):
        if not (is_spoken(before) and is_spoken(after)):
            assert len(before) + len(after) > limit


@given(texts, st.integers(1, 20), st.integers(20, 60))
def test_first_pieces_are_short_and_grow(text: str, first: int, limit: int) -> None:
    longest_cluster = max((len(cluster) for cluster in regex.findall(r"\X", text)), default=0)
    cap = first
    for piece in split(text, limit, first=first):
        assert len(piece) <= max(cap, min(longest_cluster, limit))
        cap = min(cap * 2, limit)


def test_abbreviations_and_decimals_do_not_end_a_sentence() -> None:
    pieces = split("He owes Mr. Smith and Dr. Who 3.14 dollars. She owes nothing at all.", 60)
    assert pieces == ["He owes Mr. Smith and Dr. Who 3.14 dollars. ", "She owes nothing at all."]


def test_a_paragraph_is_preferred_to_a_sentence() -> None:
    pieces = split("One thing here. Two things here.\n\nThree. Four things.", 45)
    assert pieces == ["One thing here. Two things here.\n\n", "Three. Four things."]


def test_a_clause_is_preferred_to_a_word() -> None:
    assert split("all of these words, none of those", 26)[0] == "all of these words, "


def test_closing_quotes_stay_with_their_sentence() -> None:
    assert split("He said “Stop it now.” Then he ran.", 25)[0] == "He said “Stop it now.” "
    assert split("「你觉得怎么样？」好的我们走吧", 12)[0] == "「你觉得怎么样？」"


def test_a_chinese_piece_never_begins_with_a_stop() -> None:
    pieces = split("今天天气很好我们去公园散步吧，" * 20, 15 + 14)
    assert not any(piece[0] in "，。" for piece in pieces)


def test_the_last_marks_are_not_left_alone() -> None:
    assert split("a" * 100 + "!!!", 100) == ["a" * 99, "a!!!"]


def test_a_long_word_after_a_short_one_stays_whole() -> None:
    assert split("I " + "x" * 18, 18) == ["I ", "x" * 18]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_without_room_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        split("text", limit)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_long_hostile_text_takes_a_moment(name: str) -> None:
    text = (HOSTILE[name] * 200_000)[:200_000]
    begun = time.process_time()
    pieces = split(text, 4_000, first=200)
    # 0.4 s per million is measured; the slack is for busy machines, not for quadratic time.
    assert time.process_time() - begun < 1
    assert "".join(pieces) == text
