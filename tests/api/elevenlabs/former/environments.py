"""Clients of former times, each installed once into an environment of its own.

They cannot stand beside today's: the packages have the same names. An environment is kept in
pytest's cache until its lock changes, and made by one process while the others wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def python(cache: Path, version: str) -> Path:
    """The Python that imports this version of the client. Skips where it cannot be had."""
    lock = HERE / f"requirements-{version}.txt"

    def build(home: Path) -> None:
        _run(sys.executable, "-m", "venv", "--without-pip", str(home))
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
        target = ("--python", str(home / "bin" / "python"))
        rules = ("--no-compile", "--require-hashes", "--no-deps")
        _run(*pip, *target, "install", *rules, "-r", str(lock))

    of_what = (lock.read_bytes(), sys.version.encode(), sys.executable.encode())
    return _kept(cache, f"python-{version}", of_what, build) / "bin" / "python"


def javascript(cache: Path) -> Path:
    """The folder with the JavaScript client's node_modules. Skips where it cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on this machine")
    files = [HERE / name for name in ("package.json", "package-lock.json")]

    def build(home: Path) -> None:
        for file in files:
            shutil.copy(file, home)
        _run("npm", "ci", "--no-audit", "--no-fund", folder=home)

    return _kept(cache, "javascript", [file.read_bytes() for file in files], build)


def _kept(cache: Path, name: str, of_what: Sequence[bytes], build: Callable[[Path], None]) -> Path:
    """The folder that `build` filled from just this, now or in an earlier run."""
    digest = hashlib.sha256(b"\0".join(of_what)).hexdigest()[:16]
    home = cache / f"{name}-{digest}"
    whole = home / ".whole"
    with _alone(cache / f"{name}.lock"):
        if not whole.exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            build(home)
            whole.touch()
    return home


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*command: str, folder: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"{' '.join(command[:3])} failed: {done.stderr[-2000:]}")
