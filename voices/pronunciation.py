"""How the rules of a dictionary change a text. Pure: no database.

The time grows with the length of the text, however many rules there are and whatever they
say, and no text is made that is longer than its caller allows: both are counted on the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from speechsite.audio.wording import Change, Wording

Rule = Mapping[str, Any]
Trie = dict[str, Any]
# One step is one letter looked up. People's dictionaries need about two for a letter.
STEPS_PER_LETTER = 8
STEPS_AT_LEAST = 10_000
WHOLE, INSIDE = "whole", "inside"


class TooLong(Exception):
    """What the rules make of the text is longer than it may be."""


class TooMuchWork(Exception):
    """The rules are made so that nobody could look them up in time."""


def replaced_in_all(
    texts: Sequence[Wording], rules: Iterable[Rule], *, longest: int
) -> list[Wording]:
    """The texts with their aliases put in, in one pass: an alias is not replaced again.

    Where several rules fit, the first of them counts. Phoneme rules have no effect: the
    models that we reach skip them. Together at most `longest` characters are spoken.
    Raises TooLong and TooMuchWork.
    """
    aliases = [rule for rule in rules if rule["type"] == "alias"]
    if not aliases:
        return list(texts)
    finder = _Finder(aliases)
    made: list[Wording] = []
    for text in texts:
        made.append(text.then(_changes(text.spoken, finder, longest)))
        longest -= len(made[-1].spoken)
    return made


def _changes(text: str, finder: _Finder, longest: int) -> list[Change]:
    made: list[Change] = []
    length = len(text)
    for start, rule in finder.find(text):
        end = start + len(rule["string_to_replace"])
        made.append((start, end, rule["alias"]))
        length += len(rule["alias"]) - (end - start)
        # What follows may still become shorter: only what is certain by now is too long.
        if length - (len(text) - end) > longest:
            raise TooLong
    if length > longest:
        raise TooLong
    return made


class _Finder:
    """Where which rule fits, from left to right and without overlap."""

    def __init__(self, aliases: Sequence[Rule]) -> None:
        self.aliases = aliases
        self.begins = _beginning(aliases)
        self.left = STEPS_AT_LEAST
        kinds: tuple[tuple[Callable[[str], str], bool], ...] = ((str, True), (_folded, False))
        tries = [(fold, _trie(aliases, fold, is_exact=is_exact)) for fold, is_exact in kinds]
        self.tries = [(fold, trie) for fold, trie in tries if trie]

    def find(self, text: str) -> Iterator[tuple[int, Rule]]:
        """Where which rule fits in this text. Raises TooMuchWork."""
        self.left += STEPS_PER_LETTER * len(text)
        tries = [(fold(text), trie) for fold, trie in self.tries]
        at = 0
        # A loop and not `finditer`: what was replaced is not looked at again.
        while (found := self.begins.search(text, at)) is not None:
            at = found.start()
            number = self._first_at(at, tries)
            if number < len(self.aliases):
                yield at, self.aliases[number]
                at += len(self.aliases[number]["string_to_replace"])
            else:
                at += 1

    def _first_at(self, place: int, tries: Sequence[tuple[str, Trie]]) -> int:
        """The first rule that fits here; where none does, a number that no rule has."""
        best = len(self.aliases)
        for letters, root in tries:
            is_begin = place == 0 or not _is_letter(letters[place - 1])
            node: Trie | None = root
            for end in range(place, len(letters)):
                node = node.get(letters[end]) if node is not None else None
                if node is None:
                    break
                self.left -= 1
                if INSIDE in node:
                    best = min(best, node[INSIDE])
                if is_begin and WHOLE in node and not _is_letter(letters[end + 1 : end + 2]):
                    best = min(best, node[WHOLE])
        if self.left < 0:
            raise TooMuchWork
        return best


def _trie(aliases: Sequence[Rule], fold: Callable[[str], str], *, is_exact: bool) -> Trie:
    """By letter, what may follow; under longer names, the first rule that ends there."""
    root: Trie = {}
    for number, rule in enumerate(aliases):
        if rule.get("case_sensitive", True) != is_exact:
            continue
        node = root
        for letter in fold(rule["string_to_replace"]):
            node = node.setdefault(letter, {})
        node.setdefault(WHOLE if rule.get("word_boundaries", True) else INSIDE, number)
    return root


def _beginning(aliases: Sequence[Rule]) -> re.Pattern[str]:
    """Where some rule may begin: most of a text is passed over by this."""
    firsts: dict[bool, set[str]] = {True: set(), False: set()}
    for rule in aliases:
        first = rule["string_to_replace"][0]
        is_exact = rule.get("case_sensitive", True)
        firsts[rule.get("word_boundaries", True)] |= {first} if is_exact else _variants(first)
    parts = [
        before + "[" + "".join(map(re.escape, sorted(letters))) + "]"
        for before, letters in ((r"(?<!\w)", firsts[True]), ("", firsts[False]))
        if letters
    ]
    return re.compile("|".join(parts))


def _variants(letter: str) -> set[str]:
    return {letter, *letter.lower(), *letter.upper(), *letter.casefold()}


def _is_letter(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _folded(text: str) -> str:
    """Without the difference of capitals; every letter stays in its place."""
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(f if len(f := letter.casefold()) == 1 else letter for letter in text)
