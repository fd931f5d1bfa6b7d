"""Subtitles and read-along data from word times.

Times are milliseconds in the final audio; positions count code points of the text.
Where the times come from is the caller's business; `estimate` makes some when a
provider gives none.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import regex

from speechsite.audio import pauses

MOST_LINES = 2
LINE_LENGTH = 42
WIDE_LINE_LENGTH = 16

_LONGEST_CUE_MS = 7_000
_SHORTEST_CUE_MS = 700
_SILENCE_MS = 1_500

# Written without spaces, so that a line may end after any character.
_WIDE_CLASS = r"\p{Han}\p{Hiragana}\p{Katakana}ー"
_WIDE = regex.compile(rf"[{_WIDE_CLASS}\p{{Hangul}}\u3000-\u303f\uff01-\uff60]")
# One wide character, or a run of others, each with the marks that cling to it.
_ATOM = regex.compile(
    rf"[\p{{Ps}}\p{{Pi}}]*+(?:[{_WIDE_CLASS}]\p{{M}}*+|[^\s{_WIDE_CLASS}]"
    rf"(?:[^\s{_WIDE_CLASS}\p{{Ps}}\p{{Pi}}])*+)[^\s\w\p{{Ps}}\p{{Pi}}]*+|[\p{{Ps}}\p{{Pi}}]++"
)
_CONTROL = regex.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CLUSTER = regex.compile(r"\X")
_CORE = regex.compile(r"[\p{L}\p{N}](?:.*[\p{L}\p{N}\p{M}])?", regex.DOTALL)
_ENDS_SENTENCE = regex.compile(r"[.!?。！？…؟।]\p{P}*$")
_ENDS_CLAUSE = regex.compile(r"[,;:，、；：—–)）」』]\p{P}*$")


class Timed(Protocol):
    """Anything that says when text[start:end] sounds."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class TimedWord:
    """text[start:end] sounds from start_ms to end_ms."""

    start: int
    end: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Cue:
    """What stands on the screen from start_ms to end_ms; lines are separated by a line feed."""

    start_ms: int
    end_ms: int
    text: str


def cues(text: str, words: Sequence[Timed], duration_ms: int, language: str = "") -> list[Cue]:
    """The text as subtitles: in order, never overlapping, inside the audio.

    Two lines of 42 characters at most, 16 in a Chinese, Japanese or Korean line and
    when that is the language. Spans longer than a word are divided in proportion; without any times
    they are estimated.
    """
    text = _showable(text)
    known = _usable(words, len(text), duration_ms) or estimate(text, duration_ms)
    is_wide = language[:2].lower() in ("zh", "ja", "ko")
    atoms = _timed_atoms(text, known, is_wide)
    drafts = [
        (group[0].start_ms, group[-1].end_ms, _lines(text, group, is_wide))
        for group in _groups(text, atoms, is_wide)
    ]
    return _in_order(drafts, duration_ms)


def estimate(text: str, duration_ms: int) -> list[TimedWord]:
    """Word times in proportion to length, punctuation counted as silence."""
    spans = list(_atom_spans(_showable(text)))
    weights = [(_said(text[start:end]), _silent(text[start:end])) for start, end in spans]
    total = sum(said + silent for said, silent in weights) or 1
    words = []
    passed = 0
    for (start, end), (said, silent) in zip(spans, weights, strict=True):
        core = _CORE.search(text, start, end)
        if core is not None:
            begun = duration_ms * passed // total
            done = duration_ms * (passed + said) // total
            words.append(TimedWord(core.start(), core.end(), begun, done))
        passed += said + silent
    return words


def to_srt(cues: Iterable[Cue]) -> str:
    """SubRip."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        f"{cue.text.replace('-->', '->')}\n\n"
        for number, cue in enumerate(cues, 1)
    )


def to_vtt(cues: Iterable[Cue]) -> str:
    """WebVTT."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_escaped(cue.text)}\n\n"
        for cue in cues
    )


