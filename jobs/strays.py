"""Files that no row names, left by work that was killed: found, and deleted once they are old.

Rows come first: what any row names is kept, however old it is. Age comes second: what was
stored a moment ago may be named soon. What cannot be told is left alone.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from jobs.models import DiskUse, Job, NumberedFile, Segment, Upload
from speechsite.core import scratch
from voices.models import Sample

logger = logging.getLogger(__name__)

OLD = timedelta(hours=6)  # no file waits as long for its row
BATCH = 500
FOLDERS = ("jobs", "uploads", "samples", "texts")  # what else is stored is made again when asked
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Owned:
    """What the rows say about a file: whose it would be, and whether they name it."""

    user: int
    is_named: bool


def sweep(old: timedelta = OLD) -> dict[str, int]:
    """Delete the strays, and count for each account what is stored; how many went."""
    swept = {"file": 0, "temporary": scratch.sweep()}
    use: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for folder in FOLDERS:
        for names in _batches(_files(folder)):
            owned = _owned(folder, names)
            for name in names:
                owner = owned.get(name)
                if owner is not None and owner.is_named:
                    _count(use[owner.user, folder], name)
                elif owner is not None or folder == "texts":
                    swept["file"] += _remove(name, old)
    _write_down(use)
    return swept


def _files(folder: str) -> Iterator[str]:
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        yield from _files(f"{folder}/{name}")


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(names)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _owned(folder: str, names: Sequence[str]) -> dict[str, Owned]:
    """What is known of the files whose names say which row they belong to."""
    if folder == "texts":
        kept = NumberedFile.objects.filter(file__in=names).values_list("file", "user")
        return {name: Owned(user, is_named=True) for name, user in kept}
    rows = {name: UUID(hex=found[-1]) for name in names if (found := _ID.findall(name))}
    owners, named = _OF[folder](set(rows.values()))
    return {name: Owned(owners.get(row, 0), _stem(name) in named) for name, row in rows.items()}


Known = tuple[dict[UUID, int], set[str]]


def _of_jobs(ids: set[UUID]) -> Known:
    """The owners of jobs, and the stems of the files that the jobs and their pieces name."""
    rows = list(Job.objects.filter(pk__in=ids).values_list("pk", "user_id", "audio"))
    pieces = Segment.objects.filter(job__in=ids).exclude(audio="").order_by()
    named = [*(audio for _, _, audio in rows if audio), *pieces.values_list("audio", flat=True)]
    return {pk: user for pk, user, _ in rows}, set(map(_stem, named))


def _of_uploads(ids: set[UUID]) -> Known:
    rows = list(Upload.objects.filter(pk__in=ids).values_list("pk", "user", "file", "deleted_at"))
    named = {_stem(file) for _, _, file, deleted_at in rows if deleted_at is None}
    return {pk: user for pk, user, _, _ in rows}, named


def _of_samples(ids: set[UUID]) -> Known:
    rows = list(Sample.objects.filter(pk__in=ids).values_list("pk", "voice__owner", "file"))
    return {pk: user or 0 for pk, user, _ in rows}, {_stem(file) for _, _, file in rows}


_OF = {"jobs": _of_jobs, "uploads": _of_uploads, "samples": _of_samples}


def _stem(name: str) -> str:
    """What a file and everything made from it have in common: all up to the first dot."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.partition('.')[0]}"


def _count(use: list[int], name: str) -> None:
    try:
        size = default_storage.size(name)
    except FileNotFoundError:
        return  # deleted meanwhile
    use[0] += 1
    use[1] += size


def _remove(name: str, old: timedelta) -> int:
    """Delete a file that no row names, if it is old; 1 if it went."""
    try:
        if timezone.now() - default_storage.get_modified_time(name) < old:
            return 0
        default_storage.delete(name)
    except FileNotFoundError:
        return 0
    logger.info("deleted %s, which no row names", name)
    return 1


def _write_down(use: dict[tuple[int, str], list[int]]) -> None:
    now = timezone.now()
    rows = [
        DiskUse(user_id=user, kind=kind, files=files, size=size, counted_at=now)
        for (user, kind), (files, size) in use.items()
        if user
    ]
    with transaction.atomic():
        DiskUse.objects.all().delete()
        DiskUse.objects.bulk_create(rows, batch_size=500)
