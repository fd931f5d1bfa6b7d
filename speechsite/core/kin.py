"""How the site's processes on this machine fare, as their supervisor counts it.

A few bytes of memory that the supervisor and its forks share: who asks reads them without
a lock, a file or the database. Knows neither Django nor the site.
"""

from __future__ import annotations

import mmap

NAMES = ("web", "worker", "duties")
MOST = 255

_deaths = mmap.mmap(-1, len(NAMES))  # a byte for each name


def note_deaths(name: str, number: int) -> None:
    """Say how often a process has died soon after it began; 0 when it has recovered."""
    if name in NAMES:
        _deaths[NAMES.index(name)] = min(number, MOST)


def deaths() -> dict[str, int]:
    """How often each process died in a row; all 0 where no supervisor runs."""
    return dict(zip(NAMES, _deaths[:], strict=True))
