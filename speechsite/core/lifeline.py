"""A process that ends when its parent does, so that kill -9 leaves no orphans."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
POLL_SECONDS = 1.0


def end_with_parent(parent: int, sent: signal.Signals = signal.SIGTERM) -> None:
    """Have this process sent a signal when `parent` dies, or at once if it is dead already."""
    if sys.platform.startswith("linux"):
        _ask_the_kernel(sent)
        if os.getppid() != parent:
            os.kill(os.getpid(), sent)
        return
    watch = threading.Thread(target=_watch, args=(parent, sent), daemon=True, name="lifeline")
    watch.start()


def end_children_with_this() -> None:
    """Have every process forked from here on die with the process that forked it.

    Holds for their own forks too. Linux only: elsewhere the supervisor's sweep of
    the process group does it. A fork from a side thread is left alone, because the
    kernel counts the end of that thread as the parent's end.
    """
    if not sys.platform.startswith("linux"):
        return
    forker: dict[str, int] = {}

    def before() -> None:
        forker.clear()
        if threading.current_thread() is threading.main_thread():
            forker["pid"] = os.getpid()

    def after_in_child() -> None:
        if "pid" not in forker:
            return
        _ask_the_kernel(signal.SIGKILL)
        if os.getppid() != forker["pid"]:
            os._exit(1)

    os.register_at_fork(before=before, after_in_child=after_in_child)


def call_this(name: str) -> None:
    """What `ps` and `top` show for this process; at most 15 letters, and Linux only."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def _ask_the_kernel(sent: signal.Signals) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(sent), 0, 0, 0)


def _watch(parent: int, sent: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), sent)
