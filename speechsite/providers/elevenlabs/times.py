"""Character times as ElevenLabs sends them, turned into word times.

The alignment names every character of the text that was sent, line after line.
Words are what stands between blanks, without the punctuation around it; in
scripts that write no blanks every character is a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from speechsite.providers.script import Script
from speechsite.providers.types import WordTime

_AHEAD = 3  # characters to look ahead when the alignment and the text disagree
_NO_BLANKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)

_RUN = re.compile(r"\S+")
# From the first to the last letter or digit of a run of ASCII.
_SPOKEN = re.compile(r"[A-Za-z0-9](?:\S*[A-Za-z0-9])?")

Column = tuple[str, int, int]  # character, start and end in ms
Timed = tuple[str, int, int, int]  # character, place in the order's text, start and end in ms


class WordTimer:
    """Fed with alignments as they arrive, gives the words that they complete."""

    def __init__(self, script: Script) -> None:
        self._text = script.text
        self._origin = script.origin
        self._at = 0
        self._end = next(
            (
                at
                for at in range(len(script.text), 0, -1)
                if script.text[at - 1].isalnum() or _is_mark(script.text[at - 1])
            ),
            0,
        )
        self._word: list[Timed] = []

    def feed(self, alignment: object) -> tuple[WordTime, ...]:
        """The words that end inside this piece of the alignment."""
        columns = _columns(alignment)
        words = tuple(self._plainly(columns) if self._is_plain(columns) else self._words(columns))
        # Nothing more can be said after the last letter.
        return words + self.rest() if self._at >= self._end else words

    def rest(self) -> tuple[WordTime, ...]:
        """The word that was still open when the sound ended."""
        word = _closed(self._word)
        self._word = []
        return (word,) if word else ()

    def _is_plain(self, columns: Sequence[Column]) -> bool:
        """Whether these are the next characters of the text, one by one, and all ASCII."""
        letters = "".join(column[0] for column in columns)
        at, size = self._at, len(columns)
        if not (letters.isascii() and len(letters) == size and self._text.startswith(letters, at)):
            return False
        origin = self._origin[at : at + size]
        return bool(origin) and origin == list(range(origin[0], origin[0] + size))

    def _plainly(self, columns: Sequence[Column]) -> Iterator[WordTime]:
        """What `_words` gives for plain columns, word by word instead of letter by letter."""
        letters, place = "".join(column[0] for column in columns), self._origin[self._at]
        self._at += len(columns)
        if self._begins_new_word(letters[0], place):
            yield from self.rest()
        for run in _RUN.finditer(letters):
            begin, end = run.span()
            if begin > 0:
                yield from self.rest()
            if self._word or end == len(letters):
                self._word += [
                    (letters[at], place + at, *columns[at][1:]) for at in range(begin, end)
                ]
            elif spoken := _SPOKEN.search(letters, begin, end):
                first, last = columns[spoken.start()], columns[spoken.end() - 1]
                yield WordTime(
                    place + spoken.start(), place + spoken.end(), first[1], max(last[2], first[1])
                )
        if letters[-1].isspace():
            yield from self.rest()

    def _words(self, columns: Sequence[Column]) -> Iterator[WordTime]:
        for index, (character, start, end) in enumerate(columns):
            following = columns[index + 1][0] if index + 1 < len(columns) else ""
            found = self._find(character, following)
            if not found or self._origin[found.start] < 0:
                continue
            # The text's own letters: the alignment may spell them another way.
            letter, place = self._text[found.start : found.stop], self._origin[found.start]
            if self._begins_new_word(letter, place):
                yield from self.rest()
            if not letter.isspace():
                self._word.append((letter, place, start, end))

    def _begins_new_word(self, character: str, place: int) -> bool:
        if character.isspace():
            return True
        if not self._word:
            return False
        last, last_place = self._word[-1][:2]
        if place != last_place + len(last):
            return True
        if _is_mark(character):
            return False
        return stands_alone(character) or stands_alone(last)

    def _find(self, character: str, following: str) -> range:
        """Where this character stands in the text that was sent; empty where it does not."""
        text = self._text
        if not text.startswith(character, self._at):
            self._skip_marks()
        at = self._at
        if text.startswith(character, at):
            return self._take(at, len(character))
        if character.isspace():
            return self._take(at, 1 if text[at : at + 1].isspace() else 0)
        if following and text.startswith(following, at + 1):
            return self._take(at, 1)
        for ahead in range(at + 1, at + 1 + _AHEAD):
            if text.startswith(character, ahead):
                return self._take(ahead, len(character))
        return range(0)

    def _skip_marks(self) -> None:
        while self._at < len(self._origin) and self._origin[self._at] < 0:
            self._at += 1

    def _take(self, at: int, length: int) -> range:
        self._at = at + length
        return range(at, at + length)


def stands_alone(character: str) -> bool:
    """Whether this character is a word in a script that writes no blanks."""
    point = ord(character[0])
    if point < _NO_BLANKS[0][0]:
        return False
    return any(first <= point <= last for first, last in _NO_BLANKS)


def _is_mark(letter: str) -> bool:
    """Whether it only changes the letter before it."""
    return not letter.isascii() and unicodedata.category(letter[0]).startswith("M")


def _closed(word: list[Timed]) -> WordTime | None:
    spoken = [index for index, timed in enumerate(word) if timed[0].isalnum()]
    if not spoken:
        return None
    # A mark belongs to the letter before it.
    last = spoken[-1]
    while last + 1 < len(word) and _is_mark(word[last + 1][0]):
        last += 1
    first = word[spoken[0]]
    return WordTime(
        start=first[1],
        end=word[last][1] + len(word[last][0]),
        start_ms=first[2],
        end_ms=max(word[last][3], first[2]),
    )


def _columns(alignment: object) -> list[Column]:
    """The three equal columns as rows; nothing where they are missing or do not fit."""
    if not isinstance(alignment, Mapping):
        return []
    characters, starts, ends = (
        alignment.get(name)
        for name in (
            "characters",
            "character_start_times_seconds",
            "character_end_times_seconds",
        )
    )
    if not all(isinstance(column, list) for column in (characters, starts, ends)):
        return []
    if not len(characters) == len(starts) == len(ends):  # type: ignore[arg-type]
        return []
    return [
        (character, round(start * 1000), round(end * 1000))
        for character, start, end in zip(characters, starts, ends, strict=True)  # type: ignore[arg-type]
        if isinstance(character, str) and character and _is_time(start) and _is_time(end)
    ]


def _is_time(value: Any) -> bool:
    # What is not a number, or not a finite one, is not between the two.
    return isinstance(value, int | float) and 0 <= value < 1e6
