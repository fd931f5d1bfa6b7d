"""Names of the processes that hold leases, and whether such a process still lives.

A name says which machine, which process and when it began, so that a number that
was given to another process since is not mistaken for the first.
"""

from __future__ import annotations

import hashlib
import os
import socket
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from speechsite.core.ids import new_token

LEASE = timedelta(seconds=30)  # of a piece that is being submitted


def new_name() -> str:
    """A fresh name for this process; it fits a column of 64 characters."""
    pid = os.getpid()
    return f"{_machine()}:{pid}:{_own_beginning(pid)}:{new_token()[:6]}"


def is_dead(name: str) -> bool:
    """Whether the process of this name is known to be gone; those of other machines never are."""
    machine, _, rest = name.partition(":")
    pid, _, rest = rest.partition(":")
    began = rest.partition(":")[0]
    if machine != _machine() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _began(int(pid)) != began


def is_ours(machine: str) -> bool:
    """Whether a name's first part is this machine's."""
    return machine == _machine()


@lru_cache(maxsize=1)
def _machine() -> str:
    """The host and its process numbers: two containers may share the one or the other.

    Hashed whole, because long names of hosts often differ at their ends only.
    """
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = ""
    return hashlib.sha256(f"{socket.gethostname()}|{numbers}".encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _own_beginning(pid: int) -> str:
    """When this process began; its number, since a forked child asks again."""
    return _began(pid)


def _began(pid: int) -> str:
    """When a process began, in clock ticks since boot; empty where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    # Killed, and its parent has not taken note: it will do no more work.
    return "gone" if fields[0] in "ZX" else fields[19]
