"""Without `manage.py up`: any ASGI server, django-q2's own cluster and the duties beside it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import ROOT

pytestmark = pytest.mark.processes
PATIENCE = 90.0
EMAIL = "walter@example.com"
WEB = ("-m", "uvicorn", "speechsite.asgi:application", "--log-level", "error", "--port")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    own = {"DATA_DIR": str(tmp_path), "WORKERS": "1", "LOG_LEVEL": "ERROR"}
    return os.environ | own | {"DJANGO_SETTINGS_MODULE": "speechsite.settings"}


@pytest.fixture
def site(environment: dict[str, str]) -> Iterator[str]:
    """Its address. Prepared by hand, as the README says."""
    manage(environment, "prepare")
    port = free_port()
    with ExitStack() as running:
        for command in ([*WEB, str(port)], ["manage.py", "qcluster"], ["manage.py", "duties"]):
            running.enter_context(process(environment, *command))
        address = f"http://127.0.0.1:{port}"
        until(lambda: answers(address))
        yield address


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def process(environment: dict[str, str], *command: str) -> Iterator[None]:
    running = subprocess.Popen([sys.executable, *command], env=environment, cwd=ROOT)
    try:
        yield
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def manage(environment: dict[str, str], *words: str) -> str:
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def until(met: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := met():
            return found
        time.sleep(0.5)
    raise AssertionError("it did not come")


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_an_order_is_spoken_and_its_sound_is_deleted_when_asked(
    site: str, environment: dict[str, str], tmp_path: Path
) -> None:
    manage(environment, "createaccount", EMAIL, "--password", "correct horse 7")
    manage(environment, "grant", EMAIL, "100", "--reason", "a trial")
    headers = {"Authorization": f"Bearer {manage(environment, 'createkey', EMAIL)}"}
    order = {
        "model": "builtin-speech",
        "prompt": "Good morning. " * 40,
        "params": {"voice": "en-us"},
    }
    with httpx.Client(base_url=site, headers=headers, trust_env=False, timeout=30) as partner:
        made = partner.post("/api/v1/generations", json=order)
        assert made.status_code == 201, made.text
        path = f"/api/v1/generations/{made.json()['id']}"
        until(lambda: partner.get(path).json().get("status") == "succeeded")
        assert list((tmp_path / "media").rglob("*.mp3"))
        assert partner.get("/readyz").json()["checks"]["duties"]["ok"]
        assert partner.delete(path).status_code == 204
    until(lambda: not list((tmp_path / "media").rglob("*.mp3")))
    manage(environment, "auditcredits")
