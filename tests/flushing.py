"""Lets the test database be emptied, which the ledger's triggers would refuse.

tests/credits/test_final_entries.py proves them.
"""

from __future__ import annotations

from asgiref.sync import SyncToAsync
from django.db import connection, connections

from speechsite.core import hands

GUARDS = {
    "sqlite": "DROP TRIGGER IF EXISTS credits_entry_no_delete",
    "postgresql": "DROP TRIGGER IF EXISTS credits_entry_no_truncate ON credits_ledgerentry",
}
LOCK_SECONDS = 10


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
