"""Text files that people open in the Studio: their letters, or the question which they are."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from speechsite.core import encodings

LABELS = {
    "cp1252": _("Western European (Windows-1252)"),
    "gb18030": _("Simplified Chinese (GB 18030)"),
    "big5hkscs": _("Traditional Chinese (Big5)"),
    "cp932": _("Japanese (Shift JIS)"),
    "euc_jp": _("Japanese (EUC-JP)"),
    "iso2022_jp": _("Japanese (ISO-2022-JP)"),
    "cp949": _("Korean (EUC-KR)"),
    "cp1251": _("Cyrillic (Windows-1251)"),
    "koi8_u": _("Cyrillic (KOI8)"),
    "cp1250": _("Central European (Windows-1250)"),
    "iso8859_2": _("Central European (ISO 8859-2)"),
    "cp1253": _("Greek (Windows-1253)"),
    "cp1254": _("Turkish (Windows-1254)"),
    "cp1255": _("Hebrew (Windows-1255)"),
    "cp1256": _("Arabic (Windows-1256)"),
    "cp1257": _("Baltic (Windows-1257)"),
    "cp1258": _("Vietnamese (Windows-1258)"),
    "cp874": _("Thai (Windows-874)"),
    "mac_roman": _("Western European (Macintosh)"),
    "cp850": _("Western European (DOS)"),
    "cp866": _("Cyrillic (DOS)"),
    "iso8859_15": _("Western European (ISO 8859-15)"),
    encodings.DAMAGED: _("UTF-8 with damaged places"),
    "utf-16-le": _("Unicode (UTF-16)"),
    "utf-16-be": _("Unicode (UTF-16)"),
}
MOST_OFFERED = 6
# Above this the page that asks does not carry the file: it is chosen again.
LARGEST_HELD = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to read the file, with a line of it as it would read."""

    encoding: str
    label: str
    excerpt: str


class Uncertain(Exception):
    """The file can be read in several ways; the person has to say which."""

    def __init__(self, raw: bytes, guess: encodings.Guess) -> None:
        super().__init__(guess.best)
        self.raw = raw
        self.guess = guess

    @property
    def offers(self) -> list[Offer]:
        """The likeliest first, each telling another text."""
        found: dict[str, Offer] = {}
        for name in self.guess.encodings:
            line = encodings.excerpt(self.raw, name)
            found.setdefault(line, Offer(name, label(name), line))
        return list(found.values())[:MOST_OFFERED]

    @property
    def held(self) -> str:
        """The file, to travel with the question where no script holds it."""
        return base64.b64encode(self.raw).decode() if len(self.raw) <= LARGEST_HELD else ""


def label(encoding: str) -> str:
    return str(LABELS.get(encoding, encoding))


def contents(upload: Any, held: str) -> bytes | None:
    """The bytes of a file that was sent, now or with the question. Raises NotText."""
    if upload:
        if upload.size > settings.MAX_TEXT * 4 + 4:
            raise encodings.NotText("larger than any text we take")
        return bytes(upload.read())
    if not held:
        return None
    try:
        return base64.b64decode(held, validate=True)
    except (binascii.Error, ValueError) as error:
        raise encodings.NotText("not what was sent") from error


def read(raw: bytes, wanted: str = "") -> tuple[str, str]:
    """(text, encoding): the wanted one, else the certain one. Raises NotText, Uncertain."""
    if wanted:
        return encodings.decode(raw, wanted), wanted
    guess = encodings.guess(raw)
    if not guess.is_certain:
        raise Uncertain(raw, guess)
    return encodings.decode(raw, guess.best), guess.best
