"""Hangs the marks of an engine on the words of a text, in order and without overlap.

Every word of a spoken step gets exactly one time. Words that an engine speaks in
one breath ("of the", a Chinese compound) share its time by their length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from speechsite.providers.builtin.script import Piece, word_spans
from speechsite.providers.types import WordTime


class Timekeeper:
    """Word times of one job: feed it marks as they come, take the words they close."""

    def __init__(self, pieces: Sequence[Piece], rate: int) -> None:
        self._pieces = pieces
        self._rate = rate
        self._step = -1
        self._spans: list[tuple[int, int]] = []
        self._first = 0  # first span of the open group
        self._reached = -1  # last span that a mark has named
        self._sound: tuple[int, int] | None = None  # samples of the open group

    def heard(self, step: int, position: int, start: int, end: int) -> Iterator[WordTime]:
        """Take one mark of the child; give the words that it closes."""
        if step != self._step:
            yield from self.rest()
            self._open_step(step)
        if not self._spans:
            return
        index = self._span_at(position)
        if self._sound is None:
            self._sound = (start, end)
        elif index > self._reached:
            yield from self._close(index)
            self._sound = (start, end)
        else:
            # A number is spelled out as several marks within one word.
            self._sound = (self._sound[0], max(end, self._sound[1]))
        self._reached = index

    def rest(self) -> Iterator[WordTime]:
        """The words still open at the end of a step."""
        yield from self._close(len(self._spans))

    def _open_step(self, step: int) -> None:
        self._step = step
        self._spans = word_spans(self._pieces[step].text)
        self._first, self._reached, self._sound = 0, -1, None

    def _span_at(self, position: int) -> int:
        index = max(self._reached, 0)
        while index + 1 < len(self._spans) and self._spans[index + 1][0] <= position:
            index += 1
        return index

    def _close(self, before: int) -> Iterator[WordTime]:
        if self._sound is None:
            return
        start, end = (sample * 1000 / self._rate for sample in self._sound)
        group = self._spans[self._first : before]
        piece = self._pieces[self._step]
        letters = sum(stop - begin for begin, stop in group)
        done = 0
        for begin, stop in group:
            opens = start + (end - start) * done / letters
            done += stop - begin
            closes = start + (end - start) * done / letters
            place, last = piece.place(begin), piece.place(stop - 1)
            yield WordTime(place, last + 1, round(opens), round(closes))
        self._first, self._sound = before, None
