"""The pure parts: times of characters, text that comes in pieces, rules of pronunciation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechsite.api.elevenlabs import ids
from speechsite.api.elevenlabs.wire import dictionaries, sockets
from speechsite.api.elevenlabs.wire.dictionaries import BadLexicon
from speechsite.api.elevenlabs.wire.sockets import Buffer
from speechsite.api.elevenlabs.wire.speech import Alignment, turns, voice_segments
from speechsite.core.ids import new_id
from speechsite.providers.types import WordTime

TEXT = "Good day, everybody!"
WORDS = (WordTime(0, 4, 100, 300), WordTime(5, 8, 350, 500), WordTime(10, 19, 600, 1200))


def test_an_id_can_be_turned_back() -> None:
    for _ in range(200):
        identifier = new_id()
        name = ids.public(identifier)
        assert len(name) == 20
        assert name.isalnum()
        assert ids.private(name) == identifier


def test_every_character_has_its_time() -> None:
    columns = Alignment(TEXT).take(WORDS, is_last=True)
    assert columns is not None
    assert "".join(columns.characters) == TEXT
    # The first word's four letters share its 200 ms, the blank has the 50 ms behind it.
    assert columns.starts[:5] == [100, 150, 200, 250, 300]
    assert columns.ends[-1] == 1200


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_words_may_come_in_any_portions(portions: list[int]) -> None:
    alignment, at, spelled, starts = Alignment(TEXT), 0, "", []
    for count in [*portions, len(WORDS)]:
        columns = alignment.take(WORDS[at : at + count])
        at += count
        spelled += "".join(columns.characters) if columns else ""
        starts += columns.starts if columns else []
    assert spelled == TEXT
    assert starts == sorted(starts)


@given(
    st.text(max_size=60),
    st.lists(st.tuples(*[st.integers(0, 80)] * 2, *[st.integers(0, 5000)] * 2), max_size=10),
)
def test_bad_times_never_break_the_columns(text: str, words: list[tuple]) -> None:
    columns = Alignment(text).take([WordTime(*word) for word in words], is_last=True)
    if columns is None:
        assert text == ""
        return
    assert "".join(columns.characters) == text
    assert len(columns.starts) == len(columns.ends) == len(text)
    assert columns.starts == sorted(columns.starts)
    assert all(start <= end for start, end in columns.pairs())


def test_times_of_a_message_count_from_its_own_start() -> None:
    alignment = Alignment(TEXT)
    alignment.take(WORDS[:1])
    columns = alignment.take(WORDS[1:2])
    assert columns is not None
    told = columns.in_milliseconds(since=300)
    assert told["charStartTimesMs"][0] == 0
    assert sum(told["charDurationsMs"]) == 200


def test_who_speaks_when() -> None:
    text = "Good day,\neverybody!"
    columns = Alignment(text).take(WORDS, is_last=True)
    placed = turns([("a", "Good day,"), ("b", "everybody!")], text)
    segments = voice_segments(placed, columns, 0)
    assert [one["voice_id"] for one in segments] == ["a", "b"]
    assert [one["dialogue_input_index"] for one in segments] == [0, 1]
    assert segments[1]["start_time_seconds"] == 0.6


def test_nothing_is_spoken_before_there_is_enough() -> None:
    buffer = Buffer((50, 100))
    assert buffer.add("x" * 30 + " ") == ""
    assert buffer.add("y" * 30 + " half") == "x" * 30 + " " + "y" * 30 + " "
    assert buffer.waiting == "half"
    assert buffer.add("z" * 60 + " ") == ""
    assert len(buffer.add("z" * 60 + " ")) > 100


def test_a_flush_a_trigger_and_auto_mode_hurry() -> None:
    assert Buffer().add("Soon. ", flush=True) == "Soon. "
    assert Buffer(is_auto=True).add("At once. ") == "At once. "
    assert Buffer().add("a " * 24, trigger=True) == ""
    assert Buffer().add("a " * 25, trigger=True) == "a " * 25


@given(st.lists(st.text("ab 。c", max_size=90), max_size=12), st.booleans())
def test_a_buffer_loses_and_doubles_nothing(texts: list[str], trigger: bool) -> None:
    buffer = Buffer((50, 60))
    taken = "".join(buffer.add(text, trigger=trigger) for text in texts)
    assert taken + buffer.add("", flush=True) == "".join(texts)


def test_a_buffer_looks_for_the_end_of_a_word_near_its_own_end_only() -> None:
    assert Buffer((50,)).add("One " + "b" * 900) == "One "
    endless = "One " + "b" * 1_000_000
    assert Buffer((50,)).add(endless) == endless


@pytest.mark.parametrize(("asked", "kept"), [(None, 20), (0, 20), (-5, 1), (300, 180), (60, 60)])
def test_the_timeout_is_kept_within_what_is_served(asked: float | None, kept: float) -> None:
    assert sockets.timeout_of(asked) == kept


def alias(word: str, spoken: str, **more: bool) -> dict[str, object]:
    return {"type": "alias", "string_to_replace": word, "alias": spoken, **more}


def test_a_lexicon_goes_out_and_comes_in_again() -> None:
    rules = [
        alias("R&D", "research <and> development", case_sensitive=True, word_boundaries=True),
        {"type": "phoneme", "string_to_replace": "tomato", "phoneme": "təˈmɑːtoʊ"}
        | {"alphabet": "ipa", "case_sensitive": True, "word_boundaries": True},
    ]
    assert dictionaries.from_lexicon(dictionaries.to_lexicon(rules).encode()) == rules


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"no", b"\xff\xfe\x00", b"<lexicon>",
        b'<!DOCTYPE l [<!ENTITY a "aaaa">]><lexicon>&a;</lexicon>',
        b"x" * (dictionaries.LARGEST_LEXICON + 1),
    ],
)  # fmt: skip
def test_what_is_no_lexicon_is_refused(raw: bytes) -> None:
    with pytest.raises(BadLexicon):
        dictionaries.from_lexicon(raw)
