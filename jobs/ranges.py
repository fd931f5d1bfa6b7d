"""Byte ranges (RFC 9110, section 14): what a Range header asks for, and the answer to it.

At most one range is served; a header that asks for more, or that cannot be read,
is ignored as the standard allows, and then the whole file is the answer. Safari
plays nothing without exact ranges.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import IO

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

BLOCK = 256 * 1024
LONGEST_HEADER = 200
ONE_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


class NotSatisfiable(ValueError):
    """The range begins after the end of the file."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def parse(header: str, size: int) -> ByteRange | None:
    """The one range a header asks for; None when the whole file is to be sent."""
    match = ONE_RANGE.fullmatch(header.strip()) if len(header) <= LONGEST_HEADER else None
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        wanted = int(last)
        if wanted == 0 or size == 0:
            raise NotSatisfiable
        return ByteRange(max(size - wanted, 0), size - 1)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise NotSatisfiable
    return ByteRange(int(first), min(int(last), size - 1) if last else size - 1)


def respond(
    request: HttpRequest, file: IO[bytes], *, size: int, media_type: str, etag: str
) -> HttpResponseBase:
    """200, 206, 304 or 416 with exact lengths; closes the file when it is sent."""
    if request.headers.get("If-None-Match") == etag:
        file.close()
        return _marked(HttpResponse(status=304), etag)
    header = request.headers.get("Range", "")
    if header and request.headers.get("If-Range", etag) != etag:
        header = ""
    try:
        wanted = parse(header, size) if header else None
    except NotSatisfiable:
        file.close()
        refused = HttpResponse(status=416)
        refused["Content-Range"] = f"bytes */{size}"
        return _marked(refused, etag)
    part = wanted or ByteRange(0, size - 1)
    response: HttpResponseBase
    if request.method == "HEAD":
        file.close()
        response = HttpResponse(content_type=media_type)
    else:
        response = StreamingHttpResponse(_body(file, part), content_type=media_type)
        # A body that is never begun, because its reader went away, closes nothing itself.
        response._resource_closers.append(file.close)  # type: ignore[attr-defined]
    response["Content-Length"] = str(part.length)
    if wanted is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    return _marked(response, etag)


async def _body(file: IO[bytes], part: ByteRange) -> AsyncIterator[bytes]:
    """The bytes of one range, read in threads so that the loop serves others meanwhile."""
    blocks = _blocks(file, part)
    read = sync_to_async(lambda: next(blocks, b""), thread_sensitive=False)
    try:
        while block := await read():
            yield block
    finally:
        file.close()


def _blocks(file: IO[bytes], part: ByteRange) -> Iterator[bytes]:
    file.seek(part.first)
    left = part.length
    while left > 0:
        block = file.read(min(BLOCK, left))
        if not block:
            return
        left -= len(block)
        yield block


def _marked(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    response["Cache-Control"] = "private, max-age=3600"
    response["X-Content-Type-Options"] = "nosniff"
    return response
