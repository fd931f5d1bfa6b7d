"""The real site in processes of its own, for tests that kill it and for benchmarks."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
import psycopg

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90
EMAIL, PASSWORD = "walter@example.com", "correct horse battery staple"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
KEY = re.compile(r'name="key" value="([^"]+)"')


class Site:
    """`manage.py up` with a data directory of its own, on a free port unless it is given one."""

    def __init__(self, data: Path, *, port: int = 0, **environment: str) -> None:
        self.data, self.port = data, port
        # Everybody in a test signs up from the same address.
        usual = {"DATA_DIR": str(data), "LOG_LEVEL": "ERROR", "SIGNUPS_PER_HOUR": "10000"}
        self.environment = os.environ | usual | environment
        self.url = ""
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(self.port)],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        # A site that dies while it starts is started again for ever: do not wait as long.
        alarm = threading.Timer(START_SECONDS, self.process.kill)
        alarm.start()
        try:
            for line in self.process.stdout:
                if " is ready " in line:
                    self.url = line.split()[-1]
                    return self
        finally:
            alarm.cancel()
        self.process.wait()
        self.process.stdout.close()
        raise RuntimeError("the site did not start")

    def __exit__(self, *exc: object) -> None:
        assert self.process is not None
        family = self.family()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.left_behind = [one for one in family if is_alive(one)]
        for one in self.left_behind:
            one.kill()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one management command against the site's data."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def open_account(self, credits: int = 10_000, email: str = EMAIL) -> None:
        """Somebody who can sign in and has credits."""
        for command in (
            ("createaccount", email, "--password", PASSWORD, "--plan", "pro"),
            ("grant", email, str(credits), "--reason", "a trial"),
        ):
            done = self.manage(*command)
            assert done.returncode == 0, done.stderr

    def family(self) -> list[psutil.Process]:
        """The supervisor and all below it."""
        assert self.process is not None
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def child(self, name: str) -> psutil.Process:
        """The supervisor's fork of that name: `web`, `worker` or `duties`."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            if child.name() == f"speech-{name}":
                return child
        raise LookupError(name)

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read the site's database from outside; parameters only on SQLite."""
        with self._database() as database:
            return list(database.execute(sql, parameters).fetchall())

    def _database(self) -> AbstractContextManager[Any]:
        url = self.environment.get("DATABASE_URL", "")
        if url.startswith("postgres"):
            return psycopg.connect(url, autocommit=True)
        path = self.data / "speechsite.sqlite3"
        return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20))


class Visitor:
    """Somebody with a browser: signs in, presses Generate."""

    def __init__(self, site: Site) -> None:
        self.http = httpx.Client(base_url=site.url, timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.http.close()

    def sign_in(self) -> None:
        form = self.http.get("/account/login/").text
        data = {"login": EMAIL, "password": PASSWORD, "csrfmiddlewaretoken": _first(TOKEN, form)}
        answer = self.http.post("/account/login/", data=data, headers={"Referer": self._origin})
        assert answer.status_code == 302, answer.text

    def open_studio(self) -> dict[str, str]:
        """The fields of a fresh form."""
        page = self.http.get("/studio/").text
        return {"csrfmiddlewaretoken": _first(TOKEN, page), "key": _first(KEY, page)}

    def generate(self, form: dict[str, str], *, voice: int, text: str) -> str:
        """Press Generate; the job's page."""
        data = {**form, "voice": str(voice), "text": text, "output_format": "mp3_44100_128"}
        # Multipart, as the form says: a million Chinese characters are 3 MB and not 9.
        parts = {name: (None, value) for name, value in data.items()}
        answer = self.http.post("/studio/", files=parts, headers={"Referer": self._origin})
        assert answer.status_code == 302, answer.text[:2000]
        return answer.headers["Location"]

    @property
    def _origin(self) -> str:
        return str(self.http.base_url)


def kill(process: psutil.Process) -> None:
    """kill -9; one that is gone already is fine."""
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs still; one that nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _first(pattern: re.Pattern[str], page: str) -> str:
    found = pattern.search(page)
    assert found is not None, page[:2000]
    return found.group(1)
