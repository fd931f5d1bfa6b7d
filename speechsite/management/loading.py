"""How the site is loaded by the process whose forks will share it.

What is loaded before the forks is in memory once, as long as nobody writes to it. So as
little is loaded as will do, and what would write to it later is kept away from it.
"""

from __future__ import annotations

import ctypes
import gc
import platform
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module

from django.apps import apps
from django.db import connections

from speechsite.core import env

# Packages of ours load these where they happen to be installed, for what the site does
# not do: a command line (httpx), test clients (Django REST framework, Django).
UNUSED = ["httpx._main", "requests", "jinja2"]
LARGEST_GAP, SMALLEST_GAP = 32_768, 32  # bytes
LOOK_FOR_CIRCLES = (20_000, 20, 20)


def begin() -> None:
    """Until `finish`, what the site has no use for cannot be loaded."""
    if env.text("DATABASE_URL", "sqlite:").startswith("sqlite:"):
        UNUSED.append("psycopg")  # unfold has form fields for PostgreSQL's own types
    for name in UNUSED:
        if name not in sys.modules:
            sys.modules[name] = None  # type: ignore[assignment]


def finish(modules: Iterable[str]) -> None:
    """Load what the processes will need, and leave it in memory as still as can be."""
    for name in modules:
        import_module(name)
    for name in UNUSED:
        if name in sys.modules and sys.modules[name] is None:
            del sys.modules[name]
    _work_out()
    gc.collect()
    # Frozen objects are not visited again. What comes later goes with its last reference, but
    # for a few circles: looking for them after every 700 objects would cost more than they do.
    gc.freeze()
    gc.set_threshold(*LOOK_FOR_CIRCLES)
    _fill_gaps()


def _work_out() -> None:
    """What would be worked out when first asked for: models, certificates. Reads no rows."""
    from speechsite.core import outgoing  # loads httpx: too early at the top

    for model in apps.get_models():
        model._meta.get_fields()
        str(model._base_manager.filter(pk__isnull=True).query)
    connections.close_all()  # nobody may share one
    outgoing.tls()


def _fill_gaps() -> None:
    """Take the free pieces between what was loaded, for good: 1 MB.

    Otherwise every child would put its first small things there, and with each of them
    have a page to itself. SQLite's first query alone wrote to 600 pages in this way.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    malloc = ctypes.CDLL(None).malloc
    malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    end = malloc(LARGEST_GAP)
    for size in _sizes():
        # What lies behind everything else was no gap: there are none of this size any more.
        while (piece := malloc(size)) < end:
            pass
        end = piece


def _sizes() -> Iterator[int]:
    size = LARGEST_GAP
    while size >= SMALLEST_GAP:
        size = size * 3 // 4 if size > 512 else size - 16
        yield size
