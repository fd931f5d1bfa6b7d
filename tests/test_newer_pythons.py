"""CI's search for the newest Python: what is only half there is passed over."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SEARCH = Path(__file__).resolve().parents[1] / ".ci" / "newer-pythons"
WORKS = "#!/bin/sh\nexit 0\n"
IS_A_SHIM = "#!/bin/sh\nexit 127\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH of one folder, without any Python, and a home without pyenv."""
    (tmp_path / "bash").symlink_to(shutil.which("bash") or "/bin/bash")
    return tmp_path


def put(place: Path, minor: int, script: str = WORKS) -> str:
    place.mkdir(parents=True, exist_ok=True)
    python = place / f"python3.{minor}"
    python.write_text(script)
    python.chmod(0o755)
    return str(python)


def found(machine: Path) -> list[str]:
    environment = {"PATH": str(machine), "HOME": str(machine)}
    program = subprocess.run(
        [SEARCH], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return program.stdout.split()


def test_the_newest_python_comes_first(machine: Path) -> None:
    older = put(machine, 12)
    newest = put(machine, 13)
    assert found(machine) == [newest, older]


def test_a_shim_hides_no_version_that_pyenv_has(machine: Path) -> None:
    put(machine, 13, IS_A_SHIM)
    real = put(machine / ".pyenv" / "versions" / "3.13.0" / "bin", 13)
    assert found(machine) == [real]


def test_what_cannot_run_is_no_python(machine: Path) -> None:
    put(machine, 14, IS_A_SHIM)
    assert found(machine) == []


def test_python_3_11_is_none_of_the_newer_ones(machine: Path) -> None:
    put(machine, 11)
    assert found(machine) == []
