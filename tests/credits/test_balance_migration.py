"""Entries from before balances were written down get theirs, and the way back is open."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.migrations.executor import MigrationExecutor

from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry
from tests.flushing import allow_flush

BEFORE, AFTER = ("credits", "0006_what_lists_ask"), ("credits", "0007_balance_of_each_entry")
WALLETS, STEPS = 4, 30

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def migrated_to(target: tuple[str, str]) -> Iterator[None]:
    """The database as it was then, and again as it is now."""
    MigrationExecutor(connection).migrate([target])
    try:
        yield
    finally:
        executor = MigrationExecutor(connection)
        # The way back also took what builds on it in other apps.
        executor.migrate(executor.loader.graph.leaf_nodes())
        allow_flush()


def some_history() -> None:
    """Wallets that take turns, so that the entries of one are not beside each other."""
    wallets = [
        ledger.open_wallet(User.objects.create_user(f"{number}@example.com"))
        for number in range(WALLETS)
    ]
    for step in range(STEPS):
        wallet = wallets[secrets.randbelow(WALLETS)]
        if step % 3:
            ledger.hold(wallet, secrets.randbelow(5000), key=f"hold:{step}")
        else:
            ledger.grant(wallet, 1 + secrets.randbelow(9000), key=f"gift:{step}")


def written() -> dict[int, list[int]]:
    rows = LedgerEntry.objects.order_by("pk").values_list("wallet", "available_after")
    balances: dict[int, list[int]] = {}
    for wallet, after in rows:
        balances.setdefault(wallet, []).append(after)
    return balances


def added_up() -> dict[int, list[int]]:
    rows = LedgerEntry.objects.order_by("pk").values_list("wallet", "available_delta")
    deltas: dict[int, list[int]] = {}
    for wallet, delta in rows:
        deltas.setdefault(wallet, []).append(delta)
    return {wallet: list(accumulate(steps)) for wallet, steps in deltas.items()}


def columns() -> set[str]:
    with connection.cursor() as cursor:
        table = LedgerEntry._meta.db_table
        return {one.name for one in connection.introspection.get_table_description(cursor, table)}


def refused(statement: str) -> None:
    with pytest.raises(IntegrityError, match="final"), connection.cursor() as cursor:
        cursor.execute(statement)


def test_old_entries_get_the_balances_that_the_ledger_would_have_written(
    ledger_may_be_wrong: Any,
) -> None:
    some_history()
    before = written()
    assert before == added_up()
    with migrated_to(BEFORE):
        assert "available_after" not in columns()
    assert written() == before
    assert not [one for one in ledger.audit() if "balance" in one.problem]


@pytest.mark.parametrize("target", [BEFORE, AFTER])
def test_entries_are_as_final_after_the_way_there_and_back(
    ledger_may_be_wrong: Any, target: tuple[str, str]
) -> None:
    some_history()
    with migrated_to(BEFORE):
        MigrationExecutor(connection).migrate([target])
        refused("UPDATE credits_ledgerentry SET available_delta = available_delta + 1")
        refused("DELETE FROM credits_ledgerentry")
