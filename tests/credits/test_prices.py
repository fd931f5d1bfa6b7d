"""Counting, quoting and sharing a quote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from speechsite.credits import prices
from speechsite.credits.errors import BadAmount
from speechsite.credits.models import Price

# name: text, code points, with Chinese characters as two. Written by hand, not computed.
COUNTED = {
    "nothing": ("", 0, 0),
    "ASCII": ("Hello, world!", 13, 13),
    "blanks at both ends": ("  hi \t", 6, 6),
    "only blanks": ("   ", 3, 3),
    "line ends": ("a\r\nb\nc\rd", 8, 8),
    "accents in one": ("caf\u00e9", 4, 4),
    "accents combined": ("cafe\u0301", 5, 5),
    "German": ("Straße", 6, 6),
    "Cyrillic": ("Привет", 6, 6),
    "Chinese": ("你好世界", 4, 8),
    "Chinese punctuation": ("你好，世界。", 6, 10),
    "traditional Chinese": ("繁體中文", 4, 8),
    "Chinese and Latin": ("用 AI 说话", 7, 10),
    "a zero": ("二〇二六", 4, 8),
    "extension A": ("\u3400\u4dbf", 2, 4),
    "extension B": ("\U00020000\U0002a6df", 2, 4),
    "extension G": ("\U00030000", 1, 2),
    "compatibility": ("\uf900", 1, 2),
    "edges of the basic block": ("\u4e00\u9fff", 2, 4),
    "just outside": ("\u33ff\u4dc0\ua000", 3, 3),
    "full width": ("ＡＢＣ１２３", 6, 6),
    "ideographic space": ("你\u3000好", 3, 5),
    "Japanese": ("日本語のテスト", 7, 10),
    "hiragana": ("ひらがな", 4, 4),
    "Korean": ("안녕하세요", 5, 5),
    "hangul in parts": ("\u1112\u1161\u11ab", 3, 3),
    "Arabic": ("مرحبا", 5, 5),
    "Arabic with marks": ("مَرْحَبًا", 9, 9),
    "Hebrew": ("שלום", 4, 4),
    "a mark for direction": ("\u200fשלום\u200e", 4, 4),
    "Hindi": ("नमस्ते", 6, 6),
    "Thai": ("สวัสดี", 6, 6),
    "emoji": ("😀", 1, 1),
    "a family": ("👨\u200d👩\u200d👧\u200d👦", 4, 4),
    "skin": ("👍🏽", 2, 2),
    "a flag": ("🇨🇳", 2, 2),
    "a heart": ("❤\ufe0f", 1, 1),
    "markup": ('<speak>Hi<break time="1s"/></speak>', 35, 35),
    "a pause": ("one<#0.5#>two", 13, 13),
    "a stage direction": ("[whispers] 来吧", 13, 15),
    "a byte order mark": ("\ufeffhi", 2, 2),
    "no width": ("a\u200bb\u2060c", 3, 3),
    "a soft hyphen": ("pro\u00adnounce", 9, 9),
    "Persian with a joiner": ("می\u200cخواهم", 7, 7),
    "another glyph": ("葛\U000e0100", 1, 2),
    "mathematics": ("𝒜𝒷", 2, 2),
}


def a_price(**figures: Any) -> Price:
    return Price(**{"model": "m", "unit": "character", "millicredits_per_unit": 6, **figures})


@pytest.mark.parametrize("name", COUNTED)
def test_characters_are_counted_as_each_maker_bills_them(name: str) -> None:
    text, plain, double = COUNTED[name]
    assert prices.count_units(a_price(), text) == plain
    assert prices.count_units(a_price(counting="cjk_double"), text) == double


@given(st.text(), st.text())
def test_counting_pieces_is_counting_the_whole(left: str, right: str) -> None:
    price = a_price(counting="cjk_double")
    apart = prices.count_units(price, left) + prices.count_units(price, right)
    assert prices.count_units(price, left + right) == apart


def test_a_quote_is_units_times_the_price() -> None:
    price = a_price()
    assert prices.quote(price, text="x" * 51) == prices.Quote(51, 306, price)


def test_a_quote_is_at_least_the_minimum_and_a_charge_is_not() -> None:
    price = a_price(minimum_millicredits=1_000)
    assert prices.quote(price, text="short").millicredits == 1_000
    assert prices.charge_for(price, 5) == 30
    assert prices.quote(price, text="x" * 200).millicredits == 1_200


@pytest.mark.parametrize(
    ("seconds", "units"), [(0, 0), (0.2, 1), (1, 1), (1.0004, 1), (1.01, 2), (59.999, 60)]
)
def test_a_second_begun_is_a_second(seconds: float, units: int) -> None:
    price = a_price(unit="second", millicredits_per_unit=100)
    assert prices.quote(price, seconds=seconds).millicredits == units * 100


def test_a_request_is_one_unit_whatever_it_says() -> None:
    assert prices.quote(a_price(unit="request"), text="long" * 99).units == 1


@pytest.mark.parametrize(
    "seconds",
    [None, -1, -0.1, float("nan"), float("inf"), True, "3", "1e9", Decimal(3)],
    ids=repr,
)
def test_what_is_not_a_length_has_no_price(seconds: Any) -> None:
    with pytest.raises(BadAmount):
        prices.quote(a_price(unit="second"), seconds=seconds)


def test_text_is_needed_where_characters_are_sold() -> None:
    with pytest.raises(BadAmount):
        prices.quote(a_price(), seconds=3)


@pytest.mark.parametrize("units", [-1, 1.0, float("nan"), "1e9", True, None], ids=repr)
def test_what_is_not_a_count_costs_nothing_but_an_error(units: Any) -> None:
    with pytest.raises(BadAmount):
        prices.charge_for(a_price(), units)
    with pytest.raises(BadAmount):
        prices.settled(a_price(), quoted_units=10, delivered_units=units, quoted=60)


@pytest.mark.parametrize(
    ("delivered", "charged"), [(0, 0), (1, 6), (9, 54), (10, 60), (11, 60), (10**18, 60)]
)
def test_what_was_delivered_is_charged_and_never_more_than_quoted(
    delivered: int, charged: int
) -> None:
    share = prices.settled(a_price(), quoted_units=10, delivered_units=delivered, quoted=60)
    assert share == charged


@pytest.mark.parametrize(("delivered", "charged"), [(1, 3), (2, 6), (3, 10)])
def test_what_is_less_than_a_millicredit_is_not_charged(delivered: int, charged: int) -> None:
    share = prices.settled(a_price(), quoted_units=3, delivered_units=delivered, quoted=10)
    assert share == charged


def test_half_of_a_minimum_is_charged_for_half_of_the_work() -> None:
    price = a_price(minimum_millicredits=1_000)
    assert prices.settled(price, quoted_units=10, delivered_units=5, quoted=1_000) == 500


def test_nothing_delivered_of_nothing_quoted_costs_nothing() -> None:
    assert prices.settled(a_price(), quoted_units=0, delivered_units=0, quoted=1_000) == 0


@pytest.mark.parametrize(("delivered", "charged"), [(0, 0), (1, 0), (2, 500)])
def test_a_request_is_charged_whole_or_not_at_all(delivered: int, charged: int) -> None:
    price = a_price(unit="request")
    assert prices.settled(price, quoted_units=2, delivered_units=delivered, quoted=500) == charged


@given(
    quoted_units=st.integers(0, 10**6),
    parts=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    quoted=st.integers(0, 10**12),
)
def test_more_delivered_never_costs_less(
    quoted_units: int, parts: tuple[int, int], quoted: int
) -> None:
    def settled(delivered: int) -> int:
        return prices.settled(
            a_price(), quoted_units=quoted_units, delivered_units=delivered, quoted=quoted
        )

    assert 0 <= settled(min(parts)) <= settled(max(parts)) <= quoted


def test_the_newest_valid_price_counts(db: None) -> None:
    now = timezone.now()
    for figure, moment in ((1, -2), (2, -1), (3, 1)):
        a_price(millicredits_per_unit=figure, valid_from=now + timedelta(days=moment)).save()
    assert prices.price_of("m").millicredits_per_unit == 2
    assert prices.price_of("m", now - timedelta(days=1.5)).millicredits_per_unit == 1
    assert prices.price_of("m", now + timedelta(days=2)).millicredits_per_unit == 3


def test_before_the_first_price_there_is_none(db: None) -> None:
    a_price().save()
    with pytest.raises(prices.NoPrice):
        prices.price_of("m", datetime(2001, 1, 1, tzinfo=UTC))
    with pytest.raises(prices.NoPrice):
        prices.price_of("something else")


def test_a_price_change_does_not_touch_work_under_way(db: None) -> None:
    old = a_price(valid_from=timezone.now() - timedelta(days=1))
    old.save()
    quoted = prices.quote(prices.price_of("m"), text="x" * 10)
    a_price(millicredits_per_unit=600).save()
    # Not even an edit of the very row, by somebody with a database shell.
    Price.objects.filter(pk=old.pk).update(millicredits_per_unit=600)
    old.refresh_from_db()

    def settled(delivered: int) -> int:
        return prices.settled(
            old,
            quoted_units=quoted.units,
            delivered_units=delivered,
            quoted=quoted.millicredits,
        )

    assert (settled(5), settled(10)) == (30, 60)


def test_default_prices_fill_only_gaps(db: None) -> None:
    own = a_price(model="builtin-speech", millicredits_per_unit=5)
    own.save()
    assert prices.load_default_prices() == len(prices.DEFAULTS) - 1
    assert prices.load_default_prices() == 0
    assert prices.price_of("builtin-speech") == own
    assert str(prices.price_of("elevenlabs-turbo-2-5")) == "elevenlabs-turbo-2-5: 6 m¢/character"


# Credits for 1,000 letters, and for 1,000 Chinese characters.
PRICE_LIST = {
    "elevenlabs-multilingual-v2": (12, 12),
    "elevenlabs-turbo-2-5": (6, 6),
    "elevenlabs-flash-2-5": (6, 6),
    "elevenlabs-v3": (12, 12),
    "elevenlabs-dialogue-v3": (14, 14),
    "minimax-speech-2.8-hd": (20, 40),
    "minimax-speech-2.8-turbo": (12, 24),
    "minimax-speech-2.6-hd": (20, 40),
    "minimax-speech-2.6-turbo": (12, 24),
    "minimax-speech-02-hd": (20, 40),
    "minimax-speech-02-turbo": (12, 24),
    "minimax-speech-01-hd": (20, 40),
    "minimax-speech-01-turbo": (12, 24),
    "builtin-natural": (1, 1),
    "builtin-speech": (1, 1),
}


def test_a_thousand_characters_at_the_default_prices(db: None) -> None:
    prices.load_default_prices()
    for model, costs in PRICE_LIST.items():
        price = prices.price_of(model)
        quoted = [prices.quote(price, text=one * 1000).millicredits for one in "x字"]
        assert quoted == [1000 * credits for credits in costs], model


@pytest.mark.parametrize(
    ("model", "millicredits"), [("elevenlabs-audio-isolation", 6_000), ("builtin-cleaning", 600)]
)
def test_a_minute_at_the_default_prices(db: None, model: str, millicredits: int) -> None:
    prices.load_default_prices()
    assert prices.quote(prices.price_of(model), seconds=60.0).millicredits == millicredits


@pytest.mark.parametrize(
    ("millicredits", "shown"),
    [
        (0, "0"),
        (1, "0.001"),
        (306, "0.306"),
        (500, "0.5"),
        (6_000, "6"),
        (10_050, "10.05"),
        (1_000_000, "1,000"),
        (1_234_567_890, "1,234,567.89"),
        (-6_500, "-6.5"),
        (10**18, "1,000,000,000,000,000"),
    ],
)
def test_credits_read_as_people_write_them(millicredits: int, shown: str) -> None:
    assert prices.format_credits(millicredits) == shown
