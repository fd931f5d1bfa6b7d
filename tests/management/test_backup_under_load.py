"""Backups of the real site while people order and delete, and the site that comes of them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.running import EMAIL, Site

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("up")]

TEXT = "The harbour was quiet that morning, and only a few gulls were about."
OVER = ("succeeded", "failed", "canceled")
BACKUPS, CUSTOMERS = 3, 3
PATIENCE = 90
FILES = """
    SELECT audio FROM jobs_job WHERE audio <> '' UNION
    SELECT audio FROM jobs_segment WHERE audio <> ''
"""
OPEN = "SELECT count(*) FROM jobs_job WHERE state IN ('queued', 'processing')"


class Database:
    """Where a site keeps its rows: the environment that leads there, and a way to look in."""

    def __init__(self, data: Path, url: str = "") -> None:
        self.data, self.url = data, url

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.url or f"sqlite:///{self.data / 'speechsite.sqlite3'}"}

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        if not self.url:
            return Site(self.data).rows(statement)
        with closing(psycopg.connect(self.url)) as database:
            return database.execute(statement).fetchall()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def new_database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[str], Database]]:
    with ExitStack() as stack:

        def make(name: str) -> Database:
            data = tmp_path / name
            if request.param == "sqlite":
                return Database(data)
            return Database(data, stack.enter_context(_created()))

        yield make


@contextmanager
def _created() -> Iterator[str]:
    """An empty PostgreSQL database beside the one for tests."""
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        pytest.skip("needs PostgreSQL: set TEST_DATABASE_URL")
    name = f"speechsite_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as database:
        database.execute(f"CREATE DATABASE {name}")
    try:
        yield server.rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as database:
            database.execute(f"DROP DATABASE {name} WITH (FORCE)")


def order_and_delete(url: str, key: str, stop: threading.Event) -> None:
    """A customer: orders, hears of it, and deletes every other job as soon as it is over."""
    made: list[str] = []
    body = {"model": "builtin-speech", "prompt": TEXT * 5, "params": {"voice": "en-us"}}
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        while not stop.is_set():
            answer = client.post("/api/v1/generations", json=body)
            if answer.status_code == 201:
                made.append(answer.json()["id"])
            time.sleep(0.1)
            if len(made) > 2:
                client.delete(f"/api/v1/generations/{made.pop(0)}")
                made.pop(0)


@contextmanager
def crowd(site: Site) -> Iterator[None]:
    key = site.manage("createkey", EMAIL).stdout.strip()
    stop = threading.Event()
    customers = [
        threading.Thread(target=order_and_delete, args=(site.url, key, stop))
        for _ in range(CUSTOMERS)
    ]
    for one in customers:
        one.start()
    try:
        yield
    finally:
        stop.set()
        for one in customers:
            one.join()


def test_every_backup_under_load_becomes_a_site_that_adds_up(
    new_database: Callable[[str], Database], tmp_path: Path
) -> None:
    old = new_database("old")
    folders = [tmp_path / f"backup-{number}" for number in range(BACKUPS)]
    with site_of(old) as site:
        site.open_account()
        with crowd(site):
            time.sleep(5)
            for folder in folders:
                done = site.manage("backup", str(folder))
                assert (done.returncode, done.stderr) == (0, "")
    for folder in folders:
        new = new_database(f"new-{folder.name}")
        prove_restored(folder, new)
    prove_it_goes_on(new)


def site_of(database: Database) -> Site:
    return Site(database.data, WORKERS="1", **database.environment)


def prove_restored(folder: Path, new: Database) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["missing"], manifest["ledger"]["differences"]) == ([], 0)
    assert manifest["ledger"]["entries"] > 10
    site = site_of(new)
    done = site.manage("restore", str(folder))
    assert done.returncode == 0, done.stderr
    assert site.manage("auditcredits").returncode == 0
    absent = {name for (name,) in new.rows(FILES) if not (new.data / "media" / name).exists()}
    # Their jobs were deleted after the database was copied: their owners wanted them gone.
    assert absent <= set(manifest["gone"])


def prove_it_goes_on(new: Database) -> None:
    with site_of(new) as site:
        end = time.monotonic() + PATIENCE
        while new.rows(OPEN) != [(0,)]:
            assert time.monotonic() < end, "what was under way was not finished"
            time.sleep(0.5)
    assert site.manage("auditcredits").returncode == 0


def test_a_site_that_runs_is_not_restored_over(
    new_database: Callable[[str], Database], tmp_path: Path
) -> None:
    here = new_database("here")
    with site_of(here) as site:
        site.open_account()
        assert site.manage("backup", str(tmp_path / "backup")).returncode == 0
        refused = site.manage("restore", "--replace", str(tmp_path / "backup"))
        assert refused.returncode == 1
        assert refused.stderr.startswith("CommandError: Stop the site first")
        assert httpx.get(f"{site.url}/readyz", trust_env=False).status_code == 200
    assert here.rows("SELECT email FROM accounts_user WHERE NOT is_staff") == [(EMAIL,)]
