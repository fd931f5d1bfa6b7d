"""What accepting a job costs, against a bare Django view that does the same writes.

Ours is the whole of `lifecycle.place()`: check, price, hold, job, segment, event and
wake-up. The bare one makes as many rows with plain ORM calls in one atomic block and
checks nothing. Both commit; they take turns, so that a busy machine slows both.
On SQLite as configured for production, and on PostgreSQL when TEST_DATABASE_URL is set.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
LIMIT = 0.5
ROUNDS, JOBS = 10, 100
TEXT = "Good morning to everybody in the harbour."


def main() -> int:
    if len(sys.argv) > 1:
        return 0 if measure(sys.argv[1]) >= LIMIT else 1
    databases = {"SQLite, synchronous=FULL": ""}
    if url := os.environ.get("TEST_DATABASE_URL"):
        databases["PostgreSQL"] = url
    codes = []
    for name, url in databases.items():
        with tempfile.TemporaryDirectory() as data:
            environment = os.environ | {"DATA_DIR": data, "DATABASE_URL": url}
            if not url:
                del environment["DATABASE_URL"]
            command = [sys.executable, __file__, name]
            codes.append(subprocess.run(command, env=environment, check=False).returncode)
    print("FAIL" if any(codes) else "PASS", f"(limit {LIMIT} of the bare view)")
    return max(codes)


def measure(name: str) -> float:
    """Both rates on a database of their own; ours over the bare one."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "speechsite.settings"
    import django

    django.setup()
    from django.db import connection

    previous = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        return compare(name, *prepare())
    finally:
        connection.creation.destroy_test_db(previous, verbosity=0)


def prepare() -> tuple[Callable[[int], object], Callable[[int], object]]:
    """Our way and the bare way, each taking one order."""
    from django.db import transaction
    from django.db.models import F
    from django.http import HttpRequest, JsonResponse
    from django_q.models import OrmQ

    from jobs import lifecycle
    from jobs.models import Job, JobEvent, Segment
    from speechsite.accounts import plans
    from speechsite.accounts.models import User
    from speechsite.credits import ledger, prices
    from speechsite.credits.models import LedgerEntry, Wallet
    from voices import library
    from voices.models import SpeechModel, Voice

    library.load()
    prices.load_default_prices()
    user = User.objects.create_user("bench@example.com", "x")
    plans.put_on_plan(user)
    wallet = ledger.open_wallet(user)
    ledger.grant(wallet, 10**12, key="funds")
    model = SpeechModel.objects.get(slug="builtin-speech")
    voice = Voice.objects.get(family="builtin", external_id="en-us")

    def ours(number: int) -> object:
        return lifecycle.place(
            user, model=model, voice=voice, text=TEXT, idempotency_key=f"bench-{number}"
        )

    def bare_view(request: HttpRequest) -> JsonResponse:
        cost = len(TEXT)
        with transaction.atomic():
            job = Job.objects.create(
                user=user, text=TEXT, model=model, voice=voice, quoted=cost, units=cost
            )
            Wallet.objects.filter(pk=wallet.pk).update(
                available=F("available") - cost, held=F("held") + cost
            )
            LedgerEntry.objects.create(
                wallet=wallet,
                kind="hold",
                available_delta=-cost,
                held_delta=cost,
                available_after=0,
                key=f"bare:{job.pk}",
                job_id=job.pk,
            )
            Segment.objects.create(
                job=job, user=user, index=0, text=TEXT, voice=voice, model_slug=model.slug
            )
            JobEvent.objects.create(job=job, user_id=user.pk, kind="queued")
            OrmQ.objects.create(key="bench", payload="x" * 300, lock=job.created_at)
        return JsonResponse({"id": str(job.pk)})

    return ours, lambda number: bare_view(HttpRequest())


def compare(name: str, ours: Callable[[int], object], bare: Callable[[int], object]) -> float:
    spent = {"ours": 0.0, "bare": 0.0}
    for number in range(20):
        ours(-1 - number)
        bare(number)
    for turn in range(ROUNDS):
        for kind, place in (("ours", ours), ("bare", bare)):
            began = time.perf_counter()
            for number in range(JOBS):
                place(turn * JOBS + number)
            spent[kind] += time.perf_counter() - began
    rates = {kind: ROUNDS * JOBS / seconds for kind, seconds in spent.items()}
    ratio = rates["ours"] / rates["bare"]
    print(
        f"{name}: {rates['ours']:.0f} jobs/s accepted, {rates['bare']:.0f} by the bare view,",
        end="",
    )
    print(f" ratio {ratio:.2f}", flush=True)
    return ratio


if __name__ == "__main__":
    sys.exit(main())
