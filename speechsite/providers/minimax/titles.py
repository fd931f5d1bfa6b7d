"""Sentence times from a `.titles` file, led home to the order's text.

The file's own positions count differently from model to model, so a sentence
is looked up by its letters: blanks and pause marks are left out of both sides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from speechsite.providers.script import Script
from speechsite.providers.types import WordTime

_MARK = re.compile(r"<#[0-9.]{1,8}#>")
_FURTHEST = 2000  # letters that may be missing between two sentences


def read(titles: Any, sent: Script) -> tuple[WordTime, ...]:
    """The sentences that are found in the text, in order."""
    return tuple(_sentences(titles, sent)) if isinstance(titles, list) else ()


def _sentences(titles: list[Any], sent: Script) -> Iterator[WordTime]:
    letters, places = _letters(sent)
    cursor = 0
    for sentence in titles:
        if not isinstance(sentence, Mapping):
            continue
        wanted = "".join(_MARK.sub("", str(sentence.get("text") or "")).split())
        times = _times(sentence)
        at = letters.find(wanted, cursor, cursor + len(wanted) + _FURTHEST) if wanted else -1
        if at < 0 or times is None:
            continue
        cursor = at + len(wanted)
        yield WordTime(places[at], places[cursor - 1] + 1, *times)


def _letters(sent: Script) -> tuple[str, list[int]]:
    kept = [
        (letter, place)
        for letter, place in zip(sent.text, sent.origin, strict=True)
        if place >= 0 and not letter.isspace()
    ]
    return "".join(letter for letter, _ in kept), [place for _, place in kept]


def _times(sentence: Mapping[str, Any]) -> tuple[int, int] | None:
    times = (sentence.get("time_begin"), sentence.get("time_end"))
    for time in times:
        if not isinstance(time, int | float) or not math.isfinite(time) or not 0 <= time < 1e9:
            return None
    begin, end = (round(time) for time in times)  # type: ignore[arg-type]
    return (begin, end) if begin <= end else None
