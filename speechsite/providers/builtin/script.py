"""A text becomes steps for the child; what the child heard becomes word times.

Pauses are silence and never spoken, nor is what draws nothing or only marks the text up:
tags, entities, emoji (`unspoken`). Positions stay those of the whole text.
espeak-ng reports characters, not words, and skips or repeats some: words are
found here by their white space, and what it heard is hung on them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import regex

from speechsite.audio import pauses
from speechsite.providers.builtin import unspoken

PIECE = 300  # characters after which a step ends at the next sentence
LONGEST_PIECE = 600  # espeak-ng counts characters in a clause with few bits

_SENTENCE_END = re.compile(r"\n\s*\n|[.!?…]+[\"'”’)\]]*\s|[。！？；]+[”’」』）]*|\n")
# Written without spaces: Thai to Myanmar, Khmer, kana, Han, and their punctuation.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    r"\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff01-\uff0f\uff1a-\uff20"
    r"\uff3b-\uff40\uff5b-\uff9f\U00020000-\U0003ffff"
)
_WORD = regex.compile(
    rf"(?V1)[[{_UNSPACED}]--\p{{M}}][\p{{M}}\u200c\u200d\ufe0e\ufe0f]*|[^\s{_UNSPACED}]+|\S"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One step: `text` starts at `offset` of the whole text, or is silence.

    Where something of it is not spoken, `places` says where each character that is stood.
    """

    text: str
    offset: int
    pause_ms: int = 0
    places: Sequence[int] | None = None

    def place(self, position: int) -> int:
        """Where a character of the step stands in the whole text."""
        return self.offset + (position if self.places is None else self.places[position])

    def part(self, start: int, end: int) -> Piece:
        """Some of the step, as a step of its own."""
        text = self.text[start:end]
        if self.places is None:
            return replace(self, text=text, offset=self.offset + start)
        return replace(self, text=text, places=self.places[start:end])


def pieces(text: str, offset: int = 0) -> Iterator[Piece]:
    """Cut a text at its pauses and, when long, between sentences."""
    done = 0
    for pause in pauses.find(text):
        yield from _spoken(text, done, pause.start, offset)
        yield Piece("", offset + pause.start, pause.ms)
        done = pause.end
    yield from _spoken(text, done, len(text), offset)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where words stand: between white space, or single letters where there is none."""
    spans: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        while start < end and _is_punctuation(text[start]):
            start += 1
        while end > start and _is_punctuation(text[end - 1]):
            end -= 1
        if start < end:
            spans.append((start, end))
    return spans


def _spoken(text: str, start: int, end: int, offset: int) -> Iterator[Piece]:
    while start < end:
        stop = _piece_end(text, start, end)
        said, places = unspoken.left_out(text[start:stop])
        if said and not said.isspace():
            yield Piece(said, offset + start, places=places)
        start = stop


def _piece_end(text: str, start: int, end: int) -> int:
    if end - start <= PIECE:
        return end
    limit = min(start + LONGEST_PIECE, end)
    sentence = _SENTENCE_END.search(text, start + PIECE, limit)
    if sentence:
        return sentence.end()
    if limit == end:
        return end
    for place in range(limit, start + PIECE, -1):
        if text[place - 1].isspace():
            return place
    while limit < end and limit < start + LONGEST_PIECE + 50 and _joins(text[limit]):
        limit += 1
    return limit


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PZC"


def _joins(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in "\u200c\u200d\ufe0e\ufe0f"
