"""What the children of `manage.py up` run: one web process, one queue cluster."""

from __future__ import annotations

import gc
import resource
import signal
import socket
import sys
from importlib import import_module
from types import FrameType

from speechsite.core import lifeline

# Open event streams never end by themselves; their browsers come back on their own.
DRAIN_SECONDS = 4
LARGEST_SOCKET_MESSAGE = 4 * 1024 * 1024


def serve(socket_number: int) -> int:
    """Answer HTTP and WebSocket on a listening socket until SIGTERM."""
    import uvicorn

    _allow_many_sockets()
    # uvicorn raises the signal again once it has stopped: then, too, this means exit code 0.
    _leave_on_signals()
    config = uvicorn.Config(
        "speechsite.asgi:application",
        access_log=False,
        log_config=None,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=15,
        ws_max_size=LARGEST_SOCKET_MESSAGE,
        # 35 kB for each idle socket, and speech does not get smaller by it.
        ws_per_message_deflate=False,
    )
    config.load()
    _preload("speechsite.urls")
    server = uvicorn.Server(config)
    server.run(sockets=[socket.socket(fileno=socket_number)])
    return 0 if server.started else 1


def work() -> int:
    """Run the queue's cluster until SIGTERM."""
    from speechsite.core.queue import SpeechCluster

    _leave_on_signals()
    lifeline.end_children_with_this()
    _preload("jobs.tasks", "speechsite.providers.builtin.adapter")
    cluster = SpeechCluster()
    stops: list[int] = []
    is_running = False

    def stop(number: int, frame: FrameType | None) -> None:
        stops.append(number)
        if is_running:
            cluster.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # A cluster that is just being started cannot be stopped yet.
    cluster.start()
    is_running = True
    if stops:
        cluster.stop()
    cluster.sentinel.join()
    return 0 if stops else 1


def _leave_on_signals() -> None:
    """Until there is something to stop, being asked to end means to go."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))


def _preload(*modules: str) -> None:
    """Import what the process will need, then keep it out of the collector's way.

    Frozen objects are not visited again, so forked children go on sharing their pages.
    """
    for module in modules:
        import_module(module)
    gc.collect()
    gc.freeze()


def _allow_many_sockets() -> None:
    """As many open files as the machine lets us have: an idle socket is one of them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
