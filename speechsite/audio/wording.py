"""A text as it was sent beside the text that is spoken of it, and what has changed between.

What is sent may hold characters that nobody hears, and words that a dictionary lets be spoken
otherwise. What is spoken is cut, priced and timed; what was sent is shown, with the same times.
Positions count code points.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from speechsite.audio.captions import Timed, TimedWord

# sent[start:end] is spoken as this text, perhaps as none; never an empty stretch of what was sent.
Change = tuple[int, int, str]


@dataclass(frozen=True)
class Wording:
    """`changes` lie in order in `sent` and do not overlap."""

    sent: str
    changes: tuple[Change, ...] = ()
    spoken: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "spoken", _made(self.sent, self.changes))

    def then(self, later: Iterable[Change]) -> Wording:
        """With these changes made to what is spoken."""
        later = tuple(later)
        if not later:
            return self
        if not self.changes:
            return Wording(self.sent, later)
        return Wording(self.sent, tuple(self._together(later)))

    def stripped(self) -> Wording:
        """Without blanks at either end of what is spoken."""
        said = self.spoken
        last = len(said.rstrip())
        first = min(len(said) - len(said.lstrip()), last)
        edges = ((0, first, ""), (last, len(said), ""))
        return self.then((start, end, "") for start, end, _nothing in edges if start < end)

    @cached_property
    def spans(self) -> tuple[tuple[int, int, int, int], ...]:
        """Where each change lies: from, to in what was sent; from, to in what is spoken."""
        shift, spans = 0, []
        for start, end, said in self.changes:
            begins = start + shift
            spans.append((start, end, begins, begins + len(said)))
            shift += len(said) - (end - start)
        return tuple(spans)

    def words_sent(self, words: Sequence[Timed]) -> list[TimedWord]:
        """Times of what is spoken as times of what was sent.

        What one change replaced is one word with the words that run into it.
        """
        found: list[TimedWord] = []
        for word in words:
            start, end = self.begins_at(word.start), self.ends_at(word.end)
            if found and start < found[-1].end:
                last = found.pop()
                start, end = min(last.start, start), max(last.end, end)
                begin, stop = min(last.start_ms, word.start_ms), max(last.end_ms, word.end_ms)
                found.append(TimedWord(start, end, begin, stop))
            elif start < end:
                found.append(TimedWord(start, end, word.start_ms, word.end_ms))
        return found

    def begins_at(self, place: int) -> int:
        """Where in what was sent stands what is spoken from here on."""
        number = bisect_right(self._begins, place)
        if number == 0:
            return place
        start, end, begins, ends = self.spans[number - 1]
        return start if begins <= place < ends else end + place - ends

    def ends_at(self, place: int) -> int:
        """Where in what was sent ends what is spoken up to here."""
        number = bisect_right(self._begins, place - 1)
        if number == 0:
            return place
        _start, end, _begins, ends = self.spans[number - 1]
        return end if place <= ends else end + place - ends

    @cached_property
    def _begins(self) -> list[int]:
        return [begins for _start, _end, begins, _ends in self.spans]

    def _together(self, later: Sequence[Change]) -> Iterator[Change]:
        """Both kinds of changes as changes of what was sent; those that touch become one."""
        earlier = [(begins, ends, end - start) for start, end, begins, ends in self.spans]
        at, shift = 0, 0  # `shift` leads from what is spoken to what was sent
        marks = sorted(
            [(begins, ends, length, None) for begins, ends, length in earlier]
            + [(start, end, 0, said) for start, end, said in later],
            key=lambda mark: mark[:2],
        )
        while at < len(marks):
            first = at
            begins, reach, before = marks[at][0], marks[at][1], shift
            while at < len(marks) and (at == first or marks[at][0] < reach):
                start, end, length, said = marks[at]
                reach = max(reach, end)
                shift += length - (end - start) if said is None else 0
                at += 1
            inside = [
                (start - begins, end - begins, said)
                for start, end, _length, said in marks[first:at]
                if said is not None
            ]
            yield begins + before, reach + shift, _made(self.spoken[begins:reach], inside)


def joined(wordings: Sequence[Wording], between: str) -> Wording:
    """Several as one, with the same text between them in both."""
    at, changes = 0, []
    for one in wordings:
        changes += [(at + start, at + end, said) for start, end, said in one.changes]
        at += len(one.sent) + len(between)
    return Wording(between.join(one.sent for one in wordings), tuple(changes))


def _made(text: str, changes: Iterable[Change]) -> str:
    parts: list[str] = []
    at = 0
    for start, end, said in changes:
        parts += (text[at:start], said)
        at = end
    return "".join((*parts, text[at:]))
