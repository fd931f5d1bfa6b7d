"""Statements that every order runs, sent as they are written.

Django takes longer to put such a statement together than the database takes to run it.
Values go through as parameters; only numbers and short words are used here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection


def changed(statement: str, values: Sequence[int | str]) -> int:
    """Run an UPDATE; how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def rows(statement: str, values: Sequence[int | str]) -> list[tuple[Any, ...]]:
    """What a SELECT finds."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
