"""`manage.py up` with real processes: starts, mends, stops, and leaves nobody behind."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("up")]

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 40.0


class Site:
    """The real site on a free port with data of its own."""

    def __init__(self, data: Path, *arguments: str, **changes: str) -> None:
        settings = {"DATA_DIR": str(data), "WORKERS": "1", "LOG_LEVEL": "WARNING"}
        self.data, self.environment = data, {**_bare_environment(), **settings, **changes}
        self.output = Path(tempfile.mkstemp(suffix=".txt")[1])
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "up", "--port", "0", *arguments],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.family: list[psutil.Process] = []

    def said(self) -> str:
        return self.output.read_text()

    def wait_until_ready(self, word: str = "is ready at") -> Site:
        until(lambda: word in self.said() or self.process.poll() is not None)
        assert word in self.said(), self.said()
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        return self

    @property
    def port(self) -> int:
        return int(self.said().partition("is ready at http://127.0.0.1:")[2].split()[0])

    def child(self, name: str) -> psutil.Process:
        for child in psutil.Process(self.process.pid).children():
            if child.name() == f"speech-{name}":
                return child
        raise AssertionError(f"no {name}: {self.said()}")

    def has(self, name: str) -> bool:
        children = psutil.Process(self.process.pid).children()
        return any(child.name() == f"speech-{name}" for child in children)

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def enqueue(self) -> None:
        """Queue a task that finds nothing to do, from a process of its own."""
        code = "from speechsite.core import queue; queue.enqueue('jobs.tasks.catch_up')"
        command = [sys.executable, str(ROOT / "manage.py"), "shell", "-c", code]
        subprocess.run(command, env=self.environment, check=True, timeout=PATIENCE)

    def queued(self) -> int:
        database = sqlite3.connect(self.data / "speechsite.sqlite3")
        try:
            return int(database.execute("SELECT COUNT(*) FROM django_q_ormq").fetchone()[0])
        finally:
            database.close()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for process in alive(self.family):
            process.kill()
        self.output.unlink()


def _bare_environment() -> dict[str, str]:
    ours = ("ADMIN_", "DATABASE_URL", "REDIS_URL", "SITE_URL", "PORT", "SECRET_KEY")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def until(is_so: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Look again and again: these are other processes, and their clock is the real one."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [
        process
        for process in processes
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


@pytest.fixture
def sites() -> Iterator[list[Site]]:
    started: list[Site] = []
    yield started
    for site in started:
        site.end()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The data of a site that was up once, and what it said then."""
    data = tmp_path_factory.mktemp("prepared")
    site = Site(data)
    try:
        site.wait_until_ready().process.terminate()
        assert site.process.wait(15) == 0, site.said()
        return data, site.said()
    finally:
        site.end()


@pytest.fixture
def data(prepared: tuple[Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared[0], tmp_path / "data"))


@pytest.fixture
def site(data: Path, sites: list[Site]) -> Site:
    sites.append(Site(data))
    return sites[0].wait_until_ready()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_cleanly_and_soon(site: Site, number: signal.Signals) -> None:
    assert site.answers()
    site.process.send_signal(number)
    assert site.process.wait(15) == 0, site.said()
    assert alive(site.family) == []
    assert "Traceback" not in site.said()


def test_a_stop_does_not_wait_for_an_open_connection(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port)) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
        site.process.terminate()
        assert site.process.wait(15) == 0, site.said()


