"""A hundred kills of web, guard, worker, engine, duties and supervisor under mixed load.

Run with `python -m tests.bench.bench_crash [--kills 100] [--database postgres://…]`: on SQLite, and
on PostgreSQL where a database is named or TEST_DATABASE_URL is set, each in turn. The first order
after a kill is heard within 15 s at p95, and nothing is lost, doubled, mischarged or left over.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.bench.fresh import database_of_its_own
from tests.crashing import crash, percentile

LIMIT_SECONDS = 15.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--database", default=os.environ.get("TEST_DATABASE_URL", ""))
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    given = parser.parse_args()
    good = True
    if given.only != "postgresql":
        good &= measure("SQLite", given.kills, "")
    if given.database and given.only != "sqlite":
        with database_of_its_own(given.database) as own:
            good &= measure("PostgreSQL", given.kills, own)
    return 0 if good else 1


def measure(name: str, kills: int, database: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        report = crash(Path(folder), kills, database)
    good = percentile(report.first_orders(), 0.95) <= LIMIT_SECONDS
    print(f"{'PASS' if good else 'FAIL'} {name}, limit {LIMIT_SECONDS:g} s at p95\n{report.text()}")
    return good


if __name__ == "__main__":
    sys.exit(main())
