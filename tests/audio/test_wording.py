from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speechsite.audio.captions import TimedWord
from speechsite.audio.wording import Change, Wording, joined

LETTERS = st.text(st.sampled_from("ab 你👨\u200d\u00ad\U0001d11e"), max_size=30)


@st.composite
def changes_of(draw: st.DrawFn, text: str) -> list[Change]:
    """Some stretches of a text, and what is said instead."""
    places = draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True).map(sorted))
    pairs = zip(places[::2], places[1::2], strict=False)
    return [(start, end, draw(LETTERS)) for start, end in pairs]


@st.composite
def wordings(draw: st.DrawFn) -> Wording:
    sent = draw(LETTERS)
    wording = Wording(sent, tuple(draw(changes_of(sent))))
    return wording.then(draw(changes_of(wording.spoken)))


@st.composite
def timed(draw: st.DrawFn) -> tuple[Wording, list[TimedWord]]:
    wording = draw(wordings())
    places = draw(st.lists(st.integers(0, len(wording.spoken)), max_size=10, unique=True))
    places.sort()
    pairs = zip(places[::2], places[1::2], strict=False)
    return wording, [TimedWord(a, b, a * 10, b * 10) for a, b in pairs]


def test_a_replaced_word_keeps_its_time() -> None:
    wording = Wording("One potato.", ((4, 10, "big tomato"),))
    assert wording.spoken == "One big tomato."
    words = [TimedWord(0, 3, 0, 100), TimedWord(4, 7, 150, 200), TimedWord(8, 14, 250, 400)]
    assert wording.words_sent(words) == [TimedWord(0, 3, 0, 100), TimedWord(4, 10, 150, 400)]


def test_what_is_not_spoken_belongs_to_the_word_around_it() -> None:
    wording = Wording("\ufeffpro\u00adnounce it", ((0, 1, ""), (4, 5, "")))
    assert wording.spoken == "pronounce it"
    words = [TimedWord(0, 9, 0, 500), TimedWord(10, 12, 600, 700)]
    assert wording.words_sent(words) == [TimedWord(1, 11, 0, 500), TimedWord(12, 14, 600, 700)]


def test_later_changes_may_lie_across_earlier_ones() -> None:
    wording = Wording("the UN here", ((4, 6, "United Nations"),))
    again = wording.then([(0, 10, "a united")])
    assert again.changes == ((0, 6, "a united Nations"),)
    assert again.spoken == "a united Nations here"


@given(st.data())
def test_changes_one_after_the_other_are_the_same_at_once(data: st.DataObject) -> None:
    first = data.draw(wordings())
    later = data.draw(changes_of(first.spoken))
    both = first.then(later)
    assert both.sent == first.sent
    assert both.spoken == Wording(first.spoken, tuple(later)).spoken
    at = 0
    for start, end, _said in both.changes:
        assert at <= start < end <= len(both.sent)
        at = end


@given(timed())
def test_times_of_what_was_sent_follow_each_other(given: tuple[Wording, list[TimedWord]]) -> None:
    wording, words = given
    found = wording.words_sent(words)
    at, at_ms = 0, 0
    for word in found:
        assert at <= word.start < word.end <= len(wording.sent)
        assert at_ms <= word.start_ms <= word.end_ms
        at, at_ms = word.end, word.end_ms
    if words and found:
        assert (found[0].start_ms, found[-1].end_ms) == (words[0].start_ms, words[-1].end_ms)


@given(wordings(), st.data())
def test_what_stayed_as_it_was_is_found_again(wording: Wording, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, max(len(wording.spoken) - 1, 0)))
    changed = any(begins <= place < ends for _s, _e, begins, ends in wording.spans)
    if wording.spoken and not changed:
        assert wording.sent[wording.begins_at(place)] == wording.spoken[place]
        assert wording.ends_at(place + 1) == wording.begins_at(place) + 1


@given(st.lists(wordings(), max_size=4))
def test_several_in_a_row(several: list[Wording]) -> None:
    whole = joined(several, "\n")
    assert whole.sent == "\n".join(one.sent for one in several)
    assert whole.spoken == "\n".join(one.spoken for one in several)
