"""What the processes share: loaded once, with nothing in it that a fork could not have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOAD = """
from speechsite.management import loading
loading.begin()
import django
django.setup()
from django.db import connections
from speechsite.management import processes
loading.finish(name for needs in processes.NEEDS.values() for name in needs)
import gc, json, sys, threading
print(json.dumps({
    "threads": threading.active_count(),
    "connected": [one.alias for one in connections.all() if one.connection is not None],
    "frozen": gc.get_freeze_count(),
    "modules": [name for name, module in sys.modules.items() if module is not None],
}))
import requests, jinja2
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A process of its own that has loaded everything."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment["DJANGO_SETTINGS_MODULE"] = "speechsite.settings"
    environment["DATA_DIR"] = str(tmp_path_factory.mktemp("data"))
    command = [sys.executable, "-W", "ignore", "-c", LOAD]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr  # and what was kept out can be had afterwards
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_nothing_is_running_or_connected_before_the_forks(loaded: dict[str, Any]) -> None:
    assert loaded["threads"] == 1
    assert loaded["connected"] == []


def test_what_is_loaded_is_kept_out_of_the_collectors_way(loaded: dict[str, Any]) -> None:
    assert loaded["frozen"] > 100_000


def test_what_both_processes_use_is_loaded_once(loaded: dict[str, Any]) -> None:
    needed = {"speechsite.urls", "jobs.worker", "uvloop", "httptools", "numpy", "av"}
    assert needed <= set(loaded["modules"])


def test_what_the_site_has_no_use_for_is_left_out(loaded: dict[str, Any]) -> None:
    unused = {"httpx._main", "requests", "jinja2", "psycopg"}
    assert unused.isdisjoint(loaded["modules"])
