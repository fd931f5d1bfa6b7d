"""The outbox: rows that are done once, whoever dies on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from speechsite.duties import leases, outbox
from speechsite.duties.models import Duty

pytestmark = pytest.mark.django_db(transaction=True)
KIND = "errand"
ran: list[tuple[str, Any]] = []


def errand(key: str, data: Any) -> None:
    ran.append((key, data))
    if data.get("ask_again"):
        outbox.add(KIND, [key])
    if key == "broken":
        raise ValueError("the shop is shut")


@pytest.fixture(autouse=True)
def _kind() -> Iterator[None]:
    ran.clear()
    outbox.register(outbox.Kind(KIND, f"{__name__}.errand"))
    yield
    del outbox.KINDS[KIND]


def see_to() -> None:
    outbox.work(KIND, lambda: False)


def ago(seconds: float) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


def test_what_was_asked_for_is_done_and_gone() -> None:
    outbox.add(KIND, ["milk", "bread"], {"shop": "corner"})
    assert KIND in outbox.due_kinds()
    see_to()
    assert sorted(ran) == [("bread", {"shop": "corner"}), ("milk", {"shop": "corner"})]
    assert not Duty.objects.exists()
    assert KIND not in outbox.due_kinds()


def test_it_is_written_with_its_transaction_or_not_at_all() -> None:
    with transaction.atomic():
        outbox.add(KIND, ["milk"])
        transaction.set_rollback(True)
    see_to()
    assert ran == []


def test_what_is_asked_for_twice_is_done_once() -> None:
    outbox.add(KIND, ["milk", "milk"])
    outbox.add(KIND, ["milk"])
    see_to()
    assert [key for key, _ in ran] == ["milk"]


def test_what_is_asked_for_while_it_is_done_is_done_again() -> None:
    outbox.add(KIND, ["milk"], {"ask_again": True})
    see_to()
    assert [key for key, _ in ran] == ["milk", "milk"]
    assert not Duty.objects.exists()


def test_a_failure_is_tried_again_later_and_stops_nobody_else() -> None:
    outbox.add(KIND, ["broken", "milk"])
    see_to()
    assert sorted(key for key, _ in ran) == ["broken", "milk"]
    row = Duty.objects.get()
    assert (row.attempts, row.error, row.lease_until) == (1, "ValueError: the shop is shut", None)
    assert 5 < (row.due_at - timezone.now()).total_seconds() < 15


def test_its_pauses_grow_up_to_an_hour() -> None:
    outbox.add(KIND, ["broken"])
    pauses = []
    for _ in range(12):
        Duty.objects.update(due_at=ago(1))
        see_to()
        pauses.append(round((Duty.objects.get().due_at - timezone.now()).total_seconds()))
    assert pauses[:3] == [10, 20, 40]
    assert pauses[-1] == 3600


def test_after_its_time_it_is_given_up_with_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox.register(outbox.Kind(KIND, f"{__name__}.errand", give_up=timedelta(hours=1)))
    outbox.add(KIND, ["broken"])
    Duty.objects.update(created_at=ago(4000))
    see_to()
    assert not Duty.objects.exists()
    assert "given up: ValueError: the shop is shut" in caplog.text


def test_what_a_dead_process_had_taken_is_free_within_a_minute() -> None:
    outbox.add(KIND, ["milk"])
    taken = outbox._claim(outbox.KINDS[KIND])
    assert len(taken) == 1
    see_to()
    assert ran == []
    assert leases.LEASE.total_seconds() <= 60
    Duty.objects.update(lease_until=ago(0.1))
    see_to()
    assert [key for key, _ in ran] == ["milk"]


def test_a_lease_is_renewed_while_its_holder_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW", 0.05)
    outbox.add(KIND, ["milk"])
    outbox._claim(outbox.KINDS[KIND])
    Duty.objects.update(lease_until=ago(-1))
    with leases.kept(Duty.objects.all()):
        for _ in range(100):
            if Duty.objects.get().lease_until > ago(-30):  # type: ignore[operator]
                break
            leases.threading.Event().wait(0.05)
        else:
            pytest.fail("the lease was not renewed")


def test_who_is_to_stop_gives_back_what_it_has_not_done() -> None:
    outbox.add(KIND, ["milk", "bread"])
    answers = iter([False, False, True, True, True])
    outbox.work(KIND, lambda: next(answers))
    assert len(ran) == 1
    assert Duty.objects.get().lease_until is None


def test_the_age_of_what_is_due_counts_what_is_taken_too() -> None:
    outbox.add(KIND, ["milk", "later"])
    Duty.objects.filter(key="milk").update(due_at=ago(90), lease_until=ago(-60))
    Duty.objects.filter(key="later").update(due_at=ago(-500))
    assert 89 < outbox.ages()[KIND] < 95
    assert outbox.counts()[KIND] == 2
