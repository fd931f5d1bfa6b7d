"""Idle cost of the whole site: memory and processor of supervisor, web and worker.

Run by hand or by `make bench`. RSS counts a shared page once per process; PSS divides
it among them, so the sum of PSS is what the machine really gives. Other programs that
run from the same environment share its libraries, up to 30 MB: measure without them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
SETTLE_SECONDS = 5
MEASURE_SECONDS = 30
LIMIT_MB = 250
LIMIT_PERCENT = 2.0


def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        site = start(data)
        try:
            time.sleep(SETTLE_SECONDS)
            measure(site)
        finally:
            began = time.monotonic()
            site.terminate()
            code = site.wait(20)
            print(f"stopped in {time.monotonic() - began:.1f} s with exit code {code}")


def start(data: str) -> subprocess.Popen[str]:
    """The real site on a free port, once it has said that it is ready."""
    began = time.monotonic()
    site = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "up", "--port", "0"],
        env=os.environ | {"DATA_DIR": data},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert site.stdout is not None
    for line in site.stdout:
        if " is ready " in line:
            print(f"ready after {time.monotonic() - began:.1f} s")
            return site
    raise SystemExit("the site did not start")


def measure(site: subprocess.Popen[str]) -> None:
    family = [psutil.Process(site.pid), *psutil.Process(site.pid).children(recursive=True)]
    before = processor_seconds(family)
    time.sleep(MEASURE_SECONDS)
    percent = (processor_seconds(family) - before) / MEASURE_SECONDS * 100
    rss = pss = 0.0
    for process in family:
        memory = process.memory_full_info()
        rss += memory.rss / 1e6
        pss += memory.pss / 1e6
        print(
            f"{process.pid:>8} {process.name():<13} {memory.rss / 1e6:6.1f} MB RSS "
            f"{memory.uss / 1e6:6.1f} MB of its own {memory.pss / 1e6:6.1f} MB PSS"
        )
    print(f"{len(family)} processes, RSS {rss:.0f} MB, PSS {pss:.0f} MB (limit {LIMIT_MB})")
    print(f"processor {percent:.2f} % of a core (limit {LIMIT_PERCENT})")


def processor_seconds(family: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in family)


if __name__ == "__main__":
    main()
