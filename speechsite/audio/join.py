"""Put the parts of a long speech together: one file, no clicks, no drift.

Parts are decoded, faded at their edges on our own copy, and encoded once. Decoding
runs on a second thread beside the encoder; only a few blocks are in memory at a time.
"""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from speechsite.audio import decode, encode, formats
from speechsite.audio.decode import NotAudio, Samples
from speechsite.audio.outline import Outline

TOLERANCE_MS = 20

_FADE_MS = 4
_SLOWEST = 4000  # bytes per second of sound that we did not write
_BLOCK = 65_536
_BLOCKS_AHEAD = 8
# The header of a WAV depends on its length, and samples as they are cost hardly anything.
_GROWING = ("mp3", "opus", "flac", "aac", "m4a")


class DurationMismatch(RuntimeError):
    """The joined file does not last as long as its parts."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stored piece of sound; `format` is an output-format name, None for any other."""

    path: str | Path
    format: str | None


@dataclass(frozen=True, slots=True)
class Joined:
    """A written file: its length, the length of each part in it, gaps not counted."""

    duration_ms: int
    parts_ms: list[int]
    size: int


def join(
    parts: Sequence[Part],
    output_format: str,
    path: str | Path,
    gap_ms: int = 0,
    *,
    outline: Outline | None = None,
) -> Joined:
    """Write all parts, one after the other, to `path`.

    One part that already has the wanted format is copied byte for byte. Give an `outline`
    collector, made for the output format's rate, to have the waveform as well. Raises
    NotAudio for a part that holds no sound, and DurationMismatch when the file written
    is more than 20 ms away from the sum of its parts; then the file is not to be used.
    """
    wanted = formats.parse(output_format)
    if not parts:
        raise ValueError("there is nothing to join")
    if len(parts) == 1 and parts[0].format == output_format:
        return _copy(parts[0], wanted.rate, path, outline)
    timeline = _Timeline(parts, wanted.rate, gap_ms)
    return _written(timeline, output_format, path, outline, expected_ms=_expected_ms(parts))


def can_grow(output_format: str) -> bool:
    """Whether a file can be begun before its length is known, and it pays to begin early."""
    return formats.parse(output_format).codec in _GROWING


def join_growing(
    parts: Iterable[Part],
    output_format: str,
    path: str | Path,
    gap_ms: int = 0,
    *,
    outline: Outline | None = None,
) -> Joined:
    """Write parts that are still being made: each is asked for when the one before is read.

    Asking may wait as long as it likes, and what it raises ends the join. Of two parts
    and more the file is the one that `join` writes; a single one is always encoded.
    """
    if not can_grow(output_format):
        raise ValueError(f"{output_format} needs its length first")
    timeline = _Timeline(parts, formats.parse(output_format).rate, gap_ms)
    return _written(timeline, output_format, path, outline, expected_ms=0)


def _written(
    timeline: _Timeline,
    output_format: str,
    path: str | Path,
    outline: Outline | None,
    *,
    expected_ms: int,
) -> Joined:
    rate = formats.parse(output_format).rate
    blocks = _watched(_ahead(timeline.blocks()), outline)
    encoded = encode.encode_file(blocks, output_format, rate, path, expected_ms=expected_ms)
    check(path, output_format, timeline.duration_ms)
    return Joined(timeline.duration_ms, timeline.parts_ms, encoded.size)


def _copy(part: Part, rate: int, path: str | Path, outline: Outline | None) -> Joined:
    if outline is None:
        duration_ms = decode.duration_ms(part.path, part.format)
    else:
        samples = 0
        for block in decode.decode(part.path, part.format, rate):
            outline.add(block)
            samples += len(block)
        duration_ms = round(samples * 1000 / rate)
    shutil.copyfile(part.path, path)
    return Joined(duration_ms, [duration_ms], Path(path).stat().st_size)


