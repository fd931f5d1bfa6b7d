"""What the children of `manage.py up` run: one web process, one queue cluster."""

from __future__ import annotations

import gc
import logging
import signal
import socket
from importlib import import_module
from types import FrameType

from speechsite.core import lifeline

log = logging.getLogger(__name__)

# Open event streams never end by themselves; their browsers come back on their own.
DRAIN_SECONDS = 4
LARGEST_SOCKET_MESSAGE = 4 * 1024 * 1024


def serve(socket_number: int) -> int:
    """Answer HTTP and WebSocket on a listening socket until SIGTERM."""
    import uvicorn

    # uvicorn raises the signal again once it has stopped; a stop that was asked for is no death.
    signal.signal(signal.SIGTERM, _ignore)
    signal.signal(signal.SIGINT, _ignore)
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
    )
    config.load()
    _preload("speechsite.urls")
    server = uvicorn.Server(config)
    server.run(sockets=[socket.socket(fileno=socket_number)])
    return 0 if server.started else 1


def work() -> int:
    """Run the queue's cluster until SIGTERM."""
    from speechsite.core.queue import SpeechCluster

    lifeline.end_children_with_this()
    _preload("jobs.tasks")
    stops: list[int] = []
    cluster = SpeechCluster()
    stop_cluster = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        stops.append(number)
        if callable(stop_cluster):
            stop_cluster(number, frame)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    cluster.start()
    cluster.sentinel.join()
    return 0 if stops else 1


def _preload(*modules: str) -> None:
    """Import what the process will need, then keep it out of the collector's way.

    Frozen objects are not visited again, so forked children go on sharing their pages.
    """
    for module in modules:
        import_module(module)
    gc.collect()
    gc.freeze()


def _ignore(*_: object) -> None:
    log.debug("stopping")
