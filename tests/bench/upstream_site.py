"""A site of its own for benchmarks: fake providers and a real worker, each a process.

    with BenchSite(Path(data), "elevenlabs", latency=2) as site: ...

The benchmark's own process places the orders and reads the database.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
KEY = "bench-key-0123456789"


class BenchSite:
    """Fakes by name, one worker process, and an account with a great many credits."""

    def __init__(self, data: Path, *names: str, **fake: float) -> None:
        self.data = data
        self.names = names
        self.fake = fake
        self.urls: dict[str, str] = {}
        self.stack = ExitStack()
        self.environment = {
            "DATA_DIR": str(data),
            "LOG_LEVEL": "ERROR",
            "ALLOW_PRIVATE_NETWORKS": "1",
            "WORKERS": "1",
            "MALLOC_ARENA_MAX": "2",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def __enter__(self) -> Self:
        for name in self.names:
            self._serve(name)
        os.environ.update(self.environment)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speechsite.settings")
        import django

        django.setup()
        from speechsite.management import prepare

        prepare.prepare()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stack.close()

    def _serve(self, name: str) -> None:
        options = [part for key, value in self.fake.items() for part in (f"--{key}", str(value))]
        server = self._start("-m", "tests.fakes.server", name, "--key", KEY, *options)
        assert server.stdout is not None
        url = self.urls[name] = server.stdout.readline().strip()
        self.environment[f"{name.upper()}_API_KEY"] = KEY
        self.environment[f"{name.upper()}_BASE_URL"] = url
        if name == "kie":
            self.environment["KIE_UPLOAD_URL"] = url

    def control(self, name: str, **changes: Any) -> dict[str, Any]:
        """Change a fake, and see how it stands."""
        answer = httpx.post(f"{self.urls[name]}/_fault", json=changes, trust_env=False, timeout=60)
        return dict(answer.json())

    def start_worker(self) -> None:
        """Work until the site is closed, as `manage.py up` does."""
        self._start(str(ROOT / "manage.py"), "up", "--only", "worker")

    def start_site(self) -> None:
        """Web and worker, reachable for callbacks."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.environment["SITE_URL"] = f"http://127.0.0.1:{port}"
        site = self._start(str(ROOT / "manage.py"), "up", "--port", str(port))
        assert site.stdout is not None
        while "is ready" not in (line := site.stdout.readline()):
            assert line, "the site did not start"

    def worker(self) -> psutil.Process | None:
        """The process that runs the tasks: the busiest of the cluster's."""
        family = psutil.Process().children(recursive=True)
        ours = [one for one in family if one.name() == "speech-worker"]
        return max(ours, key=_seconds, default=None)

    def user(self, email: str = "ada@example.com") -> Any:
        """Somebody on the largest plan, with a million credits."""
        from speechsite.accounts import plans
        from speechsite.accounts.models import Plan, User
        from speechsite.credits import ledger

        user = User.objects.create_user(email, "correct horse battery")
        plans.put_on_plan(user)
        # No limits but the machine's.
        limits = [field.name for field in Plan._meta.fields if field.null]
        Plan.objects.update(**dict.fromkeys(limits))
        ledger.grant(ledger.open_wallet(user), 10**9, key=f"bench:{email}", reason="bench")
        return user

    def _start(self, *command: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.stack.callback(_end, process)
        return process


def wait_for(what: Any, seconds: float, pause: float = 0.05) -> float:
    """Seconds until it was true. Raises TimeoutError."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > seconds:
            raise TimeoutError
        time.sleep(pause)
    return time.monotonic() - began


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system
