"""Takes in the audio of one segment: collect, check that it is sound, store.

A result counts only once it decodes and has a length. Raw samples are kept as
FLAC, which loses nothing; everything else is kept as it came.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import IO, cast

import numpy as np
from django.core.files import File
from django.core.files.storage import default_storage

from jobs import renditions
from jobs.models import Segment, media_name
from jobs.outcomes import Delivered
from speechsite.audio import captions, encode, whole
from speechsite.audio.decode import NotAudio
from speechsite.core import scratch
from speechsite.providers.errors import Garbled
from speechsite.providers.types import Chunk, WordTime

logger = logging.getLogger(__name__)

LARGEST = 2 * 1024 * 1024 * 1024  # bytes of one segment
SILENCE_MS = 200
IN_MEMORY = 8 * 1024 * 1024  # bytes; what is larger lies on disk
BLOCK = 65_536  # samples
# Decoding gives the interpreter away at every frame: more threads fight over it and all of
# them, and the calls in flight, become slower.
_hands = ThreadPoolExecutor(2, thread_name_prefix="intake")
CODECS = frozenset({"mp3", "wav", "flac", "opus", "ulaw", "alaw", "pcm"})


@dataclass(slots=True)
class Collected:
    """What has arrived so far."""

    file: IO[bytes]
    size: int = 0
    format: str = ""
    words: list[WordTime] = field(default_factory=list)
    cost: Decimal | None = None
    upstream_id: str = ""

    def take(self, chunk: Chunk) -> None:
        """Add one chunk; all chunks of a call share their format."""
        if self.format and chunk.format != self.format:
            raise Garbled(f"the format changed from {self.format} to {chunk.format}")
        self.format = chunk.format
        self.size += len(chunk.audio)
        if self.size > LARGEST:
            raise Garbled("the audio is larger than any speech can be")
        self.file.write(chunk.audio)
        self.words.extend(chunk.words)
        self.cost = chunk.cost if chunk.cost is not None else self.cost
        self.upstream_id = chunk.upstream_id or self.upstream_id


async def receive(
    chunks: AsyncIterator[Chunk],
    segment: Segment,
    *,
    cost: Decimal | None = None,
    upstream_id: str = "",
    over: Callable[[], None] = lambda: None,
) -> Delivered:
    """Collect a call's chunks and store them. Raises Garbled when they are not sound.

    `over` is called when the call itself has ended.
    """
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        collected = Collected(file, cost=cost, upstream_id=upstream_id)
        # Leaving early ends the call at the provider.
        async with aclosing(cast(AsyncGenerator[Chunk], chunks)):
            async for chunk in chunks:
                collected.take(chunk)
        over()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_hands, store, collected, segment)


def store(collected: Collected, segment: Segment) -> Delivered:
    """Check and store what was collected. Blocks: call it in a thread."""
    if collected.size == 0:
        raise Garbled("the provider sent no audio")
    codec, rate = _described(collected.format)
    keep = _keep_samples if codec == "pcm" else _keep_as_it_came
    kept = keep(collected, rate, segment)
    words, are_exact = _words(collected, segment.text, kept.duration_ms)
    return replace(
        kept,
        words=words,
        words_are_exact=are_exact,
        cost=collected.cost,
        upstream_id=collected.upstream_id,
    )


def silence(segment: Segment) -> Delivered:
    """A short rest, for a piece that holds nothing to speak: dashes, say. Blocks."""
    rest = np.zeros(SILENCE_MS * 22_050 // 1000, dtype="<i2")
    with tempfile.NamedTemporaryFile(prefix=scratch.prefix(), suffix=".flac") as file:
        encode.encode_file([rest], "flac_22050", 22_050, Path(file.name))
        stored, size = _save(file, ".flac", segment)
        return Delivered(stored, "flac_22050", SILENCE_MS, size, words_are_exact=True)


def discard(name: str) -> None:
    """Remove a stored file that nobody refers to."""
    try:
        default_storage.delete(name)
    except OSError:
        logger.warning("could not remove %s", name, exc_info=True)


def _described(name: str) -> tuple[str, int]:
    """Codec and rate of `mp3_32000_128`: providers have formats that we do not offer."""
    codec, _, rest = name.partition("_")
    rate = rest.partition("_")[0]
    if codec not in CODECS or not rate.isdecimal():
        raise Garbled(f"the provider sent a format called {name!r}")
    return codec, int(rate)


def _keep_samples(collected: Collected, rate: int, segment: Segment) -> Delivered:
    samples = collected.size // 2
    if samples == 0:
        raise Garbled("the provider sent no audio")
    name = _flac_for(rate)
    with tempfile.NamedTemporaryFile(prefix=scratch.prefix(), suffix=".flac") as file:
        encode.encode_file(_blocks(collected.file), name, rate, Path(file.name))
        stored, size = _save(file, ".flac", segment)
    return Delivered(stored, name, round(samples * 1000 / rate), size)


def _keep_as_it_came(collected: Collected, rate: int, segment: Segment) -> Delivered:
    collected.file.seek(0)
    try:
        duration_ms = whole.duration_ms(collected.file, renditions.hint(collected.format))
    except NotAudio as error:
        raise Garbled(f"the provider's audio does not decode: {error}") from error
    if duration_ms <= 0:
        raise Garbled("the provider's audio has no length")
    stored, size = _save(collected.file, f".{collected.format.partition('_')[0]}", segment)
    return Delivered(stored, collected.format, duration_ms, size)


def _flac_for(rate: int) -> str:
    return "flac_48000" if rate == 48_000 else "flac_22050" if rate <= 22_050 else "flac_44100"


def _blocks(file: IO[bytes]) -> Iterator[np.ndarray]:
    file.seek(0)
    while block := file.read(BLOCK * 2):
        yield np.frombuffer(block[: len(block) // 2 * 2], dtype="<i2")


def _save(file: IO[bytes], suffix: str, segment: Segment) -> tuple[str, int]:
    """Where it is stored, and its bytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return default_storage.save(media_name(segment.job_id, suffix), File(file)), size


def _words(
    collected: Collected, text: str, duration_ms: int
) -> tuple[Sequence[Sequence[int]], bool]:
    if not text:
        return [], False
    exact = bool(collected.words)
    words: Sequence[captions.TimedWord] | list[WordTime] = collected.words
    if not exact:
        words = captions.estimate(text, duration_ms)
    return [[word.start, word.end, word.start_ms, word.end_ms] for word in words], exact
