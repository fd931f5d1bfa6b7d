"""Which word of a text each part of its reading belongs to.

The front end rewrites a text before it reads it ("7:30" becomes "seven thirty"), so what is
spoken has other words than what was written. Words that stayed the same are matched; those
between two matches share what was spoken there, in order. Standard library only: it runs in
the child process.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

_WORD = re.compile(r"\S+")


def words_of(text: str) -> list[tuple[int, str]]:
    """(character it begins at, the word in its plain form) of everything between blanks."""
    return [(match.start(), plain(match.group())) for match in _WORD.finditer(text)]


def places(written: Sequence[tuple[int, str]], spoken: Sequence[str]) -> list[int]:
    """For each spoken word the character at which its written word begins.

    As long as `spoken`, never falling; empty where nothing was written.
    """
    if not written:
        return []
    matcher = SequenceMatcher(None, [word for _, word in written], spoken, autojunk=False)
    found: list[int] = []
    for _, low, high, first, last in matcher.get_opcodes():
        for index in range(first, last):
            share = (index - first) * (high - low) // (last - first)
            found.append(written[min(low + share, len(written) - 1)][0])
    return found


def plain(word: str) -> str:
    """A word without case and punctuation, to be compared."""
    return "".join(filter(str.isalnum, word)).casefold()
