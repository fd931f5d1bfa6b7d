"""From a job's end to its webhook and callback, while provider jobs that never end go on beside it.

Run with `python -m tests.bench.bench_duties`: one order a second for a minute, ten jobs
at a provider that never finishes, on both brokers (Redis where TEST_REDIS_URL names one).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.bench.upstream_site import BenchSite, wait_for

ENDLESS = 10
ORDERS = 60
LIMIT_SECONDS = 1.0
NEVER = 10**6  # seconds
BROKERS = ("database", "redis")

heard: dict[tuple[str, UUID], float] = {}


class Receiver(BaseHTTPRequestHandler):
    """A partner's server: notes when it first hears of a job, and how."""

    def do_POST(self) -> None:
        now = time.time()
        self.rfile.read(int(self.headers["Content-Length"]))
        kind, _, job = self.path.strip("/").partition("/")
        job = job or self.headers["webhook-id"].split("_")[1]
        heard.setdefault((kind, UUID(hex=job)), now)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not said."""


def main() -> int:
    if sys.argv[1:]:
        return one(sys.argv[1])
    brokers = BROKERS if os.environ.get("TEST_REDIS_URL") else BROKERS[:1]
    command = [sys.executable, "-m", "tests.bench.bench_duties"]
    return max(subprocess.run([*command, broker], check=False).returncode for broker in brokers)


def one(broker: str) -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as data:
        site = BenchSite(Path(data), "kie")
        site.environment["WORKERS"] = "2"
        site.environment["REDIS_URL"] = os.environ["TEST_REDIS_URL"] if broker == "redis" else ""
        with site:
            return 0 if measure(site, broker, address) else 1


def measure(site: BenchSite, broker: str, address: str) -> bool:
    from jobs import outbound
    from jobs.models import Job, Segment
    from speechsite.upstreams.models import Channel
    from voices import sync

    sync.sync_all()
    site.control("kie", delay=NEVER)
    Channel.objects.update(rate_count=None, concurrency=100)
    user = site.user()
    outbound.add_endpoint(user, url=f"{address}/webhook")
    site.start_worker()
    for _ in range(ENDLESS):
        place(user, "elevenlabs-multilingual-v2", "elevenlabs")
    running = Segment.objects.filter(state="running")
    wait_for(lambda: running.count() == ENDLESS, 60)
    jobs = []
    for _ in range(ORDERS):
        jobs.append(order(user, address))
        time.sleep(1)
    ours = Job.objects.filter(pk__in=jobs, finished_at__isnull=False)
    wait_for(lambda: ours.count() == ORDERS, 120)
    wait_for(lambda: len(heard) == 2 * ORDERS, 120)
    assert running.count() == ENDLESS, "a job that never ends has ended"
    told = [tell(broker, kind, list(ours)) for kind in ("webhook", "callback")]
    return all(told)


def order(user: Any, address: str) -> UUID:
    """A short job of the built-in voice that is told both ways."""
    from django.db import transaction

    from jobs import callbacks

    with transaction.atomic():
        job = place(user, "builtin-speech", "builtin")
        callbacks.ask(job, url=f"{address}/callback/{job.pk.hex}", style="kie", origin=address)
    return UUID(str(job.pk))


def place(user: Any, model: str, family: str) -> Any:
    from jobs import lifecycle
    from voices.models import SpeechModel, Voice

    voice = Voice.objects.filter(family=family).order_by("pk").first()
    found = SpeechModel.objects.get(slug=model)
    return lifecycle.place(user, model=found, voice=voice, text="This is soon said.")


def tell(broker: str, kind: str, jobs: list[Any]) -> bool:
    waits = sorted(heard[kind, job.pk] - job.finished_at.timestamp() for job in jobs)
    p95 = waits[int(len(waits) * 0.95)]
    good = p95 <= LIMIT_SECONDS
    print(
        f"{'PASS' if good else 'FAIL'} {broker}: job's end to {kind}: p50 "
        f"{waits[len(waits) // 2]:.2f} s, p95 {p95:.2f} s, worst {waits[-1]:.2f} s of "
        f"{len(waits)} jobs beside {ENDLESS} that never end, limit {LIMIT_SECONDS} s",
        flush=True,
    )
    return good


if __name__ == "__main__":
    sys.exit(main())
