"""Threads of one process take turns to write to SQLite."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from speechsite.accounts.models import Plan
from speechsite.core.sqlite import base

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has many writers"),
]


def turn() -> threading.Lock:
    return base._turns[str(connection.settings_dict["NAME"])]


def in_thread(function: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        try:
            function()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_second_writer_does_not_ask_the_database_until_its_turn() -> None:
    asked: list[str] = []
    knocks = threading.Event()

    def second() -> None:
        def note(execute: Any, sql: str, *rest: Any) -> Any:
            asked.append(sql)
            return execute(sql, *rest)

        connection.ensure_connection()
        with connection.execute_wrapper(note):
            knocks.set()
            with transaction.atomic():
                Plan.objects.filter(slug="free").update(requests_per_second=7)

    with transaction.atomic():
        thread = in_thread(second)
        assert knocks.wait(10)
        thread.join(0.2)
        assert asked == []
    thread.join(10)
    assert asked[0] == "BEGIN IMMEDIATE"


@pytest.mark.parametrize("ending", ["commit", "rollback", "close"])
def test_a_turn_ends_with_its_transaction(ending: str) -> None:
    connection.ensure_connection()
    connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    assert turn().locked()
    getattr(connection, ending)()
    assert not turn().locked()
    connection.close()


def test_a_transaction_that_could_not_begin_has_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(base.base.DatabaseWrapper, "_start_transaction_under_autocommit", refuse)
    with pytest.raises(OperationalError), transaction.atomic():
        pass
    assert not turn().locked()


def test_who_waits_too_long_is_told_by_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)
    with turn(), transaction.atomic():
        pass  # nobody has the database, so it is given after all
    assert not turn().locked()
