"""The text as a provider gets it, and where each of its characters came from.

Pauses, written in any of the ways that `pauses` knows, become the provider's own mark. Times that come
back count in the text that was sent; `Script.origin` leads them home to the
order's text. Which mark a provider takes is its adapter's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from speechsite.audio import pauses


@dataclass(frozen=True, slots=True)
class Words:
    """A stretch of text that starts at `at` in the order's text."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Pause:
    """A silence that the author asked for."""

    seconds: Decimal


@dataclass(slots=True)
class Script:
    """What is sent. `origin[i]` is where its character i stands in the order, -1 for a mark."""

    text: str = ""
    origin: list[int] = field(default_factory=list)

    def add_words(self, words: Words) -> None:
        self.text += words.text
        self.origin.extend(range(words.at, words.at + len(words.text)))

    def add_mark(self, mark: str) -> None:
        self.text += mark
        self.origin.extend([-1] * len(mark))


def parts(text: str) -> Iterator[Words | Pause]:
    """The text cut at its pauses, in order; nothing of it is lost but the pause marks."""
    at = 0
    for mark in pauses.find(text):
        if mark.start > at:
            yield Words(text[at : mark.start], at)
        yield Pause(Decimal(mark.ms) / 1000)
        at = mark.end
    if at < len(text):
        yield Words(text[at:], at)


def is_speakable(text: str) -> bool:
    """Whether there is anything in it that a voice could say."""
    return any(character.isalnum() for character in text)
