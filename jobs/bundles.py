"""A zip of many results, written while it is sent: memory does not grow with its size."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from uuid import UUID

from django.core.files.storage import default_storage
from django.http import Http404, HttpResponseBase, StreamingHttpResponse

from jobs import names, renditions
from jobs.models import BULKY, Job
from speechsite.audio import formats
from speechsite.core.threads import slowly

MOST = 500
BLOCK = 256 * 1024


def respond(
    user_id: int, ids: Sequence[str], name: str, *, with_captions: bool = True
) -> HttpResponseBase:
    """The finished jobs among these, as one zip with numbered names."""
    chosen = [UUID(hex=one) for one in ids[:MOST]]
    jobs = list(
        Job.objects.filter(user_id=user_id, pk__in=chosen, deleted_at__isnull=True)
        .exclude(audio="")
        .select_related("voice")
        .defer(*BULKY)
        .order_by("created_at")
    )
    if not jobs:
        raise Http404
    response = StreamingHttpResponse(
        _threaded(_zip(jobs, with_captions=with_captions)), content_type="application/zip"
    )
    names.attach(response, name)
    return response


async def _threaded(blocks: Generator[bytes]) -> AsyncIterator[bytes]:
    try:
        while (block := await slowly(next, blocks, None)) is not None:
            yield block
    finally:
        blocks.close()


def _zip(jobs: Sequence[Job], *, with_captions: bool = True) -> Generator[bytes]:
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        for number, job in enumerate(jobs, start=1):
            yield from _pack(archive, outlet, number, job, with_captions)
    yield outlet.taken()


def _pack(
    archive: zipfile.ZipFile, outlet: _Outlet, number: int, job: Job, with_captions: bool
) -> Iterator[bytes]:
    """One result, and its captions if they are wanted; a result that was deleted meanwhile is left out."""
    try:
        source = default_storage.open(job.audio)
    except FileNotFoundError:
        return
    extension = formats.parse(job.output_format).extension
    name = f"{number:03d}_{names.file_name(job, extension)}"
    info = zipfile.ZipInfo(name, job.created_at.timetuple()[:6])
    with source, archive.open(info, "w", force_zip64=True) as target:
        while block := source.read(BLOCK):
            target.write(block)
            yield outlet.taken()
    if with_captions and job.text:
        captions = renditions.captions_of(job, "srt")
        archive.writestr(f"{number:03d}_{names.file_name(job, 'srt')}", captions)
    yield outlet.taken()


class _Outlet:
    """A file that cannot go back; what was written waits until it is taken."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def flush(self) -> None:
        """Nothing to do: `taken` hands everything on."""

    def close(self) -> None:
        """Nothing to do either."""

    def taken(self) -> bytes:
        data = bytes(self._waiting)
        self._waiting.clear()
        return data