def to_json(text: str, words: Iterable[Timed], timing: str) -> str:
    """The words with their times and positions; `timing` says where the times come from."""
    listed = [
        {
            "text": text[word.start : word.end],
            "start": word.start,
            "end": word.end,
            "start_ms": word.start_ms,
            "end_ms": word.end_ms,
        }
        for word in words
    ]
    return json.dumps({"text": text, "timing": timing, "words": listed}, ensure_ascii=False)


def _showable(text: str) -> str:
    """The text with blanks for what is never shown, so that positions stay true."""
    return str(_CONTROL.sub(" ", pauses.blanked(text)))


def _usable(words: Sequence[Timed], length: int, duration_ms: int) -> list[TimedWord]:
    """The words that make sense: inside the text and the audio, in order in both."""
    kept: list[TimedWord] = []
    position = clock = 0
    for word in sorted(words, key=lambda word: word.start):
        if word.start_ms is None or word.end_ms is None:
            continue
        start = max(word.start, position)
        end = min(word.end, length)
        if start >= end:
            continue
        start_ms = min(max(word.start_ms, clock), duration_ms)
        end_ms = min(max(word.end_ms, start_ms), duration_ms)
        kept.append(TimedWord(start, end, start_ms, end_ms))
        position, clock = end, end_ms
    return kept


def _atom_spans(text: str, is_wide: bool = False) -> Iterator[tuple[int, int]]:
    for atom in _ATOM.finditer(text):
        yield from _chopped(text, atom.start(), atom.end(), is_wide)


def _chopped(text: str, start: int, end: int, is_wide: bool) -> Iterator[tuple[int, int]]:
    """Pieces that fit on a line, for words such as addresses that alone do not."""
    longest = WIDE_LINE_LENGTH if is_wide or _WIDE.search(text, start, end) else LINE_LENGTH
    while end - start > longest:
        cut = start
        for cluster in _CLUSTER.finditer(text[start : start + longest + 1]):
            if cluster.end() > longest:
                break
            cut = start + cluster.end()
        cut = cut if cut > start else start + longest
        yield start, cut
        start = cut
    yield start, end


def _timed_atoms(text: str, words: Sequence[TimedWord], is_wide: bool) -> list[TimedWord]:
    starts = [word.start for word in words]
    atoms = []
    for start, end in _atom_spans(text, is_wide):
        core = _CORE.search(text, start, end)
        first, last = (core.start(), core.end()) if core else (start, start + 1)
        begun = _starts_at(words, starts, first)
        atoms.append(TimedWord(start, end, begun, max(_ends_at(words, starts, last), begun)))
    return atoms


def _starts_at(words: Sequence[TimedWord], starts: list[int], position: int) -> int:
    index = bisect_right(starts, position) - 1
    if index >= 0 and position < words[index].end:
        return _inside(words[index], position)
    if index + 1 < len(words):
        return words[index + 1].start_ms
    return words[-1].end_ms if words else 0


def _ends_at(words: Sequence[TimedWord], starts: list[int], position: int) -> int:
    index = bisect_right(starts, position - 1) - 1
    if index < 0:
        return words[0].start_ms if words else 0
    return _inside(words[index], min(position, words[index].end))


def _inside(word: TimedWord, position: int) -> int:
    lasts = word.end_ms - word.start_ms
    return word.start_ms + lasts * (position - word.start) // (word.end - word.start)


def _groups(text: str, atoms: Sequence[TimedWord], is_wide: bool) -> Iterator[list[TimedWord]]:
    """Atoms that share a cue."""
    group: list[TimedWord] = []
    for atom in atoms:
        if group and _parts_from(text, group, atom):
            yield group
            group = []
        while group and not _has_room(text, group, atom, is_wide):
            cut = _clause_cut(text, group)
            yield group[:cut]
            group = group[cut:]
        group.append(atom)
    if group:
        yield group


