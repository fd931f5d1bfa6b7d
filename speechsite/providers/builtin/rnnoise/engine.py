"""The children that clean recordings, one recording each."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from speechsite.providers.builtin.engine import CORES
from speechsite.providers.builtin.pool import IDLE_SECONDS, Child, Pool
from speechsite.providers.errors import Unavailable


def _start() -> Child:
    program = Path(__file__).with_name("cleaner.py")
    return Child(program, _library(), str(IDLE_SECONDS * 2), needs_packages=True)


def _library() -> str:
    # Found, not imported: importing pyrnnoise pulls in plotting and codecs.
    found = importlib.util.find_spec("pyrnnoise")
    ending = {"darwin": "librnnoise.dylib", "win32": "rnnoise.dll"}
    if found is None or found.origin is None:
        raise Unavailable("pyrnnoise is not installed")
    return str(Path(found.origin).with_name(ending.get(sys.platform, "librnnoise.so")))


pool = Pool(CORES, _start, jobs_per_child=1)
