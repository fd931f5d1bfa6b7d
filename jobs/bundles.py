"""A zip of many results, written while it is sent: memory does not grow with its size."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from django.http.response import content_disposition_header

from jobs import names, renditions
from jobs.models import Job
from speechsite.audio import formats

MOST = 500
BLOCK = 256 * 1024


def respond(user_id: int, ids: Sequence[str], name: str) -> HttpResponseBase:
    """The finished jobs among these, as one zip with numbered names."""
    chosen = [UUID(hex=one) for one in ids[:MOST]]
    jobs = list(
        Job.objects.filter(user_id=user_id, pk__in=chosen, deleted_at__isnull=True)
        .exclude(audio="")
        .select_related("voice")
        .order_by("created_at")
    )
    if not jobs:
        raise Http404
    response = StreamingHttpResponse(_threaded(_zip(jobs)), content_type="application/zip")
    disposition = content_disposition_header(True, name)
    if disposition:
        response["Content-Disposition"] = disposition
    return response


async def _threaded(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    read = sync_to_async(lambda: next(blocks, None), thread_sensitive=False)
    while (block := await read()) is not None:
        yield block


def _zip(jobs: Sequence[Job]) -> Iterator[bytes]:
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        for number, job in enumerate(jobs, start=1):
            extension = formats.parse(job.output_format).extension
            name = f"{number:03d}_{names.file_name(job, extension)}"
            info = zipfile.ZipInfo(name, job.created_at.timetuple()[:6])
            with (
                default_storage.open(job.audio) as source,
                archive.open(info, "w", force_zip64=True) as target,
            ):
                while block := source.read(BLOCK):
                    target.write(block)
                    yield outlet.taken()
            if job.text:
                archive.writestr(
                    f"{number:03d}_{names.file_name(job, 'srt')}",
                    renditions.captions_of(job, "srt"),
                )
            yield outlet.taken()
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

    def taken(self) -> bytes:
        data = bytes(self._waiting)
        self._waiting.clear()
        return data
