"""Numbers for jobs and files, and the texts that come as files instead of in a request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePath
from typing import BinaryIO

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone

from jobs import files
from jobs.models import Job, NumberedFile
from speechsite.accounts import quota
from speechsite.accounts.models import User
from speechsite.core.ids import new_token

KEPT = timedelta(days=7)  # a text that came as a file
BATCH = 200


def give(job: Job, *, purpose: str, parts: Sequence[tuple[str, int]] = ()) -> NumberedFile:
    """The number of a job's result; a job has one number for ever."""
    numbered, _ = NumberedFile.objects.get_or_create(
        job=job,
        defaults={
            "user": job.user,
            "purpose": purpose,
            "name": job.title,
            "parts": [list(part) for part in parts],
            "is_test": job.is_test,
        },
    )
    numbered.job = job  # as it was placed: it knows whether it is a replay
    return numbered


def keep(
    user: User,
    *,
    name: str,
    purpose: str,
    content: BinaryIO,
    size: int,
    is_test: bool = False,
) -> NumberedFile:
    """Store a file that somebody uploaded. Raises quota.Full."""
    quota.check(user, size)
    token = new_token()
    stored = default_storage.save(f"texts/{token[:2]}/{token}", File(content))
    try:
        with transaction.atomic():
            quota.claim(user, size)
            return NumberedFile.objects.create(
                user=user,
                purpose=purpose,
                name=PurePath(name).name[:200],
                file=stored,
                size=size,
                is_test=is_test,
            )
    except quota.Full:
        default_storage.delete(stored)
        raise


def count(user: User) -> tuple[int, int]:
    """How many texts are kept for somebody, and their bytes."""
    kept = NumberedFile.objects.filter(user=user, job__isnull=True)
    sums = kept.aggregate(files=Count("pk"), size=Sum("size", default=0))
    return sums["files"], sums["size"]


def find(user: User, number: int) -> NumberedFile | None:
    """What a number of this person stands for."""
    found = NumberedFile.objects.filter(pk=number, user=user).select_related("job__user").first()
    if found is None or (found.job is not None and found.job.deleted_at is not None):
        return None
    return found


def sweep() -> int:
    """Delete a batch of texts that were uploaded long ago; how many went."""
    old = NumberedFile.objects.filter(job__isnull=True, created_at__lt=timezone.now() - KEPT)
    rows = list(old.values_list("pk", "file")[:BATCH])
    with transaction.atomic():
        files.remove(name for _, name in rows if name)
        NumberedFile.objects.filter(pk__in=[pk for pk, _ in rows]).delete()
    return len(rows)
