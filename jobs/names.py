"""Names that people see on their own disk."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from jobs.models import Job

# Path separators, what Windows forbids, line ends, and the marks that nobody sees: those
# that turn text around can make `exe.mp3` out of `3pm.exe`.
UNSAFE = re.compile(
    r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+'
)
# File systems allow 255 bytes: a Chinese character takes three.
LONGEST_TITLE = 120
LONGEST_VOICE = 60
LONGEST_NAME = 230


def file_name(job: Job, extension: str) -> str:
    """`title_voice_date.ext`, safe on every file system, in any script."""
    voice = job.voice.name if job.voice is not None else ""
    title = _part(job.title, LONGEST_TITLE) or _("speech")
    parts = (title, _part(voice, LONGEST_VOICE), f"{job.created_at:%Y-%m-%d}")
    return f"{'_'.join(part for part in parts if part)}.{extension}"


def safe(name: str) -> str:
    """A name that came in from outside, fit to be sent out again."""
    return _part(name, LONGEST_NAME) or "file"


def _part(text: str, most: int) -> str:
    """Words joined by hyphens, at most so many bytes, and never half a character."""
    words = "-".join(UNSAFE.sub(" ", text).split())
    cut = words.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore")
    return cut.strip(" .-")
