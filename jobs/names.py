"""Names that people see on their own disk."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from jobs.models import Job

# Path separators, what Windows forbids, and the marks that turn text around.
UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\u202a-\u202e\u2066-\u2069]+')
LONGEST_NAME = 80


def file_name(job: Job, extension: str) -> str:
    """`title_voice_date.ext`, safe on every file system, in any script."""
    voice = job.voice.name if job.voice is not None else ""
    parts = (job.title or _("speech"), voice, f"{job.created_at:%Y-%m-%d}")
    words = [UNSAFE.sub(" ", part).strip(" .") for part in parts]
    name = "_".join("-".join(word.split())[:LONGEST_NAME] for word in words if word)
    return f"{name}.{extension}"
