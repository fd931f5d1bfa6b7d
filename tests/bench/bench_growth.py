"""What lists, sums and orders take after 200,000 jobs of one account, against 1,000.

Two sites, each in a process and a database of its own, are filled with jobs over the same
days: the last day has as many in both. They are asked in turn through Django's test client.
What is measured is processor time, of the process and of its session in PostgreSQL where that
is on this machine (else time on the wall, and it says so): others on it do not count. Fails where
the median of one question grew by more than half, or where it takes more than 12 queries. What a
period costs that holds 200 times the jobs is shown and not judged.

    python -m tests.bench.bench_growth [--database postgres://…] [--jobs N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from tests.bench.fresh import Ask, site_that_answers

SMALL, LARGE = 1_000, 200_000
LIMIT, MOST_QUERIES = 1.5, 12
ROUNDS, WARM = 60, 5
DAYS, LAST_DAY = 300, 100
BATCH = 2_000
KINDS = ("grant", "voucher", "adjust", "hold", "capture", "release", "refund")
STATES = ("queued", "processing", "succeeded", "failed", "canceled")
TEXT = "Good morning to everybody in the harbour."
COST = len(TEXT)
SPEECH = {"model": "builtin-speech", "prompt": TEXT, "params": {"voice": "en-us"}}
ORDER = "an order with all three caps"
# An order writes: its rows, the hold, what its key spent, the wake-up.
ALLOWED = {ORDER: 20}
SHOWN_ONLY = ("usage of all its days",)
Compared = Sequence[tuple[dict[str, Any], dict[str, Any]]]


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("--database", default="", help="a PostgreSQL; SQLite if left out")
    asked.add_argument("--jobs", type=int, default=LARGE)
    asked.add_argument("--rounds", type=int, default=ROUNDS)
    asked.add_argument("--site", type=int, help=argparse.SUPPRESS)
    told = asked.parse_args()
    if told.site is not None:
        serve(told.site)
        return 0
    with (
        site_that_answers(__spec__.name, SMALL, told.database) as small,
        site_that_answers(__spec__.name, told.jobs, told.database) as large,
    ):
        names: list[str] = []
        for one in (small, large):
            filled = one("")
            print(f"{filled['jobs']:>9,} jobs, {filled['entries']:,} entries", end="")
            print(f" in {filled['seconds']:.0f} s, {filled['differences']} differences", flush=True)
            if filled["differences"]:
                return 1
            names = filled["names"]
        return judge({name: compare(name, small, large, told.rounds) for name in names})


def compare(name: str, small: Ask, large: Ask, rounds: int) -> Compared:
    """One question to both, in turn; whoever is asked second finds the machine as warm."""
    pairs = []
    if name in SHOWN_ONLY:
        rounds = min(rounds, WARM)
    for number in range(WARM + rounds):
        if number % 2:
            pairs.append((small(name), large(name)))
        else:
            pairs.append((large(name), small(name))[::-1])
    return pairs[WARM:]


def judge(compared: dict[str, Compared]) -> int:
    """Print a line for each question; 1 when one of them grew or takes too many queries."""
    failed = False
    print(f"{'':<44}{'1,000':>9}{'many':>9}{'ratio':>7}{'queries':>9}")
    for name, pairs in compared.items():
        before, after = (median(pair[place]["seconds"] for pair in pairs) for place in (0, 1))
        queries = max(one["queries"] for pair in pairs for one in pair)
        is_bad = after / before > LIMIT or queries > ALLOWED.get(name, MOST_QUERIES)
        verdict = "shown only" if name in SHOWN_ONLY else "FAIL" if is_bad else ""
        failed |= verdict == "FAIL"
        print(
            f"{name:<44}{before * 1000:>6.1f} ms{after * 1000:>6.1f} ms"
            f"{after / before:>7.2f}{queries:>9}  {verdict}"
        )
    print("FAIL" if failed else "PASS", f"(limits {LIMIT} and {MOST_QUERIES} queries)")
    return int(failed)


# --- in the site's own process ---------------------------------------------------------------


def serve(jobs: int) -> None:
    """Fill the database, say so, then answer a line with a line."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "speechsite.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    sys.stdin.readline()
    began = time.perf_counter()
    filled: dict[str, Any] = fill(jobs)
    questions = Questions()
    filled |= {"seconds": time.perf_counter() - began, "names": list(questions.asked)}
    print(json.dumps(filled), flush=True)
    for line in sys.stdin:
        print(json.dumps(questions.answered(line.strip())), flush=True)


