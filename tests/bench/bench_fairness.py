"""Ten thousand pieces of one account are queued; how soon does another's first one start?

Run with `python -m tests.bench.bench_fairness`. A provider that answers after two
seconds has room for 32 calls at once, all of them taken by the first account.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.upstream_site import BenchSite, wait_for

PIECES, FLIGHT, NEWCOMERS = 10_000, 32, 10
LIMIT_SECONDS = 2.0
# A place becomes free when one of 32 calls of two seconds ends.
SENTENCE = "The harbour was quiet that morning, and only a few gulls were about over the water. "


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as data,
        BenchSite(Path(data), "elevenlabs", latency=2) as site,
    ):
        return 0 if measure(site) else 1


def measure(site: BenchSite) -> bool:
    from jobs.models import Segment
    from speechsite.upstreams.models import Channel, Offer
    from voices import sync

    site.control("elevenlabs", latency=0, maximum_concurrent=FLIGHT, credits=10**9, quota=10**9)
    sync.sync_all()
    site.control("elevenlabs", latency=2)
    Channel.objects.filter(slug="elevenlabs").update(concurrency=FLIGHT)
    Offer.objects.update(max_characters=len(SENTENCE))
    book = site.user("book@example.com")
    place(book, SENTENCE * PIECES)
    site.start_worker()
    done = Segment.objects.filter(state="done")
    wait_for(lambda: done.count() > 2 * FLIGHT, 60)
    waits = sorted(first_start(site, number) for number in range(NEWCOMERS))
    queued = Segment.objects.filter(user=book, state="waiting").count()
    good = waits[-1] <= LIMIT_SECONDS
    print(
        f"{'PASS' if good else 'FAIL'} behind {queued:,} pieces of another account: first piece "
        f"started after {waits[len(waits) // 2]:.2f} s (median), {waits[-1]:.2f} s (worst of "
        f"{NEWCOMERS}), limit {LIMIT_SECONDS} s"
    )
    return good


def first_start(site: BenchSite, number: int) -> float:
    from jobs.models import Segment

    job = place(site.user(f"new{number}@example.com"), "Mine is short.")
    begun = time.monotonic()
    waiting = Segment.objects.filter(job=job, state="waiting")
    wait_for(lambda: not waiting.exists(), 60, pause=0.01)
    return time.monotonic() - begun


def place(user: Any, text: str) -> Any:
    from jobs import lifecycle
    from voices.models import SpeechModel, Voice

    model = SpeechModel.objects.get(slug="elevenlabs-multilingual-v2")
    voice = Voice.objects.filter(family="elevenlabs").first()
    return lifecycle.place(user, model=model, voice=voice, text=text)


if __name__ == "__main__":
    sys.exit(main())
