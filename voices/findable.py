"""What a voice is found by: everything that is said of it, in plain letters.

The words are kept beside the voice, so that a search is one comparison a row. A language is
there by its code, by its name in English and by its own name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from voices.languages import SAME

if TYPE_CHECKING:
    from voices.models import Voice

MOST_WORDS = 8  # of a search
# What people of a place are called where voices say only the place.
PEOPLE = {
    "AU": "Australian", "BR": "Brazilian", "CA": "Canadian", "CN": "Chinese", "GB": "British",
    "IE": "Irish", "IN": "Indian", "MX": "Mexican", "NZ": "New Zealand", "PT": "Portuguese",
    "US": "American", "ZA": "South African",
}  # fmt: skip


def folded(text: str) -> str:
    """Lower case without accents, so that "francais" finds "français" and the other way round."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def words(query: str) -> list[str]:
    """The words of a search as they are looked for."""
    return folded(query).split()[:MOST_WORDS]


def text_of(voice: Voice) -> str:
    """All that a voice can be found by."""
    codes = dict.fromkeys([voice.language, *voice.languages])
    told = [
        voice.name, voice.external_id, voice.gender, voice.age, voice.accent, voice.use_case,
        voice.category, voice.family, voice.description,
        *map(str, voice.labels.values()),
        *(name for code in codes if code for name in _names(code)),
    ]  # fmt: skip
    return " ".join(dict.fromkeys(folded(one) for one in told if one))


@lru_cache(maxsize=1024)
def _names(code: str) -> tuple[str, ...]:
    return tuple(_all_names(code))


def _all_names(code: str) -> Iterator[str]:
    """A tag, the tag that it stands for, its names in English and its own, and its people."""
    yield code
    language, _, rest = code.replace("_", "-").partition("-")
    known = SAME.get(language, language)
    likely = get_global("likely_subtags").get(known, "")
    region = rest.rpartition("-")[2].upper() if rest else likely.rpartition("_")[2]
    yield f"{known}-{region}"
    for reader in ("en", known):
        locale = _locale(reader)
        if locale is not None:
            yield locale.languages.get(known, "")
            yield locale.territories.get(region, "") if rest else ""
    yield PEOPLE.get(region, "") if rest else ""


def _locale(reader: str) -> Locale | None:
    try:
        return Locale.parse(reader)
    except (UnknownLocaleError, ValueError):
        return None
