"""What `manage.py up` runs: a supervisor and its forks: web, worker (a queue cluster), duties.

What they need is loaded once, before they are forked, and stays in memory once.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial

from speechsite.core import lifeline
from speechsite.management import loading
from speechsite.management.supervisor import Child, Supervisor

# Open event streams never end by themselves; their browsers come back on their own.
DRAIN_SECONDS = 4
LARGEST_SOCKET_MESSAGE = 4 * 1024 * 1024


# What each of them needs: nothing of it may start a thread or open a database.
NEEDS = {
    "web": (
        "speechsite.asgi",
        "speechsite.urls",
        "uvicorn",
        "uvloop",
        "speechsite.management.protocol",
    ),
    "worker": (
        "speechsite.core.queue",
        "multiprocessing.popen_fork",
        "jobs.tasks",
        "speechsite.providers.builtin.adapter",
    ),
    "duties": (
        "speechsite.duties.runner",
        "jobs.tasks",
        "jobs.outbound",
        "jobs.callbacks",
        "uvloop",
    ),
}


def supervise(
    names: Sequence[str], listener: socket.socket | None, *, address: str, ready_text: str
) -> int:
    """Load what all will share, then keep them running until a signal comes."""
    loading.finish(module for name in names for module in NEEDS[name])
    port = listener.getsockname()[1] if listener else 0
    parent = os.getpid()
    children = [
        Child(name, partial(_live, name, parent, listener), is_vital=name == "web")
        for name in names
    ]
    return Supervisor(children, address=address, port=port, ready_text=ready_text).run()


def serve(listener: socket.socket) -> int:
    """Answer HTTP and WebSocket on a listening socket until SIGTERM."""
    import uvicorn

    from speechsite.core import hands
    from speechsite.management.protocol import BoundedProtocol, BoundedSocketProtocol

    _allow_many_sockets()
    # uvicorn raises the signal again once it has stopped: then, too, this means exit code 0.
    _leave_on_signals()
    config = uvicorn.Config(
        "speechsite.asgi:application",
        http=BoundedProtocol,
        ws=BoundedSocketProtocol,
        access_log=False,
        log_config=None,
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=15,
        ws_max_size=LARGEST_SOCKET_MESSAGE,
        # 35 kB for each idle socket, and speech does not get smaller by it.
        ws_per_message_deflate=False,
    )
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listener])
    finally:
        hands.end()
    return 0 if server.started else 1


def work() -> int:
    """Run the queue until SIGTERM."""
    from speechsite.core import queue

    _leave_on_signals()
    lifeline.end_children_with_this()
    return 0 if queue.run() else 1


def do_duties() -> int:
    """See to the duties until SIGTERM."""
    from speechsite.core.forks import Stop
    from speechsite.duties.runner import Runner

    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Runner(stop).run()
    return 0


def _leave_on_signals() -> None:
    """Until there is something to stop, being asked to end means to go."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))


def _live(name: str, parent: int, listener: socket.socket | None) -> int:
    """Be one of the site's processes, in a fork of the supervisor."""
    lifeline.end_with_parent(parent)
    lifeline.call_this(f"speech-{name}")
    if name == "web":
        assert listener is not None  # noqa: S101  (`up` listens for it)
        return serve(listener)
    if listener is not None:
        listener.close()
    return work() if name == "worker" else do_duties()


def _allow_many_sockets() -> None:
    """As many open files as the machine lets us have: an idle socket is one of them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
