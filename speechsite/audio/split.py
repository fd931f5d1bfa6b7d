"""Cut a long text into pieces that one upstream call can take.

Nothing is lost: the pieces joined are the text. The time grows with the length
of the text, whatever it holds. Lengths are counted in Unicode code points.
What is spoken inside a piece, and how pauses are written, is `markup`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import regex

_EAST_ASIAN = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\u3000-\u303f\uff01-\uff60"
_CLOSERS = "\"'”’»›)]}」』】》〉）］｝〕"

_SPEECH = regex.compile(r"[\p{L}\p{N}]")
_LAST_SPEECH = regex.compile(r"(?r)[\p{L}\p{N}]")
_SPACES = regex.compile(r"\s*+")
_CLOSING = regex.compile("[" + regex.escape(_CLOSERS) + "]*+")

# Single characters, looked for from the end of the window: reversed patterns with
# repetition would make some inputs quadratic.
_PARAGRAPH = regex.compile(r"(?r)\n[^\S\n]*+\n|\u2029")
_SENTENCE = regex.compile(r"(?r)[.!?。！？｡．…‼⁇⁈⁉؟۔।॥։]")
_CLAUSE = regex.compile(r"(?r)[,;:،؛](?=\s)|[，、；：､—\n]|[–-](?=\s)")
_WORD = regex.compile(rf"(?r)\s|[{_EAST_ASIAN}]")
_WIDE_STOPS = frozenset("。！？｡．")
_NEVER_FIRST = frozenset(
    "。、，．！？；：）］｝」』】》〉〕”’…‥・ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ｡､!?,.;:)]}"
)
_NEVER_LAST = frozenset("（［｛「『【《〈〔“‘([{")

# Before one of these a grapheme cluster always begins, unless a prepended mark stands there.
_ANCHOR = regex.compile(
    r"(?r)(?<![\p{GCB=Prepend}\r])[\n -~\p{Han}\p{Hiragana}\p{Katakana}ー\u3000-\u3029\uff01-\uff60]"
)
_CLUSTER = regex.compile(r"\X")

_WORD_BEFORE_STOP = regex.compile(r"[\w.]{1,12}$")
_ABBREVIATION_WORDS = """
    mr mrs ms dr prof sr jr st mt messrs mme mlle rev fr hon gen col capt lt sgt maj cmdr gov
    sen rep pres vs cf al approx dept est fig figs no nos vol vols pp pg ch sec ed eds ca
    inc ltd co corp bros ave blvd rd jan feb mar apr jun jul aug sep sept oct nov dec
    bzw usw ggf evtl inkl str hr dipl ing sra srta ud uds pag núm sig dott г ул
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_WORDS.split())


@dataclass(frozen=True, slots=True)
class _Level:
    """A kind of boundary, and how full a piece must be before it may end at one."""

    pattern: regex.Pattern[str]
    fill: float
    accepts: Callable[[str, int, int, int], int | None]


def split(text: str, limit: int, *, first: int | None = None) -> list[str]:
    """Cut `text` into pieces of at most `limit` code points.

    A piece ends with a paragraph, else a sentence, a clause, a word, or a grapheme
    cluster; inside a cluster only when that alone is longer than the limit. With
    `first`, the first piece is at most that long and each next one may be twice as
    long as the one before, so that sound starts early.
    """
    if limit < 1 or (first is not None and first < 1):
        raise ValueError("a piece must be allowed to hold at least one character")
    if not text:
        return []
    cap = min(first or limit, limit)
    return list(_attached(_pieces(text, limit, cap), limit, cap))


def _attached(pieces: Iterator[str], limit: int, first: int) -> Iterator[str]:
    """The pieces, those without speech put to a neighbour wherever both fit together."""
    held, most = "", first
    for piece in pieces:
        is_whole = _SPEECH.search(held) and _SPEECH.search(piece)
        if held and not is_whole and len(held) + len(piece) <= most:
            held += piece
            continue
        if held:
            yield held
            most = min(most * 2, limit)
        held = piece
    if held:
        yield held


def _pieces(text: str, limit: int, cap: int) -> Iterator[str]:
    last = _LAST_SPEECH.search(text)
    speech_ends = last.end() if last else 0
    position = 0
    while len(text) - position > cap:
        cut = _cut(text, position, cap, limit, speech_ends)
        yield text[position:cut]
        position = cut
        cap = min(cap * 2, limit)
    if position < len(text):
        yield text[position:]


