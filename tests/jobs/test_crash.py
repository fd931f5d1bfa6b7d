"""Kill -9 at any moment, with the real processes: nothing is lost, and it is charged once.

A hundred kills, and how soon the site is back, are measured by `tests.bench.bench_crash`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.fresh import database_of_its_own
from tests.crashing import KINDS, crash

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("up")]

KILLS = 3 * len(KINDS)
PATIENCE = 180.0  # seconds for any order, on a machine that does much else


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database of its own; empty for SQLite."""
    if request.param == "sqlite":
        yield ""
        return
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        pytest.skip("needs PostgreSQL: set TEST_DATABASE_URL")
    with database_of_its_own(server) as own:
        yield own


def test_nothing_is_lost_or_paid_twice_when_processes_are_killed(
    database: str, tmp_path: Path
) -> None:
    report = crash(tmp_path, KILLS, database)
    print(report.text())
    assert {one.kind for one in report.killings} == set(KINDS)
    assert max(report.waits) <= PATIENCE
