"""What backups are made of: a library, jobs, providers."""

from __future__ import annotations

import pytest

from speechsite.core import hands
from tests.jobs.conftest import catalogue, model, open_site, place, voice  # noqa: F401


@pytest.fixture(autouse=True)
def _nobody_else_has_the_database() -> None:
    """Tests before may have left threads waiting, each with the database open."""
    hands.end()
