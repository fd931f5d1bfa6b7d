"""A thousand orders are taken and their answers dropped: no duplicates, all resolved.

Through the real site (web and worker) with each provider's own way back: Rivya under
its key, ElevenLabs' history, kie's callback, and MiniMax, which has none: sent once more
and listed as a possible cost.

Run with `python -m tests.bench.bench_lost_answers [--pieces 1000] [--providers kie]`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.upstream_site import BenchSite, wait_for

PROVIDERS = ("elevenlabs", "kie", "minimax", "rivya")
SENTENCE = "The harbour was quiet that morning, and a few gulls were about. "
LONGEST = 240.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pieces", type=int, default=1000)
    parser.add_argument("--providers", nargs="+", choices=PROVIDERS, default=list(PROVIDERS))
    given = parser.parse_args()
    if len(given.providers) > 1:
        again = [sys.executable, "-m", __spec__.name, "--pieces", str(given.pieces)]
        return max([subprocess.call([*again, "--providers", one]) for one in given.providers])
    [name] = given.providers
    with tempfile.TemporaryDirectory() as data, BenchSite(Path(data), name) as site:
        return 0 if lose(site, name, given.pieces) else 1


def lose(site: BenchSite, name: str, pieces: int) -> bool:
    from jobs import lifecycle
    from jobs.models import Segment
    from speechsite.credits import ledger
    from speechsite.upstreams.models import Channel, Offer
    from voices import sync
    from voices.models import SpeechModel, Voice

    site.control(name, maximum_concurrent=64)
    sync.sync_all()
    # MiniMax answers what comes after a thousand lost answers, or all would be lost twice.
    times = pieces if name == "minimax" else None
    site.control(name, fault="drop_after", delay=1, times=times)
    Channel.objects.filter(slug=name).update(concurrency=64, rate_count=None)
    Offer.objects.update(max_characters=len(SENTENCE))
    slug = "minimax-speech-2.8-hd" if name == "minimax" else "elevenlabs-multilingual-v2"
    model = SpeechModel.objects.get(slug=slug)
    voices = Voice.objects.filter(family=model.family, listed_by__icontains=name)
    job = lifecycle.place(site.user(), model=model, voice=voices[0], text=SENTENCE * pieces)
    site.start_site()
    begun = time.monotonic()
    wait_for(lambda: site.control(name)["accepted"] >= pieces, LONGEST)
    # From now on the provider answers: Rivya's repeats would else be dropped for ever.
    site.control(name, fault="")
    open_pieces = Segment.objects.exclude(state__in=("done", "failed"))
    wait_for(lambda: not open_pieces.exists(), LONGEST, pause=0.5)
    wait_for(lambda: is_over(job), LONGEST, pause=0.5)
    passed = time.monotonic() - begun
    done = Segment.objects.filter(state="done")
    accepted, own = site.control(name)["accepted"], done.values("upstream_id").distinct().count()
    failed = Segment.objects.filter(state="failed").count()
    again = Segment.objects.filter(resends__gt=0)
    listed = again.filter(possible_cost=True).count()
    good = accepted == pieces + again.count() and own == done.count() and ledger.audit() == []
    good &= done.count() + failed == pieces and listed == again.count()
    if name != "minimax":
        good &= done.count() == pieces and not Segment.objects.filter(attempts__gt=1).exists()
    job.refresh_from_db()
    print(
        f"{'PASS' if good else 'FAIL'} {name}: {accepted} taken upstream for {pieces} pieces, "
        f"{done.count()} delivered ({own} different), {listed} sent twice and listed as a "
        f"possible cost, {failed} given up, {job.charged} of {job.quoted} charged, {passed:.0f} s",
        flush=True,
    )
    return good


def is_over(job: object) -> bool:
    from jobs.models import Job

    assert isinstance(job, Job)
    job.refresh_from_db()
    return job.is_finished


if __name__ == "__main__":
    sys.exit(main())
