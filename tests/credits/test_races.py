"""Many hands at once, each with a database connection of its own."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry, Wallet

ON_POSTGRESQL = pytest.mark.skipif(
    connection.vendor != "postgresql",
    reason="needs PostgreSQL: set DATABASE_URL (CI runs the suite once more there)",
)
HANDS = 32


def crowd(calls: list[Callable[[], Any]]) -> list[Any]:
    """Everything at once; what each call returned or raised."""
    waiting, outcomes = deque(calls), []
    hands = min(HANDS, len(calls))
    start = threading.Barrier(hands)

    def work() -> None:
        connection.ensure_connection()
        start.wait()
        try:
            while waiting:
                try:
                    outcomes.append(waiting.popleft()())
                except IndexError:
                    return
                except Exception as error:
                    outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(hands)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == len(calls)
    return outcomes


@pytest.fixture
def walter(transactional_db: None) -> User:
    """Somebody whose rows are committed, so that other connections see them."""
    return User.objects.create_user("walter@example.com")


def funded(user: User, millicredits: int) -> Wallet:
    wallet = Wallet.objects.create(user=user)
    if millicredits:
        ledger.grant(wallet, millicredits, key="funds")
    return wallet


def pockets(wallet: Wallet) -> tuple[int, int]:
    wallet.refresh_from_db()
    return wallet.available, wallet.held


def holds_with_funds_for(user: User, *, attempts: int, enough_for: int) -> None:
    wallet = funded(user, enough_for * 100)

    def hold(job: UUID) -> Callable[[], LedgerEntry]:
        return lambda: ledger.hold(wallet, 100, key=f"hold:{job}", job_id=job)

    outcomes = Counter(type(outcome) for outcome in crowd([hold(uuid4()) for _ in range(attempts)]))
    expected = {LedgerEntry: enough_for, ledger.InsufficientCredits: attempts - enough_for}
    assert outcomes == Counter(expected)
    assert pockets(wallet) == (0, enough_for * 100)


def grants_with_one_key(user: User, *, attempts: int) -> None:
    wallet = funded(user, 0)
    outcomes = crowd([lambda: ledger.grant(wallet, 7, key="once")] * attempts)
    assert {outcome.pk for outcome in outcomes} == {wallet.entries.get().pk}
    assert pockets(wallet) == (7, 0)


def holds_with_one_key_for_all_there_is(user: User, *, attempts: int) -> None:
    wallet, job = funded(user, 100), uuid4()
    hold = crowd([lambda: ledger.hold(wallet, 100, key="once", job_id=job)] * attempts)
    assert {outcome.pk for outcome in hold} == {wallet.entries.get(kind="hold").pk}
    assert pockets(wallet) == (0, 100)


def endings_of_one_job(user: User, *, attempts: int) -> None:
    wallet, job = funded(user, 1_000), uuid4()
    ledger.hold(wallet, 99, key="hold", job_id=job)

    def settle(captured: int) -> Callable[[], Any]:
        return lambda: ledger.settle(wallet, job_id=job, captured=captured)

    endings = crowd([settle(number % 100) for number in range(attempts)])
    assert not [ending for ending in endings if isinstance(ending, Exception)]
    assert len({tuple(part and part.pk for part in ending) for ending in endings}) == 1
    charged = -endings[0][0].held_delta if endings[0][0] else 0
    assert pockets(wallet) == (1_000 - charged, 0)


def first_visits(user: User, *, attempts: int) -> None:
    wallets = crowd([lambda: ledger.open_wallet(user)] * attempts)
    assert {wallet.pk for wallet in wallets} == {Wallet.objects.get().pk}
    assert {wallet.available for wallet in wallets} == {1_000_000}


RACES = [
    grants_with_one_key,
    holds_with_one_key_for_all_there_is,
    endings_of_one_job,
    first_visits,
]


@pytest.mark.postgres
@ON_POSTGRESQL
@pytest.mark.parametrize("enough_for", [0, 1, 37, 199, 200])
def test_of_two_hundred_holds_exactly_the_funded_succeed(walter: User, enough_for: int) -> None:
    holds_with_funds_for(walter, attempts=200, enough_for=enough_for)


@pytest.mark.postgres
@ON_POSTGRESQL
@pytest.mark.parametrize("race", RACES)
def test_a_hundred_at_once_are_as_one(walter: User, race: Callable[..., None]) -> None:
    race(walter, attempts=100)


@pytest.mark.parametrize("enough_for", [0, 7, 20])
def test_of_twenty_holds_exactly_the_funded_succeed(walter: User, enough_for: int) -> None:
    holds_with_funds_for(walter, attempts=20, enough_for=enough_for)


@pytest.mark.parametrize("race", RACES)
def test_twenty_at_once_are_as_one(walter: User, race: Callable[..., None]) -> None:
    race(walter, attempts=20)
