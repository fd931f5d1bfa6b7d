"""Sound out of an answer, whatever was asked for: its first bytes say what it is.

Some servers know one format and answer with that (LocalAI has no bare samples and sends a
WAV). A WAV is opened and its samples handed on as they come; its header also says how many
there have to be, so half of one is noticed.
"""

from __future__ import annotations

import string
from collections.abc import AsyncIterator

import httpx

from speechsite.providers import http
from speechsite.providers.errors import Garbled
from speechsite.providers.openai import wire
from speechsite.providers.openai.wav import Wav
from speechsite.providers.types import Chunk

HEAD = 16  # bytes that tell one format from another
TEXT = frozenset(string.printable.encode())
TEXT_SHOWN = 300
PACKED = {
    b"ID3": "mp3_24000_128",
    b"OggS": "opus_48000_64",
    b"fLaC": "flac_24000",
}
BY_TYPE = {"audio/mpeg": "mp3_24000_128", "audio/mp3": "mp3_24000_128"}
SAMPLES = ("audio/pcm", "audio/x-pcm", "audio/l16", "audio/raw")
UNSAID = ("", "application/octet-stream", "binary/octet-stream")
# Of two channels at 48 kHz, a third of a second for a character at the slowest speed.
BYTES_A_CHARACTER, BYTES_MORE = 64 * 1024, 4 * 1024 * 1024
NOT_SOUND = ("text/", "application/json", "application/xml", "application/xhtml")


def largest(text: str) -> int:
    """Bytes that no reading of a text exceeds."""
    return min(BYTES_MORE + len(text) * BYTES_A_CHARACTER, http.DOWNLOAD_LIMIT)


async def read(response: httpx.Response, asked: str) -> AsyncIterator[Chunk]:
    """The sound as it arrives. Raises Garbled for what is none, or not all of it."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    pieces = response.aiter_bytes()
    head = await _head(pieces)
    if kind.startswith(NOT_SOUND) or _is_text(head):
        raise Garbled(
            f"{kind or 'a text'} arrived where sound was promised",
            status=response.status_code,
            raw={"body": head[:TEXT_SHOWN].decode("utf-8", "replace")},
        )
    if not head:
        raise Garbled("the answer holds no sound", status=response.status_code)
    if head.startswith(b"RIFF"):
        sound = _opened(head, pieces)
    elif name := _packed(head, kind, asked):
        sound = _as_it_comes(head, pieces, name)
    elif kind in SAMPLES or (asked == "pcm" and kind in UNSAID):
        sound = _samples(head, pieces)
    else:
        raise Garbled(f"{kind or 'something'} arrived where {asked} was asked for")
    async for chunk in sound:
        yield chunk


async def _head(pieces: AsyncIterator[bytes]) -> bytes:
    head = b""
    async for piece in pieces:
        head += piece
        if len(head) >= HEAD:
            break
    return head


def _is_text(head: bytes) -> bool:
    """Whether these are letters: no samples begin with so many numbers of that size."""
    return bool(head) and TEXT.issuperset(head[:64])


def _packed(head: bytes, kind: str, asked: str) -> str:
    """The name of a format that is decoded later on; empty for bare samples."""
    found = next((name for start, name in PACKED.items() if head.startswith(start)), "")
    # A frame of MP3 has no name in front, and samples may look like one.
    is_mp3 = asked == "mp3" and kind in UNSAID
    return found or BY_TYPE.get(kind, "") or (BY_TYPE["audio/mpeg"] if is_mp3 else "")


async def _as_it_comes(
    head: bytes, pieces: AsyncIterator[bytes], name: str
) -> AsyncIterator[Chunk]:
    yield Chunk(head, name)
    async for piece in pieces:
        yield Chunk(piece, name)


async def _samples(head: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[Chunk]:
    """Two bytes each. Raises Garbled at the end when half a sample is left."""
    size = 0
    async for chunk in _as_it_comes(head, pieces, f"pcm_{wire.RATE}"):
        size += len(chunk.audio)
        yield chunk
    if size % 2:
        raise Garbled("the answer ends in the middle of a sample")


async def _opened(head: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[Chunk]:
    """The samples of a WAV. Raises Garbled when there are fewer than its header says."""
    file = Wav()
    samples = file.feed(head)
    if samples:
        yield Chunk(samples, file.format)
    async for piece in pieces:
        samples = file.feed(piece)
        if samples:
            yield Chunk(samples, file.format)
    file.end()
