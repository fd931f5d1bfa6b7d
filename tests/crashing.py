"""Kill -9 of every kind of process of a real site under mixed load, and what must hold after it.

The crash test of the suite and `tests.bench.bench_crash` share this. A killed supervisor is
started again here, as a service manager would do it; everything else is the site's own business.
"""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from tests.crowd import LIAM, TEXT, Crowd, Partner, Told, crowd, partner
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.server import serving
from tests.running import EMAIL, Site, is_alive, kill

KINDS = ("web", "guard", "worker", "engine", "duties", "supervisor")
FIRST = "first after a kill"
WATCHER = "walpurga@example.com"  # who orders after each kill has an account of her own
WELL_SECONDS = 60.0  # until all processes are there again
ENDS_SECONDS = 180.0  # until all work is over once nobody orders any more
ENGINES = "speechsite/providers/builtin"
OPEN = "SELECT count(*) FROM jobs_job WHERE state IN ('queued', 'processing') OR is_joinable"
UNSENT = """
    SELECT (SELECT count(*) FROM jobs_delivery WHERE state = 'pending')
         + (SELECT count(*) FROM jobs_callback WHERE finished_at IS NULL)
         + (SELECT count(*) FROM duties_duty WHERE kind = 'file')
"""
NAMED = """
    SELECT audio FROM jobs_job WHERE audio <> '' UNION
    SELECT audio FROM jobs_segment WHERE audio <> '' UNION
    SELECT file FROM jobs_upload WHERE deleted_at IS NULL
"""
OURS = "WHERE channel_id = (SELECT id FROM upstreams_channel WHERE slug = 'elevenlabs')"
SWEEP = (
    "import json; from datetime import timedelta; from jobs import strays;"
    "print(json.dumps(strays.sweep(timedelta(0))))"
)


@dataclass(frozen=True)
class Killing:
    """One kill, and the seconds from it to the end of the first order that was placed after it."""

    kind: str
    first_order: float


@dataclass
class Report:
    """What was done to a site, and what it had done."""

    killings: list[Killing] = field(default_factory=list)
    orders: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)  # of all orders, from placing to the end
    swept: dict[str, int] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)  # files that the sweep has left

    def first_orders(self) -> list[float]:
        """Sorted seconds to the first order after each kill."""
        return sorted(one.first_order for one in self.killings)

    def text(self) -> str:
        """The figures, for people."""
        killed = Counter(one.kind for one in self.killings)
        first, waits = self.first_orders(), sorted(self.waits)
        lines = [
            f"{len(first)} kills: " + ", ".join(f"{kind} {killed[kind]}" for kind in KINDS),
            f"{len(waits)} orders: "
            + ", ".join(f"{k} {n}" for k, n in sorted(self.orders.items())),
            f"first order after a kill: {_figures(first)}",
            f"any order, from placing to its end: {_figures(waits)}",
            f"swept {self.swept}, left over {len(self.strays)}",
        ]
        for kind in KINDS:
            of_kind = sorted(one.first_order for one in self.killings if one.kind == kind)
            if of_kind:
                lines.append(f"  after a kill of {kind}: {_figures(of_kind)}")
        return "\n".join(lines)


def percentile(figures: list[float], share: float) -> float:
    """Of sorted figures, the one below which that share of them lies."""
    return figures[min(int(len(figures) * share), len(figures) - 1)]


def _figures(figures: list[float]) -> str:
    if not figures:
        return "none"
    p50, p95 = percentile(figures, 0.5), percentile(figures, 0.95)
    return f"p50 {p50:.1f} s, p95 {p95:.1f} s, worst {figures[-1]:.1f} s"


