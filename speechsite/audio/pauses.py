"""The one way in which pauses are written in a text, whoever speaks it.

`[pause:1.5s]`, `[pause:300ms]`, `<break time="1.5s"/>` and `<#1.5#>` are understood, in any
case and with blanks inside. A number without a unit is seconds. Captions hide these marks,
the built-in voice keeps silent for them, and adapters write them as their provider does.
Every pattern is bounded, so hostile text costs no more than any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

LONGEST_MS = 60_000  # of one pause; a provider may keep less

_NUMBER = r"\d{1,9}(?:\.\d{0,9})?"
_GAP = r"\s{0,8}"
_PAUSE = regex.compile(
    rf"\[{_GAP}pause{_GAP}[:=]{_GAP}(?P<count>{_NUMBER}){_GAP}(?P<unit>ms|s)?{_GAP}\]"
    rf"|<{_GAP}break\s{{1,8}}time{_GAP}={_GAP}[\"']{_GAP}(?P<count>{_NUMBER}){_GAP}"
    rf"(?P<unit>ms|s)?{_GAP}[\"']{_GAP}(?:/{_GAP}>|>(?:{_GAP}</break>)?)"
    rf"|<#{_GAP}(?P<count>{_NUMBER}){_GAP}#>",
    regex.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Pause:
    """text[start:end] is the mark of a silence."""

    start: int
    end: int
    ms: int


def find(text: str) -> Iterator[Pause]:
    """The pauses of a text, in order."""
    for mark in _PAUSE.finditer(text):
        factor = 1 if (mark["unit"] or "s").lower() == "ms" else 1000
        ms = min(round(float(mark["count"]) * factor), LONGEST_MS)
        yield Pause(mark.start(), mark.end(), ms)


def total_ms(text: str) -> int:
    """How long all pauses of a text may last, each as the most patient voice keeps it."""
    return sum(pause.ms for pause in find(text))


def blanked(text: str) -> str:
    """The text with blanks in place of its pauses, so that positions stay true."""
    return str(_PAUSE.sub(lambda mark: " " * len(mark.group()), text))
