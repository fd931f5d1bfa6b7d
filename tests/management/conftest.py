"""What backups are made of: a library, jobs, providers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from speechsite.core import hands
from tests.jobs.conftest import catalogue, model, open_site, place, voice  # noqa: F401


@pytest.fixture(autouse=True)
def _nobody_else_has_the_database() -> None:
    """Tests before may have left threads waiting, each with the database open."""
    hands.end()


@pytest.fixture(autouse=True)
def _let_flush(transactional_db: None) -> Iterator[None]:
    """A schema that was restored has the guard again that refuses the tests' own TRUNCATE."""
    yield
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "DROP TRIGGER IF EXISTS credits_entry_no_truncate ON credits_ledgerentry"
            )