def test_the_site_is_ready_once_it_says_so(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    connection.close()


def test_nobody_is_left_when_the_supervisor_is_killed(site: Site) -> None:
    until(lambda: len(psutil.Process(site.process.pid).children(recursive=True)) >= 4)
    site.family = psutil.Process(site.process.pid).children(recursive=True)
    site.process.kill()
    until(lambda: alive(site.family) == [], 15)


@pytest.mark.parametrize("name", ["web", "worker", "duties"])
def test_a_killed_child_comes_back_and_leaves_nobody(site: Site, name: str) -> None:
    victim = site.child(name)
    its_family = [victim, *victim.children(recursive=True)]
    victim.kill()
    until(lambda: f"The {name} process was ended by signal 9" in site.said())
    until(lambda: alive(its_family) == [])
    until(lambda: site.has(name))
    until(site.answers)
    site.process.terminate()
    assert site.process.wait(20) == 0, site.said()


def test_the_queue_goes_on_after_its_idle_processes_were_killed(
    data: Path, sites: list[Site]
) -> None:
    site = Site(data)
    sites.append(site)
    site.wait_until_ready()
    worker = site.child("worker")
    until(lambda: len(worker.children()) >= 2)  # who works, and who brings and takes
    until(lambda: site.queued() == 0)
    for victim in (victims := worker.children()):
        victim.kill()
    until(lambda: alive(victims) == [] and len(alive(worker.children())) >= 2)
    site.enqueue()
    until(lambda: site.queued() == 0)
    site.process.terminate()
    assert site.process.wait(20) == 0, site.said()


DYING = """
import time
from speechsite.core import kin
from speechsite.management import supervisor
from speechsite.management.supervisor import Child, Supervisor

supervisor.LONGEST_PAUSE_SECONDS = 0.05

def web():
    while kin.deaths()["worker"] <= supervisor.MAX_EARLY_DEATHS + 5:
        time.sleep(0.05)
    supervisor.say(f"the web still stands, and knows: {kin.deaths()}")
    time.sleep(60)

def die():
    return 3

first = Child("web", VITAL, is_vital=True)
raise SystemExit(Supervisor([first, Child("worker", OTHER)]).run())
"""


def test_a_worker_that_keeps_dying_leaves_the_web_standing() -> None:
    code = DYING.replace("VITAL", "web").replace("OTHER", "die")
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        alarm = threading.Timer(PATIENCE, process.kill)
        alarm.start()
        said = ""
        for line in process.stdout:
            said += line
            if "still stands" in line:
                process.terminate()
        alarm.cancel()
    assert "the web still stands, and knows: {'web': 0, 'worker': " in said
    assert "giving up" not in said


def test_a_web_that_keeps_dying_ends_the_site_for_whoever_watches_it() -> None:
    code = DYING.replace("VITAL", "die").replace("OTHER", "web")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "The web process ended with code 3 again and again; giving up." in done.stdout


def test_what_is_forked_again_and_again_has_no_threads(site: Site) -> None:
    assert psutil.Process(site.process.pid).num_threads() == 1


def test_worker_and_duties_do_not_keep_the_port(site: Site) -> None:
    worker = site.child("worker")
    for process in (worker, *worker.children(recursive=True), site.child("duties")):
        assert process.net_connections() == []


def test_the_administrator_is_announced_once(prepared: tuple[Path, str], site: Site) -> None:
    first = prepared[1]
    assert first.count("Administrator: admin@localhost") == 1
    assert first.count("Password:") == 1
    assert "Administrator" not in site.said()


def test_a_given_password_is_not_repeated(tmp_path: Path, sites: list[Site]) -> None:
    site = Site(tmp_path, ADMIN_EMAIL="boss@example.com", ADMIN_PASSWORD="given-pass-1")
    sites.append(site)
    site.wait_until_ready()
    assert "Administrator: boss@example.com" in site.said()
    assert "given-pass-1" not in site.said()


def test_a_taken_port_is_one_sentence(site: Site, data: Path, sites: list[Site]) -> None:
    second = Site(data, "--port", str(site.port))
    sites.append(second)
    assert second.process.wait(20) == 1
    assert "Choose another port with --port or PORT." in second.said()
    assert "Traceback" not in second.said()
    assert site.answers()


def test_a_bad_setting_is_one_sentence(tmp_path: Path, sites: list[Site]) -> None:
    site = Site(tmp_path, WORKERS="many")
    sites.append(site)
    assert site.process.wait(20) == 1
    said = site.said().strip()
    assert said == "Speechsite cannot start. WORKERS must be a whole number, not 'many'"


def test_the_worker_alone_opens_no_port(data: Path, sites: list[Site]) -> None:
    site = Site(data, "--only", "worker")
    sites.append(site)
    site.wait_until_ready("The worker is running.")
    listening = [
        connection
        for process in site.family
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == []
    site.process.terminate()
    assert site.process.wait(15) == 0, site.said()


@pytest.mark.parametrize("moment", [0.0, 0.4, 0.8, 1.2, 1.6])
def test_a_stop_while_it_starts_is_a_clean_stop_too(
    data: Path, sites: list[Site], moment: float
) -> None:
    site = Site(data)
    sites.append(site)
    until(lambda: "--prepared" in psutil.Process(site.process.pid).cmdline())
    until(lambda: psutil.Process(site.process.pid).children() != [])
    time.sleep(moment)
    site.family = psutil.Process(site.process.pid).children(recursive=True)
    site.process.terminate()
    assert site.process.wait(15) == 0, site.said()
    assert alive(site.family) == []
    assert "Traceback" not in site.said()