def _cut(text: str, position: int, cap: int, limit: int, speech_ends: int) -> int:
    highest = position + cap
    spoken = _SPEECH.search(text, position, highest)
    if spoken is None:
        return _cluster_end(text, position, highest, position + limit)
    # The closing marks of the text must not be left over as a piece of their own.
    if spoken.end() < speech_ends <= highest and len(text) - speech_ends < limit:
        highest = max(speech_ends - 1, spoken.end())
    for level in _LEVELS:
        lowest = max(position + int(cap * level.fill), spoken.end())
        cut = _last_boundary(text, level, position, lowest, highest)
        if cut is not None:
            return cut
    return _cluster_end(text, position, highest, position + limit)


def _last_boundary(
    text: str, level: _Level, position: int, lowest: int, highest: int
) -> int | None:
    """The last boundary of this level in lowest..highest, spaces after it included."""
    end = min(highest + 1, len(text))
    while found := level.pattern.search(text, max(lowest - 1, 0), end):
        cut = level.accepts(text, found.start(), found.end(), highest)
        if cut is not None and cut >= lowest:
            cut = int(_SPACES.match(text, cut, highest).end())
            if _is_cluster_boundary(text, position, cut):
                return cut
        end = found.end() - 1
    return None


def _after_paragraph(text: str, start: int, end: int, highest: int) -> int | None:
    return end if end <= highest else None


def _after_sentence(text: str, start: int, end: int, highest: int) -> int | None:
    if end > highest:
        return None
    stop = text[start]
    cut = int(_CLOSING.match(text, end, highest).end())
    following = text[cut : cut + 1]
    if stop in _WIDE_STOPS:
        return None if following in _NEVER_FIRST and following else cut
    if following and not following.isspace():
        return None
    if stop == "." and cut == end and not _ends_sentence(text, start):
        return None
    return cut


def _ends_sentence(text: str, stop: int) -> bool:
    """Whether the full stop at `stop` closes a sentence and not an abbreviation."""
    before = _WORD_BEFORE_STOP.search(text[max(stop - 13, 0) : stop])
    if before is None:
        return True
    word = before.group().strip(".").lower()
    if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return False
    if "." in word:
        return not all(len(part) <= 1 for part in word.split("."))
    spaces = _SPACES.match(text, stop + 1, stop + 4)
    following = text[spaces.end() : spaces.end() + 1]
    return not following.islower()


def _after_clause(text: str, start: int, end: int, highest: int) -> int | None:
    if end > highest:
        return None
    cut = int(_CLOSING.match(text, end, highest).end())
    return None if text[cut : cut + 1] in _NEVER_FIRST and cut < len(text) else cut


def _at_word(text: str, start: int, end: int, highest: int) -> int | None:
    if text[start].isspace():
        return min(end, highest)
    # A wide character beyond the window may still begin the next piece.
    cut = min(end, highest)
    if text[cut] in _NEVER_FIRST or text[cut - 1] in _NEVER_LAST:
        return None
    return cut


_LEVELS = (
    _Level(_PARAGRAPH, 0.5, _after_paragraph),
    _Level(_SENTENCE, 0.3, _after_sentence),
    _Level(_CLAUSE, 0.3, _after_clause),
    _Level(_WORD, 0.0, _at_word),
)


def _is_cluster_boundary(text: str, position: int, cut: int) -> bool:
    if cut >= len(text):
        return True
    # Below U+0300 only a line feed ever continues what stands before it.
    if text[cut] < "\u0300" and text[cut - 1] < "\u0300":
        return text[cut - 1 : cut + 1] != "\r\n"
    return _last_cluster_boundary(text, position, cut) == cut


def _last_cluster_boundary(text: str, position: int, cut: int) -> int:
    """The last boundary at or before `cut`; `position` when one cluster fills it all."""
    if cut >= len(text):
        return len(text)
    anchor = _ANCHOR.search(text, position, cut)
    at = anchor.start() if anchor else position
    while at < cut:
        end = _cluster_after(text, at, cut + 1)
        if end > cut:
            return at
        at = end
    return at


def _cluster_end(text: str, position: int, highest: int, limit_end: int) -> int:
    cut = _last_cluster_boundary(text, position, highest)
    if cut > position:
        return cut
    # One cluster is longer than this piece should be: keep it whole if the limit allows.
    return _cluster_after(text, position, limit_end)


def _cluster_after(text: str, start: int, end: int) -> int:
    """Where the cluster that begins at `start` ends, looking no further than `end`."""
    # On short copies, because the pattern counts flags back to the start of its string.
    width = 32
    while start + width < end:
        size = int(_CLUSTER.match(text[start : start + width]).end())
        if size < width:
            return start + size
        width *= 4
    return start + int(_CLUSTER.match(text[start:end]).end())