def crash(data: Path, kills: int, database: str = "", pace: float = 1.5) -> Report:
    """Kill a site so many times under load, then check it. Raises AssertionError."""
    fake = FakeElevenLabs(latency=0.2, quota=10**9, credits=10**9)
    (data / "tmp").mkdir()
    with serving(fake) as provider, partner() as (hooks, told):
        site = Site(
            data,
            port=_free_port(),
            DATABASE_URL=database,
            TMPDIR=str(data / "tmp"),
            ALLOW_PRIVATE_NETWORKS="1",
            ELEVENLABS_API_KEY=fake.key,
            ELEVENLABS_BASE_URL=provider,
            LOG_LEVEL="CRITICAL",
        )
        with site:
            secret = _customer(site, EMAIL)
            one = Partner(site, secret, hooks)
            one.ask("POST", "/api/v1/webhooks", json={"url": f"{hooks}/webhook", "name": "all"})
            one.close()
            watcher = Partner(site, _customer(site, WATCHER), hooks)
            report = Report()
            with crowd(site, secret, hooks, pace) as people:
                _kill(site, watcher, kills, people, report)
            watcher.close()
            wait_for(lambda: _is_quiet(site), ENDS_SECONDS)
            check(site, report, people, fake, told)
    assert site.left_behind == [], site.left_behind
    check_files(site, report)
    return report


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _customer(site: Site, email: str) -> str:
    """An account with credits and no limits but the machine's; its key."""
    site.open_account(1_000_000, email)
    code = (
        "from speechsite.accounts.models import Plan;"
        "Plan.objects.update(**{f.name: None for f in Plan._meta.fields if f.null})"
    )
    assert site.manage("shell", "-c", code).returncode == 0
    return site.manage("createkey", email).stdout.strip()


# --- killing -----------------------------------------------------------------------------------


def _kill(site: Site, watcher: Partner, kills: int, people: Crowd, report: Report) -> None:
    for number, kind in enumerate(_kinds(kills)):
        wait_for(lambda: is_well(site), WELL_SECONDS)
        time.sleep(random.uniform(0.1, 0.8))
        orphans = site.family() if kind == "supervisor" else []
        _kill_one(site, kind)
        began = time.monotonic()
        if kind == "supervisor":
            _start_again(site)
        seconds = _first_order(watcher, number, began)
        people.orders.append(FIRST)
        report.killings.append(Killing(kind, seconds))
        print(f"{number + 1:3} {kind:<10} first order after {seconds:5.1f} s", flush=True)
        assert people.failures == []
        _wait_for_end(orphans)


def _kinds(kills: int) -> Iterator[str]:
    """Each kind as often as any other, in an order that nobody knows."""
    for begun in range(0, kills, len(KINDS)):
        yield from random.sample(KINDS, len(KINDS))[: kills - begun]


def _kill_one(site: Site, kind: str) -> None:
    assert site.process is not None
    if kind == "supervisor":
        site.process.kill()
    elif kind == "engine":
        kill(_engine(site))
    elif kind == "worker":
        kill(random.choice(_forks(site)))
    else:
        kill(site.child("worker" if kind == "guard" else kind))


def _start_again(site: Site) -> None:
    """What a service manager does. Its predecessor's children may have the port for a moment."""
    assert site.process is not None
    assert site.process.stdout is not None
    site.process.wait()
    site.process.stdout.close()
    until = time.monotonic() + WELL_SECONDS
    while True:
        try:
            site.__enter__()
        except RuntimeError:
            if time.monotonic() > until:
                raise
        else:
            return


def _wait_for_end(orphans: list[psutil.Process]) -> None:
    """Whoever belonged to a killed supervisor goes, however busy it was."""
    wait_for(lambda: not any(map(is_alive, orphans)), WELL_SECONDS)


def _first_order(watcher: Partner, number: int, began: float) -> float:
    """Place an order, every third with the provider, and wait for its sound."""
    text = f"First after kill {number}. {TEXT}"
    by = {"model": "eleven_multilingual_v2", "voice": LIAM} if number % 3 == 0 else {}
    job = watcher.order(text, **by)
    wait_for(lambda: watcher.is_over(job), ENDS_SECONDS)
    return time.monotonic() - began


def _forks(site: Site) -> list[psutil.Process]:
    """What the queue's guard has forked: who runs tasks, and who brings them."""
    return [one for one in site.child("worker").children() if not _is_engine(one)]


def _engine(site: Site) -> psutil.Process:
    """An engine's process, as soon as there is one."""
    found: list[psutil.Process] = []

    def look() -> bool:
        found[:] = [one for one in site.family() if _is_engine(one)]
        return bool(found)

    wait_for(look, WELL_SECONDS)
    return random.choice(found)


