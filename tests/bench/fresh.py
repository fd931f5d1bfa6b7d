"""What one run of a benchmark has for itself: a PostgreSQL database, a site in a process."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parents[2]
Ask = Callable[[str], dict[str, Any]]


@contextmanager
def database_of_its_own(url: str) -> Iterator[str]:
    """Make it beside the one at `url`, and drop it in the end."""
    import psycopg
    from psycopg import sql

    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def site_that_answers(module: str, size: int, url: str) -> Iterator[Ask]:
    """A process of a benchmark's module, `--site SIZE`, that answers a line with a line of JSON.

    Its database is one of its own beside `url`, or SQLite.
    """
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory())
        own = stack.enter_context(database_of_its_own(url)) if url else ""
        told = {"DATA_DIR": data, "ALLOWED_HOSTS": "testserver", "LOG_LEVEL": "CRITICAL"}
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--site", str(size)],
            env=os.environ | told | ({"DATABASE_URL": own} if own else {}),
            cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        asks, answers = process.stdin, process.stdout

        def ask(name: str) -> dict[str, Any]:
            asks.write(f"{name}\n")
            asks.flush()
            found: dict[str, Any] = json.loads(answers.readline())
            return found

        try:
            yield ask
        finally:
            asks.close()
            process.wait()
