"""Names of temporary files and folders that say whose they are, and a sweep of dead ones'."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from pathlib import Path

from speechsite.core import holders

UNNAMED_SECONDS = 24 * 3600  # what does not say whose it is, or is another machine's
_NAME = re.compile(r"speechsite-([0-9a-f]{16})-(\d+)-(\w*)-")


def prefix() -> str:
    """How the name of a temporary file or folder of this process begins."""
    machine, pid, began, _ = holders.new_name().split(":")
    return f"speechsite-{machine}-{pid}-{began}-"


def sweep(folder: Path | None = None) -> int:
    """Remove what dead processes left in the folder for temporary files; how much it was."""
    gone = 0
    for path in (folder or Path(tempfile.gettempdir())).glob("speechsite-*"):
        if _is_left(path) and _remove(path):
            gone += 1
    return gone


def _is_left(path: Path) -> bool:
    found = _NAME.match(path.name)
    if found and holders.is_dead(":".join((*found.groups(), ""))):
        return True
    if found and holders.is_ours(found[1]):
        return False
    try:
        return time.time() - path.lstat().st_mtime > UNNAMED_SECONDS
    except OSError:
        return False


def _remove(path: Path) -> bool:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:
        return False  # gone already, or somebody else's
    return True