def _is_engine(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any(ENGINES in part for part in process.cmdline())
    return False


def is_well(site: Site) -> bool:
    """Whether every process is there that the site runs at rest."""
    return bool(site.child("web")) and bool(site.child("duties")) and len(_forks(site)) >= 3


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    """Until it is so. Raises AssertionError when that takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(LookupError, psutil.Error):  # between two lives of a process
            if what():
                return
        time.sleep(0.05)
    raise AssertionError(f"it did not happen in {seconds:g} s")


# --- what must hold ----------------------------------------------------------------------------


def _is_quiet(site: Site) -> bool:
    return site.rows(OPEN)[0][0] == 0 and site.rows(UNSENT)[0][0] == 0


def check(site: Site, report: Report, people: Crowd, fake: FakeElevenLabs, told: Told) -> None:
    """Nothing is lost, nothing is done twice, and each is charged what was agreed on."""
    assert people.failures == []
    report.orders.update(people.orders)
    check_jobs(site, report)
    check_provider(site, fake)
    check_told(site, told, report)
    audit = site.manage("auditcredits")
    assert audit.returncode == 0, audit.stdout


def check_jobs(site: Site, report: Report) -> None:
    jobs = site.rows("SELECT state, quoted, charged, created_at, finished_at FROM jobs_job")
    # Each order had a key of its own, and a key is on one job: as many are the same ones.
    assert len(jobs) == report.orders.total(), (len(jobs), report.orders)
    failed = "SELECT failure_code, count(*) FROM jobs_job WHERE state = 'failed' GROUP BY 1"
    assert site.rows(failed) == []
    assert {state for state, *_ in jobs} <= {"succeeded", "canceled"}
    for state, quoted, charged, created, finished in jobs:
        assert charged == quoted > 0 if state == "succeeded" else 0 <= charged <= quoted
        report.waits.append((_moment(finished) - _moment(created)).total_seconds())
    assert site.rows("SELECT sum(held) FROM credits_wallet")[0][0] == 0
    taken = site.rows(
        "SELECT count(*), count(DISTINCT job_id) FROM credits_ledgerentry WHERE kind = 'hold'"
    )[0]
    assert taken == (len(jobs), len(jobs))


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def check_provider(site: Site, fake: FakeElevenLabs) -> None:
    """What the provider has made is ours, piece by piece, or listed as a possible cost."""
    ours = [
        one
        for (one,) in site.rows(f"SELECT upstream_id FROM jobs_segment {OURS} AND state = 'done'")
    ]
    assert len(set(ours)) == len(ours)
    assert set(ours) <= set(fake.tasks)
    listed = site.rows(f"SELECT count(*) FROM jobs_segment {OURS} AND possible_cost")[0][0]
    assert len(ours) <= fake.accepted <= len(ours) + listed, (fake.accepted, len(ours), listed)


def check_told(site: Site, told: Told, report: Report) -> None:
    """Every end was told: to the webhook, and to whom an order named."""
    undone = "SELECT count(*) FROM jobs_delivery WHERE state <> 'delivered'"
    assert site.rows(undone)[0][0] == 0
    assert {one for (one,) in site.rows("SELECT event_id FROM jobs_delivery")} == told.webhooks
    assert len(told.webhooks) == report.orders.total() - report.orders[FIRST]
    assert len(told.callbacks) == report.orders["kie"]


def check_files(site: Site, report: Report) -> None:
    """Once it was swept, there is no file that no row names, and nothing in the temporary folder."""
    swept = site.manage("shell", "--no-imports", "-c", SWEEP)
    assert swept.returncode == 0, swept.stderr
    report.swept = json.loads(swept.stdout.splitlines()[-1])
    media = site.data / "media"
    named = {_stem(name) for (name,) in site.rows(NAMED)}
    found = [
        str(path.relative_to(media))
        for folder in ("jobs", "uploads")
        for path in (media / folder).rglob("*")
        if path.is_file()
    ]
    report.strays = [name for name in found if _stem(name) not in named]
    report.strays += [path.name for path in (site.data / "tmp").glob("speechsite-*")]
    assert report.strays == []
    gone = named - {_stem(name) for name in found}
    assert gone == set(), gone


def _stem(name: str) -> str:
    """A file and what was made from it have all up to the first dot of its name in common."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.partition('.')[0]}"
