"""What comes again and again: due by a row, done by one, and not lost with who did it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from speechsite.duties import leases, routines
from speechsite.duties.models import Routine

pytestmark = pytest.mark.django_db(transaction=True)
ran: list[datetime] = []
NOTE, FAIL = f"{__name__}.note", f"{__name__}.fail"


def note() -> None:
    ran.append(timezone.now())


def fail() -> None:
    raise ValueError("the disk is full")


@pytest.fixture(autouse=True)
def _plans(monkeypatch: pytest.MonkeyPatch) -> None:
    ran.clear()
    monkeypatch.setattr(routines, "PLANS", {})


def run_due() -> None:
    for name in routines.due():
        routines.run(name)


def test_each_minute_means_each_minute() -> None:
    routines.every(NOTE, timedelta(minutes=1))
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC), tick=False) as clock:
        for _ in range(120):
            run_due()
            clock.shift(1)
    assert len(ran) == 2


def test_a_night_comes_once_a_night_and_not_when_it_is_first_heard_of() -> None:
    routines.nightly(NOTE, hour=3)
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False) as clock:
        for _ in range(72):
            run_due()
            clock.shift(3600)
    assert [moment.hour for moment in ran] == [3, 3, 3]


def test_what_was_missed_is_made_up_for_once() -> None:
    routines.nightly(NOTE, hour=3)
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC), tick=False) as clock:
        run_due()
        clock.shift(3 * 86_400 + 12 * 3600)
        run_due()
        run_due()
    assert len(ran) == 1


def test_a_failure_is_written_down_and_tried_again_soon() -> None:
    routines.nightly(FAIL, hour=3)
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC), tick=False) as clock:
        run_due()
        clock.shift(4 * 3600)
        run_due()
        row = Routine.objects.get(pk=FAIL)
        assert row.error == "ValueError: the disk is full"
        assert row.due_at - timezone.now() == routines.TRY_AGAIN


def test_one_that_died_with_its_process_is_done_again_within_a_minute() -> None:
    routines.every(NOTE, timedelta(minutes=1))
    assert routines.due() == [NOTE]
    Routine.objects.update(lease_until=timezone.now() + leases.LEASE)  # taken, and dead
    assert routines.due() == []
    routines.run(NOTE)
    assert ran == []
    with time_machine.travel(timezone.now() + leases.LEASE):
        run_due()
    assert len(ran) == 1


def test_lateness_counts_from_when_somebody_could_look() -> None:
    routines.every(NOTE, timedelta(minutes=1))
    now = timezone.now()
    assert routines.lateness(now - timedelta(seconds=10))[NOTE] == pytest.approx(10, abs=1)
    Routine.objects.create(name=NOTE, due_at=now - timedelta(hours=5))
    assert routines.lateness(now - timedelta(seconds=10))[NOTE] == pytest.approx(10, abs=1)
    long_ago = now - timedelta(days=1)
    assert routines.lateness(long_ago)[NOTE] == pytest.approx(5 * 3600, abs=2)
    Routine.objects.update(lease_until=now + leases.LEASE)  # under way is late too
    assert routines.lateness(long_ago)[NOTE] == pytest.approx(5 * 3600, abs=2)
