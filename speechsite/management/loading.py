"""How the site is loaded by the process whose forks will share it.

What is loaded before the forks is in memory once, as long as nobody writes to it. So as
little is loaded as will do, and what would write to it later is kept away from it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from importlib import import_module

from speechsite.core import env

# Packages of ours load these where they happen to be installed, for what the site does
# not do: a command line (httpx), test clients (Django REST framework, Django).
UNUSED = ["httpx._main", "requests", "jinja2"]


def begin() -> None:
    """Until `finish`, what the site has no use for cannot be loaded."""
    if env.text("DATABASE_URL", "sqlite:").startswith("sqlite:"):
        UNUSED.append("psycopg")  # unfold has form fields for PostgreSQL's own types
    for name in UNUSED:
        if name not in sys.modules:
            sys.modules[name] = None  # type: ignore[assignment]


def finish(modules: Iterable[str]) -> None:
    """Load what the processes will need, then keep it out of the collector's way.

    Frozen objects are not visited again, so forked children go on sharing their pages.
    """
    for name in modules:
        import_module(name)
    for name in UNUSED:
        if name in sys.modules and sys.modules[name] is None:
            del sys.modules[name]
    gc.collect()
    gc.freeze()
