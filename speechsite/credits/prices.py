"""What work costs: counting units, quoting, and the share of a quote that was delivered.

Prices are rows that are added, never edited: the newest valid one counts, and a
job keeps the one it was quoted. Nothing here moves credits.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import CharField, DateTimeField
from django.utils import timezone

from speechsite.audio import markup
from speechsite.core import sql
from speechsite.credits.errors import BadAmount, NoPrice
from speechsite.credits.models import MILLI, Price
from speechsite.upstreams import catalogue
from speechsite.upstreams.models import Offer

__all__ = [
    "NoPrice",
    "Quote",
    "charge_for",
    "count_units",
    "format_credits",
    "load_default_prices",
    "price_of",
    "quote",
    "settled",
]

# Fixed, so that two processes which load the defaults at once meet at the same row.
FROM_THE_START = datetime(2000, 1, 1, tzinfo=UTC)

# model: unit, millicredits per unit, counting. 12 credits per 1,000 characters are 12 here.
_CHARACTER, _SECOND = Price.Unit.CHARACTER, Price.Unit.SECOND
_CODE_POINTS, _CJK_DOUBLE = Price.Counting.CODE_POINTS, Price.Counting.CJK_DOUBLE
DEFAULTS: dict[str, tuple[Price.Unit, int, Price.Counting]] = {
    "elevenlabs-multilingual-v2": (_CHARACTER, 12, _CODE_POINTS),
    "elevenlabs-turbo-2-5": (_CHARACTER, 6, _CODE_POINTS),
    "elevenlabs-flash-2-5": (_CHARACTER, 6, _CODE_POINTS),
    "elevenlabs-v3": (_CHARACTER, 12, _CODE_POINTS),
    "elevenlabs-dialogue-v3": (_CHARACTER, 14, _CODE_POINTS),
    "elevenlabs-audio-isolation": (_SECOND, 100, _CODE_POINTS),
    "minimax-speech-2.8-hd": (_CHARACTER, 20, _CJK_DOUBLE),
    "minimax-speech-2.8-turbo": (_CHARACTER, 12, _CJK_DOUBLE),
    "minimax-speech-2.6-hd": (_CHARACTER, 20, _CJK_DOUBLE),
    "minimax-speech-2.6-turbo": (_CHARACTER, 12, _CJK_DOUBLE),
    "minimax-speech-02-hd": (_CHARACTER, 20, _CJK_DOUBLE),
    "minimax-speech-02-turbo": (_CHARACTER, 12, _CJK_DOUBLE),
    "minimax-speech-01-hd": (_CHARACTER, 20, _CJK_DOUBLE),
    "minimax-speech-01-turbo": (_CHARACTER, 12, _CJK_DOUBLE),
    "builtin-natural": (_CHARACTER, 1, _CODE_POINTS),
    "builtin-speech": (_CHARACTER, 1, _CODE_POINTS),
    "builtin-cleaning": (_SECOND, 10, _CODE_POINTS),
}

# Of a model that a speech server brought, whose name is not known before; and what costs more.
SERVED_DEFAULT = 2
SERVED_DEFAULTS = {"openai-tts-1-hd": 5}

# Ideographs: the basic block, extension A, the compatibility block, the zero, and the
# two planes set aside for rarer ones. Kana, hangul and punctuation are billed as one.
_CHINESE_RUN = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")


_VALID = sql.Query(
    lambda model, at: Price.objects.filter(model=model, valid_from__lte=at).order_by("-valid_from")[
        :1
    ],
    CharField(),
    DateTimeField(),
)


@dataclass(frozen=True)
class Quote:
    """What work will cost at most, and the price that says so."""

    units: int
    millicredits: int
    price: Price


def price_of(model_slug: str, at: datetime | None = None) -> Price:
    """The price of a model that is valid now, or was at a moment. Raises NoPrice.

    A model that a speech server brought gets its default when it is first asked for.
    """
    price = _VALID.first(model_slug, at or timezone.now())
    if price is None and catalogue.is_served(model_slug):
        price = _first_price(model_slug)
    if price is None:
        raise NoPrice(model_slug)
    return price


def quote(price: Price, *, text: str | None = None, seconds: float | None = None) -> Quote:
    """The price of a piece of work before it starts, with the price's minimum."""
    units = _units(price, text=text, seconds=seconds)
    return Quote(units, max(charge_for(price, units), price.minimum_millicredits), price)


def count_units(price: Price, text: str) -> int:
    """How many characters a text is billed as: code points, however many bytes or glyphs.

    Those that draw nothing do not count.
    """
    text = markup.countable(text)
    if price.counting == Price.Counting.CJK_DOUBLE:
        return 2 * len(text) - len(_CHINESE_RUN.sub("", text))
    return len(text)


def charge_for(price: Price, units: int) -> int:
    """Units at the price's rate, without its minimum."""
    return _whole(units) * price.millicredits_per_unit


def settled(price: Price, *, quoted_units: int, delivered_units: int, quoted: int) -> int:
    """What to charge for what was delivered: the same share of the quote.

    A share of the quote, so that a row edited by hand cannot change work under way.
    All delivered is exactly the quote, and nothing is ever above it.
    """
    quoted_units, delivered, quoted = map(_whole, (quoted_units, delivered_units, quoted))
    if delivered >= quoted_units:
        return quoted if delivered else 0
    # A request is delivered whole or not at all.
    if price.unit == Price.Unit.REQUEST:
        return 0
    return quoted * delivered // quoted_units


def load_default_prices() -> int:
    """Give every known model without a price its default; returns how many were missing."""
    priced = set(Price.objects.filter(model__in=DEFAULTS).values_list("model", flat=True))
    missing = [model for model in DEFAULTS if model not in priced]
    for model in missing:
        unit, millicredits, counting = DEFAULTS[model]
        Price.objects.get_or_create(
            model=model,
            valid_from=FROM_THE_START,
            defaults={"unit": unit, "millicredits_per_unit": millicredits, "counting": counting},
        )
    return len(missing)


def format_credits(millicredits: int) -> str:
    """Credits as people read them: "6", "0.306", "1,000"."""
    whole, thousandths = divmod(abs(millicredits), MILLI)
    sign = "-" if millicredits < 0 else ""
    return f"{sign}{whole:,}.{thousandths:03}".rstrip("0").rstrip(".")


def _first_price(model_slug: str) -> Price | None:
    """The default price of a model that some speech server has, written down."""
    if not Offer.objects.filter(model=model_slug).exists():
        return None
    millicredits = SERVED_DEFAULTS.get(model_slug, SERVED_DEFAULT)
    price, _ = Price.objects.get_or_create(
        model=model_slug,
        valid_from=FROM_THE_START,
        defaults={
            "unit": _CHARACTER,
            "millicredits_per_unit": millicredits,
            "counting": _CODE_POINTS,
        },
    )
    return price


def _units(price: Price, *, text: str | None, seconds: float | None) -> int:
    if price.unit == Price.Unit.REQUEST:
        return 1
    if price.unit == Price.Unit.SECOND:
        return _started_seconds(seconds)
    if text is None:
        raise BadAmount("this price is for text")
    return count_units(price, text)


def _started_seconds(seconds: float | None) -> int:
    """Every second that was begun; a thousandth over is the decoder's rounding."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise BadAmount("this price is for seconds")
    if not math.isfinite(seconds) or seconds < 0:
        raise BadAmount(f"{seconds!r} is not a length")
    return math.ceil(round(seconds, 3))


def _whole(figure: int) -> int:
    if type(figure) is not int or figure < 0:
        raise BadAmount(f"{figure!r} is not a count")
    return figure
