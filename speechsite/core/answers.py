"""Answers of other machines, bounded in size and time after they were unpacked.

httpx unpacks whatever comes, a thousand times its size, and waits anew for every byte. The
answers of providers are trusted no more than that somebody runs them.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx

PIECE = 64 * 1024
WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class TooLarge(httpx.ReadError):
    """The answer is longer than any answer can be."""


class TooSlow(httpx.ReadTimeout):
    """The answer comes, but does not come to an end."""


def bounded(response: httpx.Response, *, largest: int, seconds: float) -> None:
    """From here on the answer is unpacked piece by piece and ends at these bounds.

    Reading raises TooLarge, TooSlow or httpx.DecodingError. Where the answer is an error its
    beginning is enough: it is cut, which is no fault.
    """
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if isinstance(response.stream, httpx.AsyncByteStream) and not response.is_closed:
        response.stream = _Bounded(response.stream, packing, largest, seconds)
        response.headers.pop("content-encoding", None)


def cut(response: httpx.Response, largest: int) -> None:
    """Let a bounded answer end after this much of it."""
    if isinstance(response.stream, _Bounded):
        response.stream.largest = largest
        response.stream.is_cut = True


class _Bounded(httpx.AsyncByteStream):
    def __init__(
        self, inner: httpx.AsyncByteStream, packing: str, largest: int, seconds: float
    ) -> None:
        self.inner = inner
        self.packing = packing
        self.largest = largest
        self.seconds = seconds
        self.is_cut = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        deadline = asyncio.get_running_loop().time() + self.seconds
        unpack = _unpacker(self.packing)
        pieces = aiter(self.inner)
        left = self.largest
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    packed = await anext(pieces, None)
            except TimeoutError:
                raise TooSlow(f"the answer lasts longer than {self.seconds:g} seconds") from None
            if packed is None:
                return
            for piece in unpack(packed):
                if len(piece) > left:
                    yield piece[:left]
                    if self.is_cut:
                        return
                    raise TooLarge(f"the answer is longer than {self.largest} bytes")
                left -= len(piece)
                yield piece

    async def aclose(self) -> None:
        await self.inner.aclose()


class _Unpacked:
    def __init__(self, window: int) -> None:
        self.stream = zlib.decompressobj(window)
        self.is_first = window == zlib.MAX_WBITS

    def __call__(self, packed: bytes) -> Iterator[bytes]:
        try:
            yield from self._pieces(packed)
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error

    def _pieces(self, packed: bytes) -> Iterator[bytes]:
        try:
            piece = self.stream.decompress(packed, PIECE)
        except zlib.error:
            if not self.is_first:
                raise
            # Some servers call it deflate and leave its header out.
            self.stream = zlib.decompressobj(-zlib.MAX_WBITS)
            piece = self.stream.decompress(packed, PIECE)
        self.is_first = False
        while piece:
            yield piece
            piece = self.stream.decompress(self.stream.unconsumed_tail, PIECE)


def _unpacker(packing: str) -> _Unpacked | _AsItIs:
    if packing in ("", "identity"):
        return _AsItIs()
    if packing not in WINDOWS:
        raise httpx.DecodingError(f"nobody asked for {packing}")
    return _Unpacked(WINDOWS[packing])


class _AsItIs:
    def __call__(self, piece: bytes) -> Iterator[bytes]:
        yield piece
