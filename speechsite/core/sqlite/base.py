"""Django's SQLite backend, with the threads of one process taking turns to write.

SQLite has one writer at a time, and whoever finds it busy sleeps up to a tenth of a
second before looking again, however soon the other was done. Threads of one process
can do better: they wait for a lock and go on the moment it is free. Other processes are
met as before.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base

_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
# The thread that wrote is not there any more in a forked child.
os.register_at_fork(after_in_child=_turns.clear)


class CursorWrapper(base.SQLiteCursorWrapper):
    """Knows the statements that come again: writing them with SQLite's own marks takes time."""

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        if param_names is not None:
            return super().convert_query(query, param_names=param_names)
        return _converted(query)


@lru_cache(maxsize=512)
def _converted(query: str) -> str:
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class DatabaseWrapper(base.DatabaseWrapper):
    """A transaction that begins by writing waits for its turn, as long as for the database."""

    transaction_mode: str | None
    _turn: threading.Lock | None = None

    def create_cursor(self, name: str | None = None) -> CursorWrapper:
        return self.connection.cursor(factory=CursorWrapper)

    def _start_transaction_under_autocommit(self) -> None:
        if self.transaction_mode is not None:
            self._take_turn()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _take_turn(self) -> None:
        patience: Any = self.settings_dict["OPTIONS"].get("timeout", 5)
        turn = _turns[str(self.settings_dict["NAME"])]
        # Whoever waited in vain asks SQLite, which says in its own words what is the matter.
        if turn.acquire(timeout=patience):
            self._turn = turn

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()
