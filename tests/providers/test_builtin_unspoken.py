"""What only draws or marks up is neither spoken nor a break, and words stay where they stood."""

from __future__ import annotations

import time

import pytest

from speechsite.providers.builtin import script, unspoken
from tests.providers.test_builtin import said

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (
            "The pro\u200bnun\u200bcia\u200btion is gen\u200ber\u200bal\u200bly fine.",
            "The pronunciation is generally fine.",
        ),
        ("The pro\u00adnun\u00adcia\u00adtion is fine.", "The pronunciation is fine."),
        ("Fish &amp; chips &lt;3 &quot;yes&quot;", 'Fish & chips <3 "yes"'),
        ("<speak>Hello <emphasis>you</emphasis></speak>", "Hello you"),
        (f"Hi {FAMILY} there \U0001f1e9\U0001f1ea you", "Hi there you"),
    ],
)
def test_it_sounds_like_the_plain_text(text: str, plain: str) -> None:
    assert said(text).ms == pytest.approx(said(plain).ms, rel=0.05)


def test_times_lead_to_the_places_in_the_text_as_it_was_sent() -> None:
    text = "<speak>Fish &amp; pro\u200bnun\u200bce <b>it</b> well</speak>"
    words = [text[word.start : word.end] for word in said(text).words]
    assert words == ["Fish", "pro\u200bnun\u200bce", "it", "well"]


def test_a_part_of_a_step_knows_where_it_stood() -> None:
    text = "<b>one</b> &amp; два, three"
    [piece] = script.pieces(text, offset=100)
    at = piece.text.index("два")
    part = piece.part(at, at + 3)
    assert part.text == "два"
    assert part.place(0) == 100 + text.index("два")
    assert piece.part(0, 3).place(2) == 100 + text.index("one") + 2


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("5 < 6 and 7 > 2", "5 < 6 and 7 > 2"),
        ("a <b", "a <b"),
        ("AT&T; R&D", "AT&T; R&D"),
        ("un<b>believ</b>able", "unbelievable"),
        ("<p>one</p><p>two</p>", " one  two "),
        ("#1 and ©2024", "#1 and ©2024"),
    ],
)
def test_only_markup_is_left_out(text: str, spoken: str) -> None:
    assert unspoken.left_out(text)[0] == spoken


@pytest.mark.parametrize("unit", ["<", "<a ", "&", "&a", "<!--", f"{FAMILY}", "</", "\u200b"])
def test_hostile_text_takes_a_moment(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    begun = time.process_time()
    unspoken.left_out(text)
    assert time.process_time() - begun < 2
