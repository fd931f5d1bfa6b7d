"""How fast, and in how much memory, an hour of sound is joined.

Run it with: python -m tests.bench.bench_audio [minutes]
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from speechsite.audio import encode, join
from speechsite.audio.decode import Samples
from speechsite.audio.outline import Outline

PART_SECONDS = 60


def voice_like(rate: int, seconds: float) -> Samples:
    """Tone, breath and pauses: about as hard to encode as speech."""
    times = np.arange(int(rate * seconds)) / rate
    tone = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 12))
    noise = np.random.default_rng(7).normal(0, 0.2, len(times))
    loudness = np.clip(np.sin(2 * np.pi * 1.7 * times) + 0.4, 0, 1)
    return ((tone + noise) * loudness * 6000).astype(np.int16)


def make_part(format_name: str, rate: int, path: Path) -> None:
    encode.encode_file([voice_like(rate, PART_SECONDS)], format_name, rate, path)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(source: str, rate: int, target: str, minutes: int, folder: Path) -> None:
    part = folder / f"part.{source}"
    # Made by another process, so that the memory counted here is the join's alone.
    maker = multiprocessing.get_context("spawn").Process(
        target=make_part, args=(source, rate, part)
    )
    maker.start()
    maker.join()
    parts = [join.Part(part, source)] * minutes
    before = peak_megabytes()
    begun, worked = time.perf_counter(), time.process_time()
    joined = join.join(parts, target, folder / "joined", outline=Outline(44_100))
    wall, work = time.perf_counter() - begun, time.process_time() - worked
    seconds = joined.duration_ms / 1000
    print(
        f"{source:>14} -> {target:<14} {seconds / 60:5.0f} min"
        f"  wall {seconds / wall:5.0f} x  one core {seconds / work:5.0f} x real time"
        f"  peak {peak_megabytes():4.0f} MB (+{peak_megabytes() - before:.0f})"
    )


def main() -> None:
    minutes = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as folder:
        for source, rate, target in (
            ("mp3_44100_128", 44_100, "mp3_44100_128"),
            ("pcm_22050", 22_050, "mp3_44100_128"),
            ("pcm_44100", 44_100, "mp3_44100_128"),
            ("mp3_44100_128", 44_100, "wav_44100"),
            ("mp3_44100_128", 44_100, "opus_48000_64"),
        ):
            measure(source, rate, target, minutes, Path(folder))


if __name__ == "__main__":
    main()
