"""Which letters the bytes of a text file stand for, where the file itself does not say.

Marks at the start and valid UTF-8 are proof. Everything else is a guess, and a guess
counts as certain only while nothing else reads as well: a wrong one puts other letters
into a text, in silence.
"""

from __future__ import annotations

import codecs
import functools
import re
import unicodedata
from dataclasses import dataclass

from charset_normalizer import from_bytes

# What text files are written in where they are not Unicode. Of two that read a file in
# the same way the earlier one is named.
LEGACY = (
    *("cp1252", "gb18030", "big5hkscs", "cp932", "euc_jp", "cp949", "cp1251", "koi8_u"),
    *("cp1250", "iso8859_2", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("cp874", "mac_roman", "cp850", "cp866", "iso8859_15"),
)
DAMAGED = "utf-8-damaged"  # UTF-8 with places that are not: those become U+FFFD
KNOWN = (*LEGACY, "utf-8-sig", DAMAGED, "utf-16", "utf-16-le", "utf-16-be", "utf-32", "iso2022_jp")
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16: its mark begins with the one of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# How much better than the next one a guess has to be. Of 340 texts in 28 languages and 19
# encodings, 40 to 3,000 characters long, 0.1 let no wrong one through; this is more.
MARGIN = 0.15
# What stands for an encoding that the library gave up on: short texts often look too odd to it.
REJECTED = 0.9
WINDOW = 64 * 1024
BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
FOREIGN_WORD = re.compile(r"[^\s\x00-\x26\x28-\x40\x5b-\x60\x7b-\x7f]+")
JOINING = frozenset("'’·‐‑–—…")  # signs that may stand between two letters
EXCERPT = 110


class NotText(ValueError):
    """These bytes are no text in any encoding that we know."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Encodings that can read the bytes, the likeliest first."""

    encodings: tuple[str, ...]
    is_certain: bool

    @property
    def best(self) -> str:
        return self.encodings[0]


def guess(raw: bytes) -> Guess:
    """How to read these bytes. Raises NotText."""
    marked = _marked(raw)
    if marked:
        return Guess((marked,), is_certain=True)
    if b"\0" in raw:
        return Guess((_unmarked_utf16(raw),), is_certain=False)
    if _reads(raw, "utf-8"):
        is_shifted = b"\x1b" in raw and _reads(raw, "iso2022_jp")
        return Guess(("iso2022_jp" if is_shifted else "utf-8-sig",), is_certain=True)
    if BINARY.search(raw):
        raise NotText("control characters")
    return _rated(raw)


def decode(raw: bytes, encoding: str) -> str:
    """The text. Raises NotText where the encoding is unknown or cannot read these bytes."""
    if encoding not in KNOWN:
        raise NotText("an unknown encoding")
    try:
        if encoding == DAMAGED:
            return raw.decode("utf-8", "replace")
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise NotText("not in this encoding") from error


def excerpt(raw: bytes, encoding: str) -> str:
    """A line of the text that shows the letters by which encodings differ."""
    text = " ".join(decode(_window(raw), encoding).split())[: 60 * EXCERPT]
    pieces = [text[at : at + EXCERPT] for at in range(0, len(text), EXCERPT)] or [""]
    return max(pieces, key=lambda piece: len({sign for sign in piece if not sign.isascii()}))


def _marked(raw: bytes) -> str | None:
    for mark, encoding in MARKS:
        if raw.startswith(mark) and _reads(raw, encoding):
            return encoding
    return None


def _unmarked_utf16(raw: bytes) -> str:
    """Latin letters in UTF-16 leave every other byte empty, always the same ones."""
    halves = raw[0::2].count(0), raw[1::2].count(0)
    encoding = "utf-16-le" if halves[0] == 0 else "utf-16-be" if halves[1] == 0 else ""
    if not encoding or not _reads(raw, encoding):
        raise NotText("binary")
    if BINARY.search(raw.decode(encoding).encode("utf-8")):
        raise NotText("binary")
    return encoding


def _rated(raw: bytes) -> Guess:
    """Every encoding that reads the bytes, rated by the library and by a look at the words.

    The library alone was certain and wrong in one of four such texts.
    """
    window = _window(raw)
    ratings = _ratings(window)
    found: dict[str, tuple[bool, float, str]] = {}
    for encoding in LEGACY:
        if not _reads(raw, encoding):
            continue
        text = window.decode(encoding)
        rating = ratings.get(text, REJECTED)
        found.setdefault(text, (_is_plausible(text), rating, encoding))
    if not found:
        raise NotText("an unknown encoding")
    order = sorted(found.values(), key=lambda one: (not one[0], -round(one[1], 1)))
    names = tuple(encoding for _, _, encoding in order)
    if _is_damaged_utf8(window):
        return Guess((DAMAGED, *names), is_certain=False)
    plausible = sorted((rating for fits, rating, _ in found.values() if fits), reverse=True)
    best, second, *_ = [*plausible, 0.0, 0.0]
    is_liked = best == max(ratings.values(), default=-1.0)
    return Guess(names, is_certain=is_liked and best - second >= MARGIN)


def _ratings(window: bytes) -> dict[str, float]:
    """How much like a language each reading looks: about 0.5 to 2, by the text."""
    found: dict[str, float] = {}
    for match in from_bytes(
        window, cp_isolation=list(LEGACY), threshold=0.5, enable_fallback=False
    ):
        text = str(match)
        found[text] = max(found.get(text, 0.0), 1 - match.chaos + match.coherence)
    return found


def _window(raw: bytes) -> bytes:
    """The part to look at, from the first byte that is not ASCII; cut where words end."""
    if len(raw) <= WINDOW:
        return raw
    first = next((at for at, byte in enumerate(raw) if byte > 127), 0)
    # No legacy encoding has a line end or a space inside a character.
    start = raw.rfind(b"\n", 0, first) + 1 if first > WINDOW // 2 else 0
    part = raw[start : start + WINDOW]
    end = max(part.rfind(b"\n"), part.rfind(b" "))
    return part[:end] if end > 0 else part


def _is_damaged_utf8(window: bytes) -> bool:
    text = window.decode("utf-8", "replace")
    foreign = sum(not sign.isascii() for sign in text)
    return text.count("\ufffd") * 5 < foreign


def _is_plausible(text: str) -> bool:
    """Whether its words could be words: one script each, and no sign between two letters."""
    return all(map(_is_word, FOREIGN_WORD.findall(text)))


def _is_word(word: str) -> bool:
    scripts = set()
    for at, sign in enumerate(word):
        category = unicodedata.category(sign)
        if category in ("Co", "Cn", "Cc"):
            return False
        if category[0] in "LM":
            scripts.add(_script(sign))
            if sign.isupper() and not sign.isascii() and word[at - 1 : at].islower():
                return False
        elif category == "Sk":
            return False
        elif category[0] in "SNP" and not sign.isascii() and sign not in JOINING:
            is_inside = _has_letter(word[:at]) and _has_letter(word[at + 1 :])
            if is_inside and unicodedata.east_asian_width(sign) not in "FW":
                return False
    scripts -= {""}
    return len(scripts) < 2 or scripts in ({"CJK", "LATIN"}, {"HANGUL", "LATIN"})


def _has_letter(piece: str) -> bool:
    return any(map(str.isalpha, piece))


@functools.cache
def _script(sign: str) -> str:
    """LATIN, CJK, …; empty for what goes with all of them."""
    first = re.split("[ -]", unicodedata.name(sign, "?"))[0]
    if first in ("HIRAGANA", "KATAKANA", "IDEOGRAPHIC"):
        return "CJK"
    return "" if first in ("COMBINING", "MODIFIER", "FULLWIDTH") else first


def _reads(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
