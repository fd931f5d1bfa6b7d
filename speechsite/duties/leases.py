"""Leases of rows: short, so that a dead process's are free soon, and renewed while it lives."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import Q, QuerySet
from django.utils import timezone

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
RENEW = 15.0  # seconds


def free() -> Q:
    """Rows that nobody has taken, or whose taker has died."""
    return Q(lease_until__isnull=True) | Q(lease_until__lte=timezone.now())


@contextmanager
def kept(taken: QuerySet[Any]) -> Iterator[None]:
    """Keep the leases of rows that we have taken for as long as this lasts."""
    is_over = threading.Event()
    held = taken.filter(lease_until__isnull=False)  # what was given back stays so
    thread = threading.Thread(target=_renew, args=(held, is_over), daemon=True, name="leases")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _renew(held: QuerySet[Any], is_over: threading.Event) -> None:
    try:
        while not is_over.wait(RENEW):
            try:
                held.update(lease_until=timezone.now() + LEASE)
            except DatabaseError:
                logger.warning("leases could not be renewed", exc_info=True)
                connection.close()
    finally:
        connection.close()
