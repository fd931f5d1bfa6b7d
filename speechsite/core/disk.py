"""How much room is left where the site writes: database, files, results."""

from __future__ import annotations

import shutil
import time

from django.conf import settings

MEGABYTE = 1024 * 1024
BELIEVED = 2.0  # seconds


class _Memory:
    """Asked once for many orders: it can be a network's file system."""

    free = 0
    until = 0.0


def free() -> int:
    """Bytes that are left where DATA_DIR is."""
    now = time.monotonic()
    if now >= _Memory.until:
        place = settings.DATA_DIR
        while not place.exists():
            place = place.parent
        _Memory.free, _Memory.until = shutil.disk_usage(place).free, now + BELIEVED
    return _Memory.free


def is_short() -> bool:
    """Whether less is left than is kept for what is under way, for logs and the database."""
    return free() < settings.DISK_RESERVE_MB * MEGABYTE
