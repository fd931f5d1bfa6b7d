"""How many upstream calls one worker process keeps in flight, against a provider that
answers after two seconds: rate, memory and processor time, on SQLite as in production.

Run with `python -m tests.bench.bench_upstream_load [--seconds 20] [--flight 64 256]`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.bench.upstream_site import BenchSite, wait_for

LATENCY = 2.0
LIMIT_SHARE = 0.9
LIMIT_MB = 200
PIECE = 100  # characters
SENTENCE = "The harbour was quiet that morning, and only a few gulls were about over the grey water there. "


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--flight", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--provider", default="elevenlabs", choices=("elevenlabs", "minimax"))
    given = parser.parse_args()
    if len(given.flight) > 1:
        # Settings are read once in a process, so each size gets one of its own.
        again = [sys.executable, "-m", __spec__.name, "--provider", given.provider]
        again += ["--seconds", str(given.seconds), "--flight"]
        return max([subprocess.call([*again, str(flight)]) for flight in given.flight])
    with (
        tempfile.TemporaryDirectory() as data,
        BenchSite(Path(data), given.provider, latency=LATENCY) as site,
    ):
        return 0 if measure(site, given.provider, given.flight[0], given.seconds) else 1


def measure(site: BenchSite, provider: str, flight: int, seconds: float) -> bool:
    from speechsite.upstreams.models import Channel, Offer

    site.control(provider, latency=0, maximum_concurrent=flight, credits=10**9, quota=10**9)
    sync()
    site.control(provider, latency=LATENCY)
    Channel.objects.filter(slug=provider).update(concurrency=flight, rate_count=None)
    Offer.objects.update(max_characters=PIECE)
    place(site, provider, pieces=int(flight / LATENCY * (seconds + 15)))
    site.start_worker()
    wait_for(lambda: done() > flight, 60)
    worker = site.worker()
    assert worker is not None
    return report(flight, *watch(site, worker, provider, seconds))


def sync() -> None:
    from voices import sync

    errors = [report for report in sync.sync_all() if report.error]
    assert not errors, errors


def place(site: BenchSite, provider: str, pieces: int) -> None:
    from jobs import lifecycle
    from voices.models import SpeechModel, Voice

    slug = "elevenlabs-multilingual-v2" if provider == "elevenlabs" else "minimax-speech-2.8-hd"
    model = SpeechModel.objects.get(slug=slug)
    voice = Voice.objects.filter(family=model.family).first()
    user = site.user()
    while pieces > 0:
        job = lifecycle.place(user, model=model, voice=voice, text=SENTENCE * min(pieces, 2000))
        pieces -= job.segment_count


def watch(
    site: BenchSite, worker: psutil.Process, provider: str, seconds: float
) -> tuple[float, float, float, int]:
    """Pieces per second, the most memory in MB, processor seconds per piece, most in flight."""
    first, begun, used = done(), time.monotonic(), cpu(worker)
    memory = 0.0
    while time.monotonic() - begun < seconds:
        memory = max(memory, worker.memory_info().rss / 2**20)
        time.sleep(0.5)
    count, passed = done() - first, time.monotonic() - begun
    most = site.control(provider)["most_in_flight"]
    return count / passed, memory, (cpu(worker) - used) / max(count, 1), most


def report(flight: int, rate: float, memory: float, each: float, most: int) -> bool:
    possible = flight / LATENCY
    good = rate >= LIMIT_SHARE * possible and memory <= LIMIT_MB
    print(
        f"{'PASS' if good else 'FAIL'} {flight} in flight: {rate:.1f}/s of {possible:.0f}/s "
        f"possible ({rate / possible:.0%}), {memory:.0f} MB, {each * 1000:.1f} ms of processor "
        f"for each piece, at most {most} calls at once",
        flush=True,
    )
    return good


def done() -> int:
    from jobs.models import Segment

    return Segment.objects.filter(state="done").count()


def cpu(process: psutil.Process) -> float:
    times: Any = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    sys.exit(main())
