"""How fast the built-in engine speaks and cleans, how soon, and in how much memory.

Run it with: python -m tests.bench.bench_builtin [minutes to clean]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil

from speechsite.providers.builtin import Builtin, pool
from speechsite.providers.builtin.engines import ESPEAK
from speechsite.providers.builtin.pool import Pool
from speechsite.providers.builtin.rnnoise import engine as rnnoise
from speechsite.providers.types import Chunk, CleaningOrder, SpeechOrder

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it sleeps. "
TEXTS = {"en-us": SENTENCE * 1500, "zh-cn": "今天天气很好，我们去公园走走。" * 4000}
ROUNDS = 50


def main() -> None:
    minutes = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for cold in (True, False):
        firsts = sorted(asyncio.run(first_chunk(SENTENCE, cold=cold)) for _ in range(ROUNDS))
        name = "cold" if cold else "warm"
        print(f"first chunk, {name}: p50 {firsts[ROUNDS // 2]:.1f} ms", end="  ")
        print(f"p95 {firsts[ROUNDS * 95 // 100]:.1f} ms")
    million = asyncio.run(first_chunk((SENTENCE * 16_000)[:1_000_000], cold=True))
    print(f"first chunk of 1,000,000 characters, cold: {million:.0f} ms")
    for voice, text in TEXTS.items():
        asyncio.run(speaking(voice, text))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(cleaning(recording(Path(folder) / "noisy.wav", minutes)))


def order(text: str, voice: str = "en-us") -> SpeechOrder:
    return SpeechOrder(text=text, voice=voice, model="builtin", key="bench")


async def first_chunk(text: str, *, cold: bool) -> float:
    if cold:
        pool.close_all()
    begun = time.perf_counter()
    speech = Builtin().speak(order(text))
    await anext(speech)
    passed = (time.perf_counter() - begun) * 1000
    if cold:
        await speech.aclose()
    async for _ in speech:
        pass
    return passed


async def speaking(voice: str, text: str) -> None:
    seconds, passed, busy, memory = await drain(
        Builtin().speak(order(text, voice)), ESPEAK.pool, 22_050
    )
    print(
        f"speech {voice}: {len(text)} characters, {seconds / passed:.0f} x real time"
        f" ({seconds / busy:.0f} by processor time), child {memory:.0f} MB"
    )


async def cleaning(path: Path) -> None:
    work = Builtin().clean(CleaningOrder(path, path.name, "audio/wav", 0, "isolation", "bench"))
    seconds, passed, busy, memory = await drain(work, rnnoise.pool, 48_000)
    print(
        f"cleaning: {seconds / passed:.1f} x real time ({seconds / busy:.1f} by processor time),"
        f" child {memory:.0f} MB"
    )


async def drain(
    work: AsyncIterator[Chunk], children: Pool, rate: int
) -> tuple[float, float, float, float]:
    """Seconds of sound, seconds passed, the child's processor seconds, its megabytes."""
    size, memory, busy = 0, 0, 0.0
    begun = time.perf_counter()
    async for chunk in work:
        size += len(chunk.audio)
        for child in children.children():
            process = psutil.Process(child)
            memory = max(memory, process.memory_info().rss)
            busy = max(busy, sum(process.cpu_times()[:2]))
    return size / 2 / rate, time.perf_counter() - begun, busy, memory / 1e6


def recording(path: Path, minutes: int) -> Path:
    times = np.arange(48_000 * 60) / 48_000
    noise = np.random.default_rng(1).normal(0, 400, len(times))
    voice = np.sin(2 * np.pi * 140 * times) * 8000 * (np.sin(2 * np.pi * 1.5 * times) > 0)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        for _ in range(minutes):
            file.writeframes((voice + noise).astype("<i2").tobytes())
    return path


if __name__ == "__main__":
    main()