class _Timeline:
    """The parts as one run of samples, and where each of them lies in it."""

    def __init__(self, parts: Iterable[Part], rate: int, gap_ms: int) -> None:
        self._parts = parts
        self._rate = rate
        self._gap = np.zeros(gap_ms * rate // 1000, dtype=np.int16)
        self._written = 0
        self._elapsed = Fraction(0)
        self.parts_ms: list[int] = []

    @property
    def duration_ms(self) -> int:
        return self._ms(self._written)

    def blocks(self) -> Iterator[Samples]:
        for number, part in enumerate(self._parts):
            if number and len(self._gap):
                self._written += len(self._gap)
                self._elapsed += Fraction(len(self._gap), self._rate)
                yield self._gap
            begun = self._written
            yield from self._part(part)
            if self._written == begun:
                raise NotAudio(f"part {number + 1} holds no sound")
            self.parts_ms.append(self._ms(self._written) - self._ms(begun))

    def _part(self, part: Part) -> Iterator[Samples]:
        decoding = decode.Decoding(part.path, part.format, self._rate)
        begun = self._written

        # Resampling rounds each part up; over thousands of parts that would be heard as drift.
        def due() -> int:
            self._elapsed += decoding.seconds
            return round(self._elapsed * self._rate) - begun

        for block in faded(decoding.blocks(), self._rate, due):
            self._written += len(block)
            yield block

    def _ms(self, samples: int) -> int:
        return round(samples * 1000 / self._rate)


def faded(blocks: Iterable[Samples], rate: int, due: Callable[[], int]) -> Iterator[Samples]:
    """One part with a short fade at both ends, in blocks worth handing over.

    When nothing follows, `due` is asked how many samples the part should have had.
    """
    fade = max(rate * _FADE_MS // 1000, 1)
    held: list[Samples] = []
    size = given = 0
    is_first = True
    for block in blocks:
        held.append(block)
        size += len(block)
        if size < _BLOCK:
            continue
        whole = np.concatenate(held)
        if is_first:
            _fade_in(whole, fade)
            is_first = False
        # The end is only known when nothing follows, so as much as a fade is kept back.
        yield whole[:-fade]
        given += len(whole) - fade
        held, size = [whole[-fade:].copy()], fade
    if size:
        yield _closed(_resized(np.concatenate(held), due() - given), fade, is_first)


def _resized(samples: Samples, length: int) -> Samples:
    missing = max(length - len(samples), 0)
    return np.pad(samples, (0, missing))[: max(length, 1)]


def _closed(whole: Samples, fade: int, is_first: bool) -> Samples:
    length = min(fade, len(whole) // 2 or 1)
    if is_first:
        _fade_in(whole, length)
    whole[-length:] = whole[-length:] * np.linspace(1, 0, length, dtype=np.float32)
    return whole


def _fade_in(samples: Samples, length: int) -> None:
    samples[:length] = samples[:length] * np.linspace(0, 1, length, dtype=np.float32)


def _watched(blocks: Iterator[Samples], outline: Outline | None) -> Iterator[Samples]:
    for block in blocks:
        if outline is not None:
            outline.add(block)
        yield block


def _ahead(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """The same blocks, made on another thread, which stops when nobody listens any more."""
    waiting: queue.Queue[Samples | BaseException | None] = queue.Queue(_BLOCKS_AHEAD)
    is_over = threading.Event()

    def produce() -> None:
        end: BaseException | None = None
        try:
            for block in blocks:
                waiting.put(block)
                if is_over.is_set():
                    return
        except BaseException as error:  # handed to the consumer, whatever it is
            end = error
        waiting.put(end)

    producer = threading.Thread(target=produce, name="decode-ahead", daemon=True)
    producer.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        is_over.set()
        _drain(waiting, producer)


def _drain(
    waiting: queue.Queue[Samples | BaseException | None], producer: threading.Thread
) -> None:
    # A producer that waits for room must be let go before it can see that it is over.
    while producer.is_alive():
        try:
            waiting.get(timeout=0.01)
        except queue.Empty:
            continue
    producer.join()


def _expected_ms(parts: Sequence[Part]) -> int:
    """A generous guess of the length, only to choose a header that is large enough."""
    sizes = sum(Path(part.path).stat().st_size for part in parts)
    slowest = min(_bytes_per_second(part.format) for part in parts)
    return sizes * 1000 // slowest


def _bytes_per_second(format_name: str | None) -> int:
    if format_name is None:
        return _SLOWEST
    sound = formats.parse(format_name)
    if sound.bitrate:
        return sound.bitrate // 8
    return sound.rate if sound.codec in ("ulaw", "alaw") else sound.rate * 2 * sound.channels


def check(path: str | Path, format_name: str, wanted_ms: int) -> None:
    """Raise DurationMismatch when a written file does not last as long as it should.

    It is decoded to its end, as everything is that somebody pays for.
    """
    found_ms = decode.duration_ms(path, format_name)
    if abs(found_ms - wanted_ms) > TOLERANCE_MS:
        raise DurationMismatch(f"the file lasts {found_ms} ms, its parts {wanted_ms} ms")
