"""Names of languages, in the language of the reader."""

from __future__ import annotations

from functools import lru_cache

from babel import Locale, UnknownLocaleError
from django.utils.translation import get_language

SAME = {"cmn": "zh", "nb": "no"}  # codes that readers know by another name


def language_name(code: str) -> str:
    """'pt-BR' as 'Portuguese (Brazil)'; a code nobody knows stays as it is."""
    return _name(code, get_language() or "en")


def language_of(tag: str) -> str:
    """The bare code of a tag, 'pt' of 'pt-BR': what voices are grouped by."""
    return tag.replace("_", "-").partition("-")[0].lower()


@lru_cache(maxsize=4096)
def _name(code: str, reader: str) -> str:
    language, _, region = code.replace("_", "-").partition("-")
    locale = _locale(reader)
    name = locale.languages.get(SAME.get(language, language))
    if name is None:
        return code
    place = locale.territories.get(region.upper()) if len(region) == 2 else None
    return f"{name} ({place})" if place else name


def _locale(reader: str) -> Locale:
    try:
        return Locale.parse(
            {"zh-hans": "zh_Hans", "zh-hant": "zh_Hant"}.get(reader, reader), sep="_"
        )
    except (UnknownLocaleError, ValueError):
        return Locale("en")
