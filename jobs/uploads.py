"""Recordings that people give us: checked by their content, never by their name."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import files
from jobs.errors import OrderError, SiteFull
from jobs.models import Job, Upload
from speechsite.accounts import quota
from speechsite.accounts.models import User
from speechsite.audio import probe
from speechsite.audio.decode import NotAudio, TooLong
from speechsite.core import disk, scratch
from speechsite.core.ids import new_id, new_token

LARGEST = 500 * 1024 * 1024  # bytes
LONGEST_MS = 60 * 60 * 1000
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mov,mp4,m4a,3gp,3g2,mj2": "audio/mp4",
    "aac": "audio/aac",
    "matroska,webm": "audio/webm",
}


class Uploaded(Protocol):
    """What a form hands over."""

    @property
    def name(self) -> str | None: ...

    @property
    def size(self) -> int | None: ...

    def chunks(self) -> Iterator[bytes]: ...


def take(user: User, file: Uploaded, *, is_test: bool = False) -> Upload:
    """Check and store a recording. Raises OrderError on the field `file`."""
    if disk.is_short():
        raise SiteFull("file")
    if not file.size:
        raise OrderError("file", _("Choose a recording first."), code="invalid_audio")
    if file.size > LARGEST:
        message = _("The recording is larger than %(limit)s MB.")
        raise OrderError(
            "file", message % {"limit": LARGEST // 1024 // 1024}, code="audio_too_long"
        )
    _check_room(user, file.size)
    with tempfile.NamedTemporaryFile(prefix=scratch.prefix()) as copy:
        digest = hashlib.sha256()
        for block in file.chunks():
            digest.update(block)
            copy.write(block)
        copy.flush()
        found = _probe(Path(copy.name))
        upload_id = new_id()
        suffix = Path(file.name or "").suffix[:10]
        copy.seek(0)
        stored = default_storage.save(
            f"uploads/{upload_id.hex[-2:]}/{upload_id.hex}/{new_token()[:16]}{suffix}", File(copy)
        )
    upload = Upload(
        id=upload_id,
        user=user,
        file=stored,
        name=Path(file.name or "recording").name[:200],
        media_type=MEDIA_TYPES.get(found.container, "application/octet-stream"),
        size=file.size,
        duration_ms=found.duration_ms,
        sha256=digest.hexdigest(),
        is_test=is_test,
    )
    try:
        with transaction.atomic():
            quota.claim(user, upload.size)
            upload.save(force_insert=True)
    except quota.Full as error:
        default_storage.delete(stored)
        raise OrderError("file", error.message, code=error.code) from error
    return upload


def count(user: User) -> tuple[int, int]:
    """How many recordings are kept for somebody, and their bytes."""
    kept = Upload.objects.filter(user=user, deleted_at__isnull=True)
    sums = kept.aggregate(files=Count("pk"), size=Sum("size", default=0))
    return sums["files"], sums["size"]


def discard(upload: Upload) -> None:
    """Remove a recording that no visible job needs; twice is once."""
    with transaction.atomic():
        if Job.objects.filter(upload=upload, deleted_at__isnull=True).exists():
            return
        Upload.objects.filter(pk=upload.pk, deleted_at__isnull=True).update(
            deleted_at=timezone.now()
        )
        files.remove([upload.file])


def _check_room(user: User, size: int) -> None:
    try:
        quota.check(user, size)
    except quota.Full as error:
        raise OrderError("file", error.message, code=error.code) from error


def _probe(path: Path) -> probe.Probe:
    try:
        return probe.probe(path, longest_ms=LONGEST_MS)
    except TooLong as error:
        raise OrderError(
            "file", _("The recording is longer than one hour."), code="audio_too_long"
        ) from error
    except NotAudio as error:
        raise OrderError(
            "file", _("There is no sound in this file that we can read."), code="invalid_audio"
        ) from error