def fill(count: int) -> dict[str, int]:
    """An account with a capped key, and what it did in a year; the ledger adds up."""
    from django.db import connection

    from jobs import audits
    from jobs.models import Job, Segment
    from speechsite.accounts import keys, plans
    from speechsite.accounts.models import User
    from speechsite.credits import ledger, prices
    from speechsite.credits.models import LedgerEntry, Wallet
    from voices import library
    from voices.models import SpeechModel, Voice

    library.load()
    prices.load_default_prices()
    plans.Plan.objects.get_or_create(slug="enterprise", defaults={"name": "Enterprise"})
    user = User.objects.create_user("bench@example.com", "x")
    plans.put_on_plan(user, "enterprise")
    wallet = ledger.open_wallet(user)
    for number in range(10):
        ledger.grant(wallet, 10**11, key=f"funds:{number}", reason="funds")
    caps = {"daily_cap": 10**12, "monthly_cap": 10**12, "total_cap": 10**12}
    key, _ = keys.issue_key(user, **caps)
    wallet.refresh_from_db()

    voice = Voice.objects.get(family="builtin", external_id="en-us")
    model = SpeechModel.objects.get(slug="builtin-speech")
    price = prices.price_of(model.slug)
    available = wallet.available
    now = datetime.now(UTC)

    def moment(number: int) -> datetime:
        """The oldest first; the last hundred within the last hours."""
        left = count - 1 - number
        if left < LAST_DAY:
            return now - timedelta(minutes=1 + 5 * left)
        return now - timedelta(days=1 + DAYS * (left - LAST_DAY) / (count - LAST_DAY))

    def ended(number: int) -> Job:
        state = {7: "failed", 13: "canceled"}.get(number % 25, "succeeded")
        at = moment(number)
        return Job(
            id=UUID(int=1 + number), user=user, api_key=key, source=Job.Source.API, state=state,
            title=f"Morning {number}", text=TEXT, characters=COST, model=model, voice=voice,
            price=price, units=COST, quoted=COST, charged=COST if state == "succeeded" else 0,
            asked={"reference": f"order-{number}"}, segment_count=1, duration_ms=2_500,
            created_at=at, started_at=at, finished_at=at,
        )  # fmt: skip

    def entries(job: Job) -> Iterator[LedgerEntry]:
        nonlocal available
        moves = [("hold", -COST, COST)]
        if job.charged:
            moves.append(("capture", 0, -COST))
        else:
            moves.append(("release", COST, -COST))
        # A few, and all of them long ago.
        if job.charged and job.pk.int <= 200:
            moves.append(("refund", 1, 0))
        for kind, free, held in moves:
            available += free
            yield LedgerEntry(
                wallet=wallet, kind=kind, available_delta=free, held_delta=held, job_id=job.pk,
                available_after=available, key=f"{kind}:{job.pk}", created_at=job.created_at,
            )  # fmt: skip

    def segment(job: Job) -> Segment:
        return Segment(
            job=job, user=user, index=0, text=TEXT, voice=voice, units=COST, state="done",
            model_slug=model.slug, deadline_at=job.created_at, due_at=job.created_at,
            finished_at=job.created_at,
        )  # fmt: skip

    numbers = iter(range(count))
    while batch := [ended(number) for number in islice(numbers, BATCH)]:
        Job.objects.bulk_create(batch)
        Segment.objects.bulk_create(map(segment, batch))
        LedgerEntry.objects.bulk_create(entry for job in batch for entry in entries(job))
    # In one stroke what the ledger would have moved step by step.
    Wallet.objects.filter(pk=wallet.pk).update(available=available)
    from django.apps import apps

    import_module("jobs.migrations.0016_fill_key_days").fill(apps, None)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {
        "jobs": Job.objects.count(),
        "entries": LedgerEntry.objects.count(),
        "differences": sum(1 for _ in audits.differences()),
    }


