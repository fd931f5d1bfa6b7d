"""Every engine of this machine keeps the same promises: sound, words, cancelling, odd texts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from itertools import pairwise

import psutil
import pytest

from speechsite.providers.builtin import Builtin, engines, pool
from speechsite.providers.builtin.engine import Engine
from speechsite.providers.errors import Unclear
from speechsite.providers.types import Line, SpeechOrder, WordTime

VOICES = {"hibari": "heart", "espeak-ng": "en-us"}
ENGINES = pytest.mark.parametrize("engine", engines.ENGINES, ids=lambda one: one.name)
LONG = "It was a bright cold day in the valley, and the bells were ringing. " * 200


@pytest.fixture(autouse=True)
def _children_end() -> Iterator[None]:
    yield
    pool.close_all()


async def speak(text: str, voice: str, **more: object) -> tuple[float, list[WordTime]]:
    """Seconds of sound, and the words with their times."""
    size, rate, words = 0, 1, []
    order = SpeechOrder(text=text, voice=voice, model="m", key="k", **more)  # type: ignore[arg-type]
    async for chunk in Builtin().speak(order):
        size += len(chunk.audio)
        rate = int(chunk.format.removeprefix("pcm_"))
        words += chunk.words
    return size / 2 / rate, words


def said(text: str, engine: Engine, **settings: float) -> tuple[float, list[WordTime]]:
    return asyncio.run(speak(text, VOICES[engine.name], settings=settings))


def test_each_engine_has_a_voice_to_be_tested_with() -> None:
    assert {engine.name for engine in engines.ENGINES} == set(VOICES)
    assert all(engines.engine_of(VOICES[one.name]) is one for one in engines.ENGINES)


@ENGINES
def test_words_come_in_order_and_inside_the_sound(engine: Engine) -> None:
    text = "On 3/4/2024 at 7:30 pm, Dr. Smith paid $5.50 (twice!) for well-known “tea”."
    seconds, words = said(text, engine)
    assert [text[word.start : word.end] for word in words] == [
        "On", "3/4/2024", "at", "7:30", "pm", "Dr", "Smith", "paid", "$5.50", "twice", "for",
        "well-known", "tea",
    ]  # fmt: skip
    assert all(0 <= word.start_ms <= word.end_ms <= seconds * 1000 for word in words)
    assert all(a.end_ms <= b.start_ms + 1 for a, b in pairwise(words))
    assert 3 < seconds < 12


@ENGINES
def test_no_word_of_another_script_is_dropped(engine: Engine) -> None:
    text = "We say 你好 and привет and שלום here."
    seconds, words = said(text, engine)
    spoken = "".join(text[word.start : word.end] for word in words)
    assert spoken == "Wesay你好andприветandשלוםhere"
    assert all(a.end_ms <= b.start_ms + 1 for a, b in pairwise(words))
    without, _ = said("We say and and here.", engine)
    assert seconds > without + 0.6


@ENGINES
def test_a_pause_is_as_long_as_it_says(engine: Engine) -> None:
    apart = [said(f"good [pause:{ms}ms] day", engine)[1] for ms in (500, 1500)]
    gaps = [words[1].start_ms - words[0].end_ms for words in apart]
    assert gaps[1] - gaps[0] == pytest.approx(1000, abs=2)
    assert gaps[0] == pytest.approx(500, abs=80)


@ENGINES
def test_speed_changes_the_length(engine: Engine) -> None:
    text = "The quick brown fox jumps over the lazy dog."
    slow, usual, fast = (said(text, engine, speed=speed)[0] for speed in (0.5, 1.0, 2.0))
    assert slow > 1.5 * usual
    assert fast < 0.75 * usual


@ENGINES
@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "😀",
        "👨\u200d👩\u200d👧\u200d👦 🇩🇪",
        "...",
        "”",
        "***",
        "\0",
        "\ud800",
        "[word](/zzz/)",
    ],
)
def test_odd_texts_do_no_harm(engine: Engine, text: str) -> None:
    seconds, words = said(text, engine)
    assert seconds < 15
    assert all(0 <= word.start < word.end <= len(text) for word in words)
    assert said("hello", engine)[0] > 0.2


@ENGINES
def test_words_without_end_are_spoken_in_bounds(engine: Engine) -> None:
    seconds, words = said("a" * 500 + " Nopunctuation " * 100, engine)
    assert seconds > 20
    assert len(words) >= 101


@ENGINES
def test_a_million_characters_begin_at_once_and_can_be_given_up(engine: Engine) -> None:
    async def listen_a_little() -> list[int]:
        order = SpeechOrder(
            text=(LONG * 80)[:1_000_000], voice=VOICES[engine.name], model="m", key="k"
        )
        speech = Builtin().speak(order)
        assert (await anext(speech)).audio
        busy = engine.pool.children()
        await speech.aclose()
        return busy

    (child,) = asyncio.run(listen_a_little())
    assert not psutil.pid_exists(child)
    assert engine.pool.children() == []


@ENGINES
def test_a_child_that_is_killed_is_replaced(engine: Engine) -> None:
    async def killed() -> None:
        order = SpeechOrder(text=LONG, voice=VOICES[engine.name], model="m", key="k")
        async for _ in Builtin().speak(order):
            for child in engine.pool.children():
                os.kill(child, signal.SIGKILL)

    with pytest.raises(Unclear, match="stopped"):
        asyncio.run(killed())
    assert said("back again", engine)[0] > 0.3


def test_a_natural_voice_says_the_same_text_the_same_way() -> None:
    assert said("Once more, please.", engines.HIBARI) == said("Once more, please.", engines.HIBARI)


def test_a_dialogue_of_two_engines_has_one_rate_and_one_clock() -> None:
    lines = (Line("Hello there.", "heart"), Line("Good day", "en-gb"), Line("Bye", "heart"))
    text = "\n".join(line.text for line in lines)
    seconds, words = asyncio.run(speak(text, "", lines=lines))
    assert [text[word.start : word.end] for word in words] == text.replace(".", "").split()
    assert all(a.end_ms <= b.start_ms + 1 for a, b in pairwise(words))
    assert words[-1].end_ms <= seconds * 1000


def test_of_a_word_without_end_nothing_is_left_unread() -> None:
    glued = "thesoundcomeswhilethetextisstillbeingwritten"
    assert said(glued, engines.HIBARI)[0] > 1.6 * said(glued[:20], engines.HIBARI)[0]
