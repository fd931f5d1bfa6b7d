from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechsite.audio.wording import Wording
from voices import pronunciation


def alias(word: str, spoken: str, **more: bool) -> dict[str, Any]:
    return {"type": "alias", "string_to_replace": word, "alias": spoken, **more}


def replaced(text: str, *rules: dict[str, Any], longest: int = 10_000) -> str:
    [made] = pronunciation.replaced_in_all([Wording(text)], rules, longest=longest)
    assert made.sent == text
    return made.spoken


def test_aliases_replace_words_once_and_whole() -> None:
    swapped = (alias("UN", "EU"), alias("EU", "UN"))
    assert replaced("The UN, the EU, the UNO.", *swapped) == "The EU, the UN, the UNO."
    anywhere = alias("un", "one", case_sensitive=False, word_boundaries=False)
    assert replaced("UNdo fun", anywhere) == "onedo fone"
    assert replaced("(a+)+", alias("(a+)+", "b", word_boundaries=False)) == "b"
    assert replaced("STRASSE \u0130x", alias("strasse", "road", case_sensitive=False)) == (
        "road \u0130x"
    )


def test_the_first_of_several_rules_counts() -> None:
    short, long = alias("a", "1", word_boundaries=False), alias("ab", "2", word_boundaries=False)
    assert replaced("ab", short, long) == "1b"
    assert replaced("ab", long, short) == "2"


WORDS = st.tuples(st.text("ab", min_size=1, max_size=3), st.booleans(), st.booleans())


@given(st.text("abA .", max_size=40), st.lists(WORDS, min_size=1, max_size=5))
def test_rules_fit_where_a_pattern_of_them_would(
    text: str, words: list[tuple[str, bool, bool]]
) -> None:
    rules = [
        alias(word, f"<{number}>", case_sensitive=is_exact, word_boundaries=is_whole)
        for number, (word, is_exact, is_whole) in enumerate(words)
    ]
    bounded = [(rf"(?<!\w){word}(?!\w)" if whole else word, exact) for word, exact, whole in words]
    pattern = "|".join(f"({word})" if exact else f"((?i:{word}))" for word, exact in bounded)
    wanted = re.sub(pattern, lambda found: f"<{(found.lastindex or 1) - 1}>", text)
    assert replaced(text, *rules) == wanted


def test_a_letter_that_stands_for_a_book_is_stopped_while_it_grows() -> None:
    rule = alias("a", "x" * 1000, word_boundaries=False)
    assert len(replaced("a" * 10, rule)) == 10_000
    with pytest.raises(pronunciation.TooLong):
        replaced("a" * 11, rule)
    # Three million times the text is never made: neither memory nor time would hold it.
    with pytest.raises(pronunciation.TooLong):
        replaced("a" * 1_000_000, alias("a", "x" * 3_000_000, word_boundaries=False))


def test_several_texts_share_what_they_may_grow_to() -> None:
    rules = [alias("a", "xxxx")]
    texts = [Wording("a"), Wording("a")]
    made = pronunciation.replaced_in_all(texts, rules, longest=8)
    assert [one.spoken for one in made] == ["xxxx", "xxxx"]
    with pytest.raises(pronunciation.TooLong):
        pronunciation.replaced_in_all(texts, rules, longest=7)


def test_rules_that_share_a_long_beginning_are_refused_and_not_searched_for_hours() -> None:
    rules = [alias("a" * n + "b", "x", word_boundaries=False) for n in range(1, 200)]
    with pytest.raises(pronunciation.TooMuchWork):
        replaced("a" * 100_000, *rules, longest=1_000_000)
