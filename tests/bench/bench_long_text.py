"""A book to mp3 on the real site: how many times real time, and the worker's memory.

A million characters take some ten minutes; `--characters 200000` is the quick way.
RSS counts a shared page once per process; PSS divides it among them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.running import Site, Visitor

LIMIT_SPEED = 60.0
LIMIT_MB = 300.0
SENTENCE = "The harbour was quiet that morning, and only a few gulls were about. "
STATE = "SELECT state, duration_ms, audio_bytes FROM jobs_job"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--characters", type=int, default=1_000_000)
    options = parser.parse_args()
    text = (SENTENCE * (options.characters // len(SENTENCE) + 1))[: options.characters]
    with tempfile.TemporaryDirectory() as data, Site(Path(data)) as site:
        site.open_account(credits=10**6)
        with Visitor(site) as visitor:
            visitor.sign_in()
            voice = site.rows("SELECT id FROM voices_voice WHERE external_id = 'en-us'")[0][0]
            began = time.monotonic()
            visitor.generate(visitor.open_studio(), voice=voice, text=text)
        peak_rss, peak_pss = watch(site)
        seconds = time.monotonic() - began
        state, duration_ms, size = site.rows(STATE)[0]
    return report(len(text), state, seconds, duration_ms / 1000, size, peak_rss, peak_pss)


def watch(site: Site) -> tuple[float, float]:
    """The worker's peaks in MB, all its processes together, until the job is over."""
    peak_rss = peak_pss = 0.0
    while site.rows(STATE)[0][0] in ("queued", "processing"):
        rss = pss = 0.0
        cluster = site.child("worker")
        for process in (cluster, *cluster.children(recursive=True)):
            with suppress(psutil.Error):
                memory = process.memory_full_info()
                rss += memory.rss / 1e6
                pss += memory.pss / 1e6
        peak_rss, peak_pss = max(peak_rss, rss), max(peak_pss, pss)
        time.sleep(1)
    return peak_rss, peak_pss


def report(
    characters: int, state: str, seconds: float, sound: float, size: int, rss: float, pss: float
) -> int:
    print(f"{characters:,} characters: {state}, {sound / 60:.1f} min of sound, {size / 1e6:.0f} MB")
    print(f"{seconds:.0f} s, {sound / seconds:.0f} times real time (limit {LIMIT_SPEED:.0f})")
    print(f"worker's peak {pss:.0f} MB PSS, {rss:.0f} MB RSS (limit {LIMIT_MB:.0f} MB, PSS)")
    passed = state == "succeeded" and sound / seconds >= LIMIT_SPEED and pss <= LIMIT_MB
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
