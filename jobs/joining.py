"""Puts the pieces of a job together into the file that people download."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.core.files import File
from django.core.files.storage import default_storage

from jobs import disk, renditions
from jobs.models import Job, media_name
from speechsite.audio import formats
from speechsite.audio.decode import Samples
from speechsite.audio.join import Joined as JoinedFile
from speechsite.audio.join import Part
from speechsite.audio.join import join as join_parts
from speechsite.audio.join import join_growing as join_growing_parts
from speechsite.audio.outline import Outline
from speechsite.core import scratch

StoredPart = tuple[str, str | None]  # a piece's file and its output format, None for any other


class Interrupted(Exception):
    """The site stops or the job was taken from us; somebody will join it later."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The stored result; sizes in bytes, lengths in milliseconds."""

    audio: str
    size: int
    duration_ms: int
    peaks: list[int]


def parts_of(job: Job) -> list[StoredPart]:
    """The pieces that can be heard, in order; their number is kept on the job."""
    rows = job.segments.with_sound().order_by("index")
    parts = [stored_part(*row) for row in rows.values_list("audio", "audio_format")]
    job.joined_pieces = len(parts)
    return parts


def stored_part(name: str, form: str) -> StoredPart:
    """A piece as it is joined; a format that we do not offer is told from its header."""
    return name, form if formats.find(form) else None


def hand_back(job: Job) -> None:
    """Let another worker join this job."""
    Job.objects.filter(pk=job.pk).update(join_lease_until=None)


def join(job: Job, parts: Sequence[StoredPart], stopped: Callable[[], bool]) -> Joined:
    """Join and store. Blocks: call it in a thread. Raises Interrupted when told to stop."""
    with ExitStack() as stack:
        found = [Part(disk.on_disk(name, stack), form) for name, form in parts]
        return _stored(job, partial(join_parts, found), stopped)


def join_growing(job: Job, parts: Iterable[StoredPart], stopped: Callable[[], bool]) -> Joined:
    """The same for parts that are still coming: asking `parts` for one may wait for it."""
    return _stored(job, partial(join_growing_parts, _found(parts)), stopped)


def _found(parts: Iterable[StoredPart]) -> Iterator[Part]:
    for name, form in parts:
        with ExitStack() as stack:
            yield Part(disk.on_disk(name, stack), form)


def _stored(job: Job, write: Callable[..., JoinedFile], stopped: Callable[[], bool]) -> Joined:
    wanted = formats.parse(job.output_format)
    with tempfile.TemporaryDirectory(prefix=scratch.prefix()) as folder:
        path = Path(folder, f"result.{wanted.extension}")
        collector = _Watched(wanted.rate, stopped)
        joined = write(job.output_format, path, outline=collector)
        if stopped():
            raise Interrupted
        with path.open("rb") as file:
            stored = default_storage.save(media_name(job.pk, path.suffix), File(file))
    return Joined(stored, joined.size, joined.duration_ms, collector.levels(renditions.POINTS))


class _Watched(Outline):
    """A collector of the outline that also notices when the work is to stop."""

    def __init__(self, rate: int, stopped: Callable[[], bool]) -> None:
        super().__init__(rate)
        self.stopped = stopped

    def add(self, samples: Samples) -> None:
        if self.stopped():
            raise Interrupted
        super().add(samples)