def _parts_from(text: str, group: Sequence[TimedWord], atom: TimedWord) -> bool:
    """Whether a new cue begins before this atom although there would be room."""
    last = group[-1]
    if "\n" in text[last.end : atom.start]:
        return True
    if atom.start_ms - last.end_ms >= _SILENCE_MS:
        return True
    ends = _ENDS_SENTENCE.search(text, last.start, last.end) is not None
    return ends and last.end_ms - group[0].start_ms >= _SHORTEST_CUE_MS


def _clause_cut(text: str, group: Sequence[TimedWord]) -> int:
    """Where to end a full cue: after the last clause in its second half, else at its end."""
    for index in range(len(group), len(group) // 2, -1):
        atom = group[index - 1]
        if _ENDS_SENTENCE.search(text, atom.start, atom.end) or _ENDS_CLAUSE.search(
            text, atom.start, atom.end
        ):
            return index
    return len(group)


def _has_room(text: str, group: list[TimedWord], atom: TimedWord, is_wide: bool) -> bool:
    if atom.end_ms - group[0].start_ms > _LONGEST_CUE_MS:
        return False
    return any(True for _ in _layouts(text, [*group, atom], is_wide))


def _lines(text: str, group: Sequence[TimedWord], is_wide: bool) -> str:
    """One line if it fits, else two of about the same length, parted after a clause."""
    return min(_layouts(text, group, is_wide), key=_ugliness, default=_shown(text, group))


def _layouts(text: str, group: Sequence[TimedWord], is_wide: bool) -> Iterator[str]:
    whole = _shown(text, group)
    if _is_line(whole, is_wide):
        yield whole
        return
    if len(whole) > MOST_LINES * LINE_LENGTH + 1:
        return
    for cut in range(1, len(group)):
        first, second = _shown(text, group[:cut]), _shown(text, group[cut:])
        if _is_line(first, is_wide) and _is_line(second, is_wide):
            yield f"{first}\n{second}"


def _ugliness(layout: str) -> int:
    first, _, second = layout.partition("\n")
    return abs(len(first) - len(second)) - (8 if _ENDS_CLAUSE.search(first) else 0)


def _is_line(line: str, is_wide: bool) -> bool:
    longest = WIDE_LINE_LENGTH if is_wide or _WIDE.search(line) else LINE_LENGTH
    return len(line) <= longest


def _shown(text: str, group: Sequence[TimedWord]) -> str:
    return " ".join(text[group[0].start : group[-1].end].split())


def _in_order(drafts: Sequence[tuple[int, int, str]], duration_ms: int) -> list[Cue]:
    """Cues that follow each other inside the audio, each on the screen for a while."""
    begins = [start for start, _, _ in drafts] + [duration_ms]
    if any(second <= first for first, second in pairwise(begins)):
        # Too little time for so much text: share it out evenly rather than lose lines.
        count = max(len(drafts), 1)
        begins = [duration_ms * index // count for index in range(count + 1)]
        drafts = [(begins[i], begins[i + 1], text) for i, (_, _, text) in enumerate(drafts)]
    ordered = []
    for index, (start, end, text) in enumerate(drafts):
        last = begins[index + 1]
        shown_until = min(max(end, start + _SHORTEST_CUE_MS), last)
        if start < shown_until:
            ordered.append(Cue(start, shown_until, text))
    return ordered


def _said(atom: str) -> int:
    """How long an atom takes to say, in Latin letters."""
    wide = len(_WIDE.findall(atom))
    letters = sum(character.isalnum() for character in atom)
    return max(letters + 2 * wide, 1) + 1


def _silent(atom: str) -> int:
    if _ENDS_SENTENCE.search(atom):
        return 6
    return 3 if _ENDS_CLAUSE.search(atom) else 0


def _clock(ms: int, point: str) -> str:
    seconds, thousandths = divmod(ms, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{point}{thousandths:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
