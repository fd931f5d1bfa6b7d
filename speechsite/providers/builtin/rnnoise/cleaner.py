"""The program that removes noise: a recording's path in, clean samples out.

Run as `python -I rnnoise/cleaner.py LIBRARY IDLE_SECONDS`; stdin and stdout are one
socket (frames: `wire.py`). PyAV decodes whatever it can to 48 kHz mono, RNNoise
cleans ten milliseconds at a time, and nothing is held but the block at hand.

RNNoise lowers speech by half a decibel (measured at 15 to -5 dB of noise, at any
level); that is given back, and the rest of the level is the recording's own.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import av
import numpy as np
from wire import Wire  # isolated mode leaves our folder out

RATE = 48_000
FRAME = 480
BLOCK = FRAME * 100
DELAY = 960  # samples by which RNNoise's output lags
MAKE_UP = 1.05

# A playlist posing as a recording must not make FFmpeg open other files or hosts.
OPENING = {"protocol_whitelist": "none"}

Samples = np.ndarray[Any, np.dtype[np.float32]]


class NotARecording(Exception):
    """Nothing in the file can be heard."""


class Denoiser:
    """RNNoise's state for one recording."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._process = library.rnnoise_process_frame
        self._process.restype = ctypes.c_float
        self._process.argtypes = [ctypes.c_void_p] * 3
        library.rnnoise_create.restype = ctypes.c_void_p
        library.rnnoise_create.argtypes = [ctypes.c_void_p]
        self._destroy = library.rnnoise_destroy
        self._destroy.argtypes = [ctypes.c_void_p]
        self._state = library.rnnoise_create(None)

    def __enter__(self) -> Denoiser:
        return self

    def __exit__(self, *exc: object) -> None:
        self._destroy(self._state)

    def clean(self, block: Samples) -> Samples:
        """Whole frames in, as many samples out."""
        cleaned = np.empty_like(block)
        source, target = block.ctypes.data, cleaned.ctypes.data
        for offset in range(0, block.nbytes, FRAME * block.itemsize):
            self._process(self._state, target + offset, source + offset)
        return cleaned


def decoded(path: str) -> Iterator[Samples]:
    """The recording's first sound track as 48 kHz mono, in pieces as they come."""
    with open(path, "rb") as file:
        try:
            container = av.open(file, options=OPENING)
        except av.error.FFmpegError as error:
            raise NotARecording("the file is not a recording that can be read") from error
        with container:
            if not container.streams.audio:
                raise NotARecording("the file has no sound")
            yield from _resampled(container)


def _resampled(container: Any) -> Iterator[Samples]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    for packet in container.demux(audio=0):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue  # a damaged packet costs a moment, not the recording
        for frame in frames:
            for piece in resampler.resample(frame):
                yield piece.to_ndarray()[0]
    for piece in resampler.resample(None):
        yield piece.to_ndarray()[0]


def blocks(pieces: Iterator[Samples]) -> Iterator[tuple[Samples, int]]:
    """Even blocks of 16-bit range, the last one padded; with the count of real samples."""
    held: list[Samples] = []
    count = 0
    for piece in pieces:
        held.append(piece * np.float32(32_767))
        count += len(piece)
        while count >= BLOCK:
            whole = np.concatenate(held)
            yield np.ascontiguousarray(whole[:BLOCK]), BLOCK
            held, count = [whole[BLOCK:]], count - BLOCK
    padding = -(count + DELAY) % FRAME + DELAY
    yield np.concatenate([*held, np.zeros(padding, np.float32)]), count


def clean(path: str, library: ctypes.CDLL, wire: Wire) -> None:
    left = total = 0
    skip = DELAY
    with Denoiser(library) as denoiser:
        for block, count in blocks(decoded(path)):
            total += count
            left += count
            cleaned = denoiser.clean(np.nan_to_num(block))[skip:][:left]
            skip = max(skip - len(block), 0)
            left -= len(cleaned)
            if len(cleaned):
                wire.send(b"A", _sixteen_bits(cleaned))
    if not total:
        raise NotARecording("the recording is empty")


def _sixteen_bits(samples: Samples) -> bytes:
    return np.clip(samples * MAKE_UP, -32_768, 32_767).astype("<i2").tobytes()


def main(library: str, idle_seconds: str) -> None:
    wire = Wire(0, 1)
    rnnoise = ctypes.CDLL(library)
    av.logging.set_level(None)
    for job in wire.jobs(float(idle_seconds)):
        try:
            clean(job["path"], rnnoise, wire)
        except OSError:
            wire.send(b"R", b"the recording cannot be opened")
        except NotARecording as error:
            wire.send(b"R", str(error).encode())
        else:
            wire.send(b"E")


if __name__ == "__main__":
    main(*sys.argv[1:3])
