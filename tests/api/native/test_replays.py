"""The same request twice is one job; another one under its key is a conflict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs.models import Job
from speechsite.accounts import keys
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.credits.models import LedgerEntry, Wallet
from tests.api.native.talk import GENERATIONS, SPEECH, Partner
from tests.credits.test_races import ON_POSTGRESQL, crowd

Given = tuple[Caller, str]


def test_a_repeated_order_is_one_job(partner: Partner, wallet: Wallet) -> None:
    first = partner.order(idempotency_key="k-1")
    second = partner.order(dict(reversed(SPEECH.items())), idempotency_key="k-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    wallet.refresh_from_db()
    assert (Job.objects.count(), wallet.held) == (1, 12)


def test_a_replay_shows_how_the_job_stands_now(partner: Partner) -> None:
    made = partner.order(idempotency_key="k-1").json()["id"]
    partner.send(f"{GENERATIONS}/{made}/cancel")
    again = partner.order(idempotency_key="k-1").json()
    assert (again["id"], again["status"]) == (made, "canceled")


def test_another_body_under_the_same_key_is_a_conflict(partner: Partner) -> None:
    partner.order(idempotency_key="k-1")
    answer = partner.order({**SPEECH, "prompt": "Good-bye."}, idempotency_key="k-1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert Job.objects.count() == 1


def test_without_a_key_every_order_is_its_own(partner: Partner) -> None:
    assert partner.order().json()["id"] != partner.order().json()["id"]


def test_test_and_live_orders_never_share_a_key(partner: Partner, tester: Partner) -> None:
    made = [one.order(idempotency_key="k-1").json()["id"] for one in (partner, tester)]
    assert made[0] != made[1]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_must_be_a_key(partner: Partner, key: str) -> None:
    answer = partner.order(idempotency_key=key)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "Idempotency-Key")


def test_a_refused_order_leaves_its_key_free(partner: Partner) -> None:
    assert partner.order({**SPEECH, "prompt": ""}, idempotency_key="k-1").status_code == 400
    assert partner.order(idempotency_key="k-1").status_code == 201


@pytest.fixture
def race(catalogue: None, ada: User, wallet: Wallet) -> Callable[[int], list[Any]]:
    """So many orders with one key, each in a thread of its own."""
    ada.plan = None
    from speechsite.accounts import plans

    plans.put_on_plan(ada, "enterprise")
    secret = keys.issue_key(ada)[1]

    def run(count: int) -> list[Any]:
        return crowd([lambda: Partner(secret).order(idempotency_key="once")] * count)

    return run


def one_job_came_of(answers: list[Any], wallet: Wallet) -> None:
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    replays = [answer for answer in answers if "Idempotent-Replayed" in answer]
    assert len(replays) == len(answers) - 1
    wallet.refresh_from_db()
    assert (Job.objects.count(), wallet.held) == (1, 12)
    assert LedgerEntry.objects.filter(kind="hold").count() == 1


@pytest.mark.postgres
@ON_POSTGRESQL
@pytest.mark.django_db(transaction=True)
def test_of_a_hundred_at_once_one_is_placed(
    race: Callable[[int], list[Any]], wallet: Wallet
) -> None:
    one_job_came_of(race(100), wallet)


@pytest.mark.django_db(transaction=True)
def test_of_ten_at_once_one_is_placed(race: Callable[[int], list[Any]], wallet: Wallet) -> None:
    one_job_came_of(race(10), wallet)
