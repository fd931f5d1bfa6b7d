"""Character times become word times, and lost orders are found again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speechsite.providers import errors
from speechsite.providers.elevenlabs import ElevenLabs
from speechsite.providers.elevenlabs import sound as lines
from speechsite.providers.elevenlabs.times import WordTimer
from speechsite.providers.script import Script, Words
from speechsite.providers.types import (
    Chunk,
    Order,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
    WordTime,
)
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.upstream import Fault
from tests.providers.elevenlabs_talk import (
    LONG_AGO,
    ORDER,
    RACHEL,
    TALK,
    Wired,
    cleaning,
    heard,
    message,
    spoken,
    texts,
    using,
)

# Times


def test_words_refer_to_the_order_and_not_to_what_was_sent():
    order = replace(ORDER, text="One[pause:4s]two, [pause:1s] drei 四五。[pause:2s] six")
    chunks = spoken(FakeElevenLabs(), order)
    assert texts(order, chunks) == ["One", "two", "drei", "四", "五", "six"]


def test_marks_that_the_alignment_leaves_out_do_no_harm():
    text = 'One<break time="1s" /> two'
    script = Script(text, [0, 1, 2, *[-1] * 19, 14, 15, 16, 17])
    timer = WordTimer(script)
    words = timer.feed(aligned("One two"))
    assert [(word.start, word.end) for word in words] == [(0, 3), (15, 18)]


def aligned(text: str, start: int = 0) -> dict[str, Any]:
    return {
        "characters": list(text),
        "character_start_times_seconds": [(start + n) / 10 for n in range(len(text))],
        "character_end_times_seconds": [(start + n + 1) / 10 for n in range(len(text))],
    }


def words_of(text: str, cuts: list[int]) -> list[WordTime]:
    script = Script()
    script.add_words(Words(text, 0))
    timer = WordTimer(script)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    pieces = pairwise(edges)
    words = [word for a, b in pieces for word in timer.feed(aligned(text[a:b], a))]
    return [*words, *timer.rest()]


@given(
    st.text(alphabet="ab1 .,'-_\n\t\x1f你é", min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
    st.booleans(),
)
@example("one two", [], False)
@example("half a wo", [8], True)
@example("你a b_ _c", [1], False)
def test_plain_letters_are_read_as_all_others_are(text: str, cuts: list[int], has_marks: bool):
    origin = [place + (place > len(text) // 2) * has_marks for place in range(len(text))]

    def told(timer: WordTimer) -> list[WordTime]:
        places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
        pieces = [text[begin:end] for begin, end in pairwise(places)]
        words = [word for piece in pieces for word in timer.feed(aligned(piece))]
        return [*words, *timer.rest()]

    class Slow(WordTimer):
        def _is_plain(self, columns: Any) -> bool:
            return False

    assert told(WordTimer(Script(text, origin))) == told(Slow(Script(text, origin)))


@example("e\u0301", [1])
@given(st.text(max_size=40), st.lists(st.integers(0, 1000), max_size=5))
def test_where_lines_are_cut_changes_no_word(text: str, cuts: list[int]):
    whole = words_of(text, [])
    assert words_of(text, cuts) == whole
    assert all(text[word.start].isalnum() for word in whole)
    assert all(not set(text[word.start : word.end]) & set(" \n\t") for word in whole)


@given(st.text(alphabet="ab ,你é", max_size=30))
def test_every_letter_is_in_exactly_one_word(text: str):
    covered = [at for word in words_of(text, []) for at in range(word.start, word.end)]
    assert len(covered) == len(set(covered))
    assert {at for at, letter in enumerate(text) if letter.isalnum()} <= set(covered)


@pytest.mark.parametrize(
    "alignment",
    [
        None,
        [],
        {},
        {"characters": ["a"]},
        {**aligned("ab"), "characters": ["a"]},
        {**aligned("ab"), "character_start_times_seconds": [float("nan"), float("inf")]},
        {**aligned("ab"), "character_start_times_seconds": ["0", None]},
        {**aligned("ab"), "characters": [1, None]},
        {**aligned("ab"), "characters": "ab"},
    ],
)
def test_an_alignment_that_cannot_be_gives_no_words(alignment: Any):
    script = Script()
    script.add_words(Words("ab", 0))
    timer = WordTimer(script)
    assert timer.feed(alignment) + timer.rest() == ()


def timed_words(text: str, *characters: str) -> list[str]:
    """What the timer makes of an alignment that differs from the text."""
    script = Script()
    script.add_words(Words(text, 0))
    timer = WordTimer(script)
    count = range(len(characters))
    alignment = {
        "characters": list(characters),
        "character_start_times_seconds": [n / 10 for n in count],
        "character_end_times_seconds": [(n + 1) / 10 for n in count],
    }
    return [text[word.start : word.end] for word in (*timer.feed(alignment), *timer.rest())]


@pytest.mark.parametrize(
    ("text", "characters", "words"),
    [
        ("a\nb", "a b", ["a", "b"]),
        ("Hi you", " Hi you", ["Hi", "you"]),
        ("Hi 😀 you", ["H", "i", " ", "\ud83d", "\ude00", " ", "y", "o", "u"], ["Hi", "you"]),
        ("Hi «you» now", "Hi you now", ["Hi", "you", "now"]),
        ("caf\u00e9 ok", ["c", "a", "f", "e\u0301", " ", "o", "k"], ["caf\u00e9", "ok"]),
        ("cafe\u0301 ok", "cafe\u0301 ok", ["cafe\u0301", "ok"]),
        ("か\u3099く", "か\u3099く", ["か\u3099", "く"]),
        ("Hi you", "Hi \u2620\u2620\u2620\u2620", ["Hi"]),
        ("don't stop-start 3.5", "don't stop-start 3.5", ["don't", "stop-start", "3.5"]),
        ("AI技术", "AI技术", ["AI", "技", "术"]),
    ],
)
def test_small_differences_between_alignment_and_text_are_bridged(
    text: str, characters: Any, words: list[str]
):
    assert timed_words(text, *characters) == words


def test_the_last_word_of_a_short_alignment_is_told_at_the_end():
    line = json.dumps(message("with_timestamps.json")).encode()
    chunks = spoken(Wired(httpx.Response(200, content=line)), replace(ORDER, text="Hi you there"))
    assert [len(chunk.words) for chunk in chunks] == [1, 1]


def test_a_line_without_an_end_is_garbled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 100)
    with pytest.raises(errors.Garbled):
        spoken(Wired(httpx.Response(200, content=b"{" + b" " * 200)))


def test_speech_without_an_alignment_is_still_speech():
    chunks = spoken(FakeElevenLabs(gives_alignment=False))
    assert chunks
    assert texts(ORDER, chunks) == []


# Lost orders


def found(host: Any, order: Order, since: datetime = LONG_AGO) -> UpstreamEvent | None:
    return using(host, lambda api: api.find(order, since))


def test_an_order_is_found_by_voice_and_text_and_the_oldest_wins():
    host = Wired(httpx.Response(200, json=message("history.json")))
    event = found(host, replace(ORDER, model="eleven_multilingual_v2"))
    assert event is not None
    assert event.state is UpstreamState.SUCCEEDED
    assert event.result == ("older00000000000000a",)
    assert event.cost == 13
    assert dict(host.asked[0].url.params) == {
        "page_size": "100",
        "date_after_unix": str(int(LONG_AGO.timestamp())),
        "voice_id": RACHEL,
    }


def test_the_search_ends_after_ten_pages():
    page = {**message("history.json"), "has_more": True}
    host = Wired(httpx.Response(200, json=page))
    assert found(host, replace(ORDER, text="Never said.")) is None
    assert len(host.asked) == 10


def test_an_item_without_counts_has_no_cost():
    item = {"history_item_id": "x", "voice_id": RACHEL, "text": ORDER.text}
    event = found(Wired(httpx.Response(200, json={"history": [item, None]})), ORDER)
    assert event is not None
    assert event.cost is None


def test_an_event_without_an_item_has_nothing_to_fetch():
    event = UpstreamEvent(UpstreamState.SUCCEEDED, "x")
    with pytest.raises(errors.Garbled):
        using(FakeElevenLabs(), lambda api: heard(api.fetch(event, ORDER)))


def test_a_dialogue_is_found_by_its_turns():
    host = Wired(httpx.Response(200, json=message("history.json")))
    event = found(host, TALK)
    assert event is not None
    assert event.result == ("talk0000000000000000",)


@pytest.mark.parametrize(
    "order",
    [
        replace(ORDER, text="Good evening."),
        replace(ORDER, voice="JBFqnCBsd6RMkjVDRZzb", model="eleven_multilingual_v2"),
        replace(ORDER, model="eleven_turbo_v2_5"),
        replace(TALK, lines=TALK.lines[:1]),
    ],
)
def test_what_is_not_in_the_history_is_not_found(order: SpeechOrder):
    assert found(Wired(httpx.Response(200, json=message("history.json"))), order) is None


def test_a_lost_answer_is_found_again_and_fetched():
    fake = FakeElevenLabs(page_size=1, fault=Fault.DROP_AFTER, times=1)
    order = replace(ORDER, text="Good[pause:1s] morning.")

    async def story(api: ElevenLabs) -> list[Chunk]:
        with pytest.raises(errors.Unclear):
            await heard(api.speak(order))
        await heard(api.speak(replace(ORDER, text="Something else.")))
        event = await api.find(order, LONG_AGO)
        assert event is not None
        return await heard(api.fetch(event, order))

    chunks = using(fake, story)
    first = next(iter(fake.tasks.values()))
    assert b"".join(chunk.audio for chunk in chunks) == first.audio
    assert texts(order, chunks) == ["Good", "morning"]


def test_an_order_that_never_arrived_is_not_found():
    fake = FakeElevenLabs(fault=Fault.DROP_BEFORE)

    async def story(api: ElevenLabs) -> UpstreamEvent | None:
        with pytest.raises(errors.Unclear):
            await heard(api.speak(ORDER))
        return await api.find(ORDER, LONG_AGO)

    assert using(fake, story) is None


def test_a_cleaning_cannot_be_told_from_others(tmp_path: Path):
    with pytest.raises(errors.Unsupported):
        found(FakeElevenLabs(), cleaning(tmp_path))


def test_an_item_that_is_gone_is_garbled():
    event = UpstreamEvent(UpstreamState.SUCCEEDED, "gone", result=("gone",))
    with pytest.raises(errors.Garbled):
        using(FakeElevenLabs(), lambda api: heard(api.fetch(event, ORDER)))


@pytest.mark.parametrize(
    ("asked", "kept", "kind", "name"),
    [
        ("pcm_22050", None, "audio/mpeg", "mp3_44100_128"),
        ("pcm_22050", "pcm_22050", "audio/pcm", "pcm_22050"),
        ("mp3_22050_32", None, "audio/mpeg", "mp3_22050_32"),
    ],
)
def test_the_history_tells_the_truth_about_its_format(
    asked: str, kept: str | None, kind: str, name: str
):
    host = Wired(httpx.Response(200, headers={"content-type": kind}, content=b"sound"))
    event = UpstreamEvent(
        UpstreamState.SUCCEEDED, "item", result=("item",), raw={"output_format": kept}
    )
    order = replace(ORDER, output_format=asked)
    chunks = using(host, lambda api: heard(api.fetch(event, order)))
    assert [chunk.format for chunk in chunks] == [name]
