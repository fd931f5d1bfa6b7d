"""Connections of one web process to its database: 10,000 mixed requests, 40 at once.

Counted from outside, at the database: sessions in PostgreSQL (when TEST_DATABASE_URL is set), open
files on SQLite. Fails above what the site states, and when the second half opened one more.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from speechsite.core.hands import MOST_CONNECTIONS
from tests.bench.fresh import database_of_its_own
from tests.running import Site

REQUESTS, AT_ONCE = 10_000, 40
PATHS = (
    ("GET", "/api/v1/models", True),
    ("GET", "/api/v1/models", False),
    ("GET", "/api/v1/credits", True),
    ("GET", "/api/v1/generations", True),
    ("GET", "/v1/user", True),
    ("GET", "/v1/history", True),
    ("POST", "/v1/audio/speech", True),
    ("POST", "/v1/audio/speech", False),
    ("POST", "/minimax/v1/t2a_v2", True),
    ("GET", "/api/v1/jobs/recordInfo?taskId=none", True),
    ("GET", "/account/login/", False),
    ("GET", "/studio/", False),
)


def main() -> int:
    codes = [measure("SQLite", "")]
    if url := os.environ.get("TEST_DATABASE_URL"):
        with database_of_its_own(url) as own:
            codes.append(measure("PostgreSQL", own))
    print("FAIL" if any(codes) else "PASS", f"(limit {MOST_CONNECTIONS})")
    return max(codes)


def measure(name: str, url: str) -> int:
    with tempfile.TemporaryDirectory() as data:
        environment = {"DATABASE_URL": url} if url else {}
        with Site(Path(data), **environment) as site:
            site.open_account()
            key = site.manage("createkey", "walter@example.com").stdout.strip()
            count = (lambda: sessions(site, url)) if url else (lambda: files(site))
            began = time.perf_counter()
            half = asyncio.run(rush(site.url, key, REQUESTS // 2, count))
            whole = asyncio.run(rush(site.url, key, REQUESTS // 2, count))
            rate = REQUESTS / (time.perf_counter() - began)
            time.sleep(1)
            after = count()
    print(
        f"{name:<12}{REQUESTS:>7} requests, {rate:.0f}/s: most {max(half + whole)}, "
        f"growth in the second half {max(whole) - max(half)}, a second later {after}"
    )
    return int(max(*half, *whole, after) > MOST_CONNECTIONS or max(whole) > max(half))


async def rush(url: str, key: str, requests: int, count: Callable[[], int]) -> list[int]:
    """Ask so many; what was open meanwhile."""
    seen: list[int] = []
    left = iter(range(requests))
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as http:

        async def ask() -> None:
            for number in left:
                method, path, is_known = PATHS[number % len(PATHS)]
                headers = {"Authorization": f"Bearer {key if is_known else 'sk_live_wrong'}"}
                body = {} if method == "POST" else None
                answer = await http.request(method, path, headers=headers, json=body)
                assert answer.status_code < 500, (path, answer.text)
                if number % 200 == 0:
                    seen.append(await asyncio.to_thread(count))

        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return seen


def files(site: Site) -> int:
    path = str(site.data / "speechsite.sqlite3")
    return sum(file.path == path for file in site.child("web").open_files())


def sessions(site: Site, url: str) -> int:
    """Those whose other end is in the web process."""
    import psycopg

    ports = {one.laddr.port for one in site.child("web").net_connections("tcp")}
    with psycopg.connect(url) as connection:
        asked = "SELECT client_port FROM pg_stat_activity WHERE datname = current_database()"
        return sum(port in ports for (port,) in connection.execute(asked))


if __name__ == "__main__":
    sys.exit(main())
