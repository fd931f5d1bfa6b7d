"""A database that cannot be asked: what is said about it, and how often."""

from __future__ import annotations

import logging
import time

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)
RETRY_AFTER = 5  # seconds
TOLD_EACH = 60.0  # seconds
# SQLite says with the same class that a table is missing, which is a mistake and no outage.
OF_SQLITE = ("BUSY", "LOCKED", "CANTOPEN", "IOERR", "FULL", "READONLY", "PROTOCOL", "NOMEM")


def is_away(error: BaseException | None) -> bool:
    """Whether an error means that the database does not answer, or has no room."""
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    code = getattr(error.__cause__, "sqlite_errorname", None)
    return code is None or code.removeprefix("SQLITE_").startswith(OF_SQLITE)


class _Told:
    """When it was last said, and how often since."""

    at = -TOLD_EACH
    unsaid = 0


def tell(error: BaseException) -> None:
    """One line a minute: who looks after the site knows by then."""
    now = time.monotonic()
    if now - _Told.at < TOLD_EACH:
        _Told.unsaid += 1
        return
    words = str(error).strip().replace("\n", " ")
    logger.error("the database does not answer (%s more times): %s", _Told.unsaid, words)
    _Told.at, _Told.unsaid = now, 0


class Filter(logging.Filter):
    """Leaves out the traceback of each request that met a database which was away."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is None or not is_away(error):
            return True
        tell(error)
        return False
