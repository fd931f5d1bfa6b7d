"""Names that people see: titles of work that nobody named, and files on their own disk."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from urllib.parse import quote

from django.http import HttpResponseBase
from django.utils.translation import gettext as _

from jobs.models import Job
from speechsite.audio import markup

# Path separators, what Windows forbids, line ends, and the marks that nobody sees: those
# that turn text around can make `exe.mp3` out of `3pm.exe`.
UNSAFE = re.compile(
    r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+'
)
# File systems allow 255 bytes: a Chinese character takes three.
LONGEST_TITLE = 120
LONGEST_VOICE = 60
LONGEST_NAME = 230
TITLE_LENGTH = 60  # characters of a title that was taken from the text
BEGINNING = 4000  # characters in which its first words are looked for


def title_of(text: str) -> str:
    """The first words of a text without its markup; empty where it begins with none."""
    lines = (" ".join(line.split()) for line in markup.plain(text[:BEGINNING]).splitlines())
    line = next((line for line in lines if line), "")
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[: TITLE_LENGTH - 1]
    at_a_word = cut.rpartition(" ")[0] if line[TITLE_LENGTH - 1] != " " else cut
    # Chinese has no spaces to cut at, and some words are long.
    return (at_a_word if len(at_a_word) > TITLE_LENGTH // 2 else cut).rstrip() + "…"


def file_name(job: Job, extension: str, *, part: str = "") -> str:
    """`title_voice_date.ext`, safe on every file system, in any script.

    `part` says which of a job's files it is, where that is not its result.
    """
    voice = job.voice.name if job.voice is not None else ""
    title = _part(job.title, LONGEST_TITLE) or _("speech")
    parts = (title, _part(voice, LONGEST_VOICE), f"{job.created_at:%Y-%m-%d}", _part(part, 20))
    return f"{'_'.join(part for part in parts if part)}.{extension}"


def bundle_name(at: datetime) -> str:
    """What many results in one file are called."""
    return f"{_('speech')}_{at:%Y-%m-%d_%H%M}.zip"


def safe(name: str) -> str:
    """A name that came in from outside, fit to be sent out again."""
    return _part(name, LONGEST_NAME) or "file"


def attach(response: HttpResponseBase, name: str, *, is_download: bool = True) -> None:
    """Give an answer its file name, as RFC 6266 says: in ASCII for old readers, and in full."""
    kind = "attachment" if is_download else "inline"
    name = safe(name)
    plain = _ascii(name)
    said = f'{kind}; filename="{plain}"'
    if plain != name:
        said += f"; filename*=UTF-8''{quote(name, safe='')}"
    response["Content-Disposition"] = said


def _ascii(name: str) -> str:
    """The name as far as plain letters go; anything else old readers take in their own way."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem, dot, extension = re.sub(r"[^A-Za-z0-9._-]+", "", letters).rpartition(".")
    stem = re.sub(r"-*_[-_]*|--+", lambda gap: "_" if "_" in gap.group() else "-", stem)
    return f"{stem.strip('.-_') or 'speech'}{dot}{extension}"


def _part(text: str, most: int) -> str:
    """Words joined by hyphens, at most so many bytes, and never half a character."""
    words = "-".join(UNSAFE.sub(" ", text).split())
    cut = words.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore")
    return cut.strip(" .-")
