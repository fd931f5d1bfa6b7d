"""Lets the test database be emptied, which the ledger's triggers would refuse, and quickly.

tests/credits/test_final_entries.py proves them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asgiref.sync import SyncToAsync
from django.db import connection, connections

from speechsite.core import hands

GUARDS = {
    "sqlite": "DROP TRIGGER IF EXISTS credits_entry_no_delete",
    "postgresql": "DROP TRIGGER IF EXISTS credits_entry_no_truncate ON credits_ledgerentry",
}
LOCK_SECONDS = 10
# The same after every flush, and what makes them anew asks a question for each model.
KEPT = {"django_content_type", "auth_permission"}


def allow_flush() -> None:
    """Drop the guard that a fresh database, a restore or a migration brings.

    Threads of a test that has ended may still hold the table: they end first. Who else holds it
    makes this fail after some seconds instead of waiting for ever.
    """
    close_elsewhere()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        cursor.execute(GUARDS[connection.vendor])
        if connection.vendor == "postgresql":
            cursor.execute("RESET lock_timeout")


def close_elsewhere() -> None:
    """Close what other threads of this process have open.

    Tests that call views or sockets without the site's ASGI application, which brings threads of its
    own, leave the one thread of asgiref with a connection.
    """
    hands.end()
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


def flush_quickly() -> None:
    """Empty the few tables that a test filled, instead of all of them.

    PostgreSQL makes new files for each table and index that it truncates: half a second after
    each test that commits.
    """
    operations = connection.ops
    operations.sql_flush = _deletions  # type: ignore[method-assign]


def _deletions(
    style: Any, tables: Sequence[str], *, reset_sequences: bool = False, allow_cascade: bool = False
) -> list[str]:
    names = {table: connection.ops.quote_name(table) for table in tables if table not in KEPT}
    asked = " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {name})" for table, name in names.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(asked)
        filled = [row[0] for row in cursor.fetchall()]
    deletions = [f"DELETE FROM {names[table]}" for table in filled]
    if connection.vendor != "postgresql":
        return deletions
    # Neither order nor guards matter where everything goes.
    return ["SET LOCAL session_replication_role = replica", *deletions]
