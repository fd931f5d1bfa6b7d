"""What was used over time: the ledger's sums, added up by the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from jobs import spending
from jobs.models import Job
from jobs.states import JobState
from speechsite.api import ordering
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import orders
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry
from tests.api.elevenlabs.talk import ask

pytestmark = pytest.mark.django_db(transaction=True)
Keyed = tuple[Caller, str]
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
ENDS = [
    (JobState.SUCCEEDED, 1_250),
    (JobState.SUCCEEDED, 10),
    (JobState.CANCELED, 7_777),
    (JobState.FAILED, 0),
    (JobState.SUCCEEDED, 4_001),
]


@pytest.fixture
def worked(live: Keyed) -> Keyed:
    """A job a day, each ended in another way, at 00:00:00.4; the last was given back in part."""
    caller = live[0]
    for day, (state, charged) in enumerate(ENDS):
        with time_machine.travel(BEGIN + timedelta(days=day, milliseconds=400), tick=False):
            job = ordering.speech(
                caller, model_name="builtin-speech", voice_id="en-us", text="Hello. " * 2000
            )
        ledger.settle(caller.user.wallet, job_id=job.pk, captured=charged)
        spending.ended(job, charged)
        Job.objects.filter(pk=job.pk).update(state=state, charged=charged)
    ledger.refund(
        caller.user.wallet, 1_001, key="r", job_id=job.pk, reason="bad", actor=caller.user
    )
    return live


def used(secret: str, days: int = 5, **query: Any) -> dict[str, list[float]]:
    end = BEGIN + timedelta(days=days)
    asked = {"start_unix": int(BEGIN.timestamp()), "end_unix": int(end.timestamp()), **query}
    words = "&".join(f"{name}={value}" for name, value in asked.items())
    answer = ask("GET", f"/v1/usage/character-stats?{words}", secret)
    assert answer.status_code == 200, answer.sound
    usage: dict[str, list[float]] = answer.json()["usage"]
    return usage


def net() -> int:
    entries = LedgerEntry.objects.filter(kind__in=("capture", "refund"))
    sums = entries.aggregate(held=Sum("held_delta"), back=Sum("available_delta"))
    return -sums["held"] - sums["back"]


@pytest.mark.parametrize("breakdown", ["none", "voice", "model", "product_type", "api_keys"])
@pytest.mark.parametrize("interval", ["day", "week", "cumulative"])
def test_the_sum_is_the_ledgers(worked: Keyed, breakdown: str, interval: str) -> None:
    found = used(worked[1], breakdown_type=breakdown, aggregation_interval=interval)
    total = sum(map(sum, found.values()))
    assert total * orders.millicredits_per_character() == pytest.approx(net(), abs=1e-6)


def test_each_day_has_its_own(worked: Keyed) -> None:
    per_character = orders.millicredits_per_character()
    days = [1_250, 10, 7_777, 0, 3_000]
    assert used(worked[1]) == {"All": [day / per_character for day in days]}
    assert used(worked[1], metric="request_count") == {"All": [1, 1, 1, 0, 1]}


def test_the_database_adds_up_however_many_there_are(worked: Keyed) -> None:
    job = Job.objects.filter(state=JobState.SUCCEEDED).earliest("created_at")
    with CaptureQueriesContext(connection) as few:
        used(worked[1])
    copies = [Job(**{**row, "id": None}) for row in [_row(job)] * 300]
    for copy in copies:
        copy.pk = Job._meta.pk.get_default()
        copy.charged = copy.quoted = 0
    Job.objects.bulk_create(copies)
    with CaptureQueriesContext(connection) as many:
        found = used(worked[1], metric="request_count")
    assert len(many) == len(few)
    assert found["All"][0] == 301


def test_an_answer_has_a_size(worked: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechsite.api.elevenlabs.usage.MOST_FIGURES", 4)
    begin = int(BEGIN.timestamp())
    path = f"/v1/usage/character-stats?start_unix={begin}&end_unix={begin + 5 * 86400}"
    assert ask("GET", path, worked[1]).status_code == 400


def test_native_usage_says_the_same(worked: Keyed) -> None:
    days = "start=2026-03-01&end=2026-03-05"
    answer = ask("GET", f"/api/v1/usage?{days}", worked[1])
    assert round(answer.json()["total"]["credits"] * 1000) == net()


def _row(job: Job) -> dict[str, Any]:
    return {field.attname: getattr(job, field.attname) for field in Job._meta.concrete_fields}