def clock() -> Callable[[], float]:
    """Seconds of processor spent on this site: here, and in its session of the database."""
    from django.db import connection

    if connection.vendor == "sqlite":
        return time.process_time
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    spent, name = Path(f"/proc/{pid}/schedstat"), Path(f"/proc/{pid}/comm")
    if not name.exists() or not name.read_text().startswith("postgres"):
        print("the server's processor is out of sight: time on the wall", file=sys.stderr)
        return time.perf_counter
    return lambda: time.process_time() + int(spent.read_text().split()[0]) / 1e9


class Questions:
    """Everything that is asked, by the name under which it is printed."""

    def __init__(self) -> None:
        from django.test import Client

        from speechsite.accounts import keys
        from speechsite.accounts.models import ApiKey, User

        user = User.objects.get(email="bench@example.com")
        own = ApiKey.objects.get(user=user)
        # The same family, so its caps count all that the account did.
        _, secret = keys.rotate(own)
        self.portal, self.program = Client(), Client(headers={"Authorization": f"Bearer {secret}"})
        self.portal.force_login(user)
        self.asked = dict(self._all())
        self._clock = clock()

    def _all(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        from jobs.models import Job

        newest = Job.objects.first()
        assert newest is not None
        pages = ["/wallet/", *(f"/wallet/?kind={kind}" for kind in KINDS)]
        pages += [
            "/history/",
            "/history/?q=morning",
            "/history/?q=nowhere",
            "/history/?kind=dialogue",
        ]
        pages += [f"/history/?state={state}" for state in STATES]
        yield from ((path, self._page(path)) for path in pages)
        generations = "/api/v1/generations?"
        known, unknown = f"client_request_id={newest.asked['reference']}", "client_request_id=x"
        yield "client_request_id, newest", self._call(generations + known)
        yield "client_request_id, oldest", self._call(generations + "client_request_id=order-0")
        yield "client_request_id, none", self._call(generations + unknown)
        for path in (
            "/api/v1/generations?status=failed",
            "/api/v1/generations?status=canceled",
            "/api/v1/generations?model=builtin-speech",
            "/api/v1/generations?model=nobody",
            "/api/v1/credits/ledger",
            *(f"/api/v1/credits/ledger?kind={kind}" for kind in KINDS),
            "/v1/user/subscription",
            "/v1/history",
        ):
            yield path, self._call(path)
        usage = "/v1/usage/character-stats?metric=credits&start_unix={}&end_unix={}"
        end = int(time.time()) + 86_400
        yield "usage of the last day", self._call(usage.format(end - 2 * 86_400 + 3600, end))
        yield SHOWN_ONLY[0], self._call(usage.format(end - (DAYS + 3) * 86_400, end))
        yield ORDER, self._order
        yield "the Developers page", self._page("/developers/")

    def _page(self, path: str) -> Callable[[], Any]:
        return lambda: self.portal.get(path)

    def _call(self, path: str) -> Callable[[], Any]:
        return lambda: self.program.get(path)

    def _order(self) -> Any:
        return self.program.post(
            "/api/v1/generations", json.dumps(SPEECH), content_type="application/json"
        )

    def answered(self, name: str) -> dict[str, Any]:
        """The seconds that a question took, and its queries."""
        from django.db import connection

        count = 0

        def counted(execute: Any, statement: str, *rest: Any) -> Any:
            nonlocal count
            count += "SAVEPOINT" not in statement
            return execute(statement, *rest)

        with connection.execute_wrapper(counted):
            began = self._clock()
            answer = self.asked[name]()
            seconds = self._clock() - began
        assert answer.status_code < 300, (answer.request["PATH_INFO"], answer.content[:500])
        self._take_back()
        return {"seconds": seconds, "queries": count}

    @staticmethod
    def _take_back() -> None:
        """Nothing is to be under way when the next one comes."""
        from jobs import lifecycle
        from jobs.models import Job

        for job in Job.objects.unfinished():
            lifecycle.cancel(job)


if __name__ == "__main__":
    sys.exit(main())
