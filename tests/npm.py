"""Packages of npm, each at the version and hash that a lock file names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HAS_NPM = shutil.which("node") is not None and shutil.which("npm") is not None


def install(locked: Path, folder: Path) -> Path:
    """Install what the lock file in `locked` names into a folder; `node_modules` of it."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(locked / name, folder)
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "node_modules"
