"""Takes in the audio of one segment: collect, check that it is sound, store.

A result counts only once it decodes and has a length. Raw samples are kept as
FLAC, which loses nothing; everything else is kept as it came.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO

import numpy as np
from django.core.files import File
from django.core.files.storage import default_storage

from jobs.models import Segment, media_name
from jobs.outcomes import Delivered
from speechsite.audio import captions, encode, formats, probe
from speechsite.audio.decode import NotAudio
from speechsite.providers.errors import Garbled
from speechsite.providers.types import Chunk, WordTime

logger = logging.getLogger(__name__)

LARGEST = 2 * 1024 * 1024 * 1024  # bytes of one segment
IN_MEMORY = 8 * 1024 * 1024
BLOCK = 65_536  # samples


@dataclass(slots=True)
class Collected:
    """What has arrived so far."""

    file: IO[bytes]
    size: int = 0
    format: str = ""
    words: list[WordTime] = field(default_factory=list)
    cost: Decimal | None = None

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


async def receive(
    chunks: AsyncIterator[Chunk], segment: Segment, *, cost: Decimal | None = None
) -> Delivered:
    """Collect a call's chunks and store them. Raises Garbled when they are not sound."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        collected = Collected(file, cost=cost)
        async for chunk in chunks:
            collected.take(chunk)
        return await asyncio.to_thread(store, collected, segment)


def store(collected: Collected, segment: Segment) -> Delivered:
    """Check and store what was collected. Blocks: call it in a thread."""
    if collected.size == 0:
        raise Garbled("the provider sent no audio")
    try:
        kept = formats.parse(collected.format)
    except formats.UnknownFormat as error:
        raise Garbled(f"the provider sent {collected.format}") from error
    with tempfile.TemporaryDirectory(prefix="speechsite-") as folder:
        path = Path(folder, f"audio.{kept.extension}")
        if kept.codec == "pcm":
            duration_ms, name = _keep_samples(collected, kept, path)
            path = path.with_suffix(".flac")
        else:
            duration_ms, name = _keep_as_it_came(collected, path), kept.name
        stored = _save(path, segment)
    words, are_exact = _words(collected, segment.text, duration_ms)
    return Delivered(stored, name, duration_ms, words, are_exact, collected.cost)


def discard(name: str) -> None:
    """Remove a stored file that nobody refers to."""
    try:
        default_storage.delete(name)
    except OSError:
        logger.warning("could not remove %s", name, exc_info=True)


def _keep_samples(collected: Collected, kept: formats.OutputFormat, path: Path) -> tuple[int, str]:
    samples = collected.size // 2
    if samples == 0:
        raise Garbled("the provider sent no audio")
    name = _flac_for(kept.rate)
    encode.encode_file(_blocks(collected.file), name, kept.rate, path.with_suffix(".flac"))
    return round(samples * 1000 / kept.rate), name


def _keep_as_it_came(collected: Collected, path: Path) -> int:
    collected.file.seek(0)
    with path.open("wb") as target:
        while block := collected.file.read(1 << 20):
            target.write(block)
    try:
        duration_ms = probe.probe(path, collected.format).duration_ms
    except NotAudio as error:
        raise Garbled(f"the provider's audio does not decode: {error}") from error
    if duration_ms <= 0:
        raise Garbled("the provider's audio has no length")
    return duration_ms


def _flac_for(rate: int) -> str:
    return "flac_48000" if rate == 48_000 else "flac_22050" if rate <= 22_050 else "flac_44100"


def _blocks(file: IO[bytes]) -> Iterator[np.ndarray]:
    file.seek(0)
    while block := file.read(BLOCK * 2):
        yield np.frombuffer(block[: len(block) // 2 * 2], dtype="<i2")


def _save(path: Path, segment: Segment) -> str:
    with path.open("rb") as file:
        return default_storage.save(media_name(segment.job_id, path.suffix), File(file))


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
