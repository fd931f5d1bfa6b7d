"""uvicorn against granian: small pages, streams, WebSocket, memory, and how they stop.

Both run one worker process with the site's own ASGI application for the small page, and
a bare application for streams and sockets, so that the server itself is measured.
The servers take turns, and the best of three rounds counts: the machine is shared.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import websockets

ROOT = Path(__file__).resolve().parents[2]
TARGET = "tests.bench.bench_asgi:application"
ROUNDS = 3
SECONDS = 3.0
CONNECTIONS = 16
CHUNK = b"x" * 16384
CHUNKS = 64

SERVERS: dict[str, list[str]] = {
    "uvicorn": [
        "-m", "uvicorn", TARGET, "--no-access-log", "--lifespan", "off", "--log-level", "error",
        "--timeout-graceful-shutdown", "4", "--port",
    ],
    "granian": [
        "-m", "granian", TARGET, "--interface", "asginl", "--workers", "1",
        "--log-level", "error", "--workers-kill-timeout", "4", "--port",
    ],
}  # fmt: skip

_django: list[Any] = []


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """/stream and the socket are bare; anything else is the site."""
    if scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["path"] == "/stream":
        await stream(send)
    else:
        if not _django:
            from speechsite.asgi import application as site

            _django.append(site)
        await _django[0](scope, receive, send)


async def stream(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


def main() -> None:
    best: dict[str, dict[str, float]] = {name: {} for name in SERVERS}
    for _ in range(ROUNDS):
        for name in SERVERS:
            for what, figure in run(name).items():
                better = min if what.endswith(("MB", "s")) else max
                best[name][what] = better(best[name].get(what, figure), figure)
    print(f"{'':<28}" + "".join(f"{name:>12}" for name in SERVERS))
    for what in best["uvicorn"]:
        print(f"{what:<28}" + "".join(f"{best[name][what]:>12.1f}" for name in SERVERS))


def run(name: str) -> dict[str, float]:
    port = free_port()
    with tempfile.TemporaryDirectory() as data:
        (Path(data) / "static").mkdir()
        environment = os.environ | {"DATA_DIR": data, "LOG_LEVEL": "ERROR"}
        command = [sys.executable, *SERVERS[name], str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
        try:
            wait_for(port)
            return measure(server, port)
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def measure(server: subprocess.Popen[bytes], port: int) -> dict[str, float]:
    figures = {
        "small page, requests/second": asyncio.run(load(port, "/healthz")),
        "stream, MB/second ": asyncio.run(load(port, "/stream")) * CHUNKS * len(CHUNK) / 1e6,
        "WebSocket, messages/second": asyncio.run(talk(port)),
    }
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    figures["memory (PSS), MB"] = sum(p.memory_full_info().pss for p in family) / 1e6
    figures["stop with an open stream, s"], code = stop(server, port)
    figures["exit code"] = code
    return figures


async def load(port: int, path: str) -> float:
    """Requests per second over keep-alive connections."""
    until = time.perf_counter() + SECONDS
    counts = await everybody(lambda: ask(port, path, until))
    return sum(counts) / SECONDS


async def everybody(worker: Callable[[], Awaitable[int]]) -> list[int]:
    return await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))


async def ask(port: int, path: str, until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < until:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        if b"content-length" in head:
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
        else:
            await read_chunked(reader)
        count += 1
    writer.close()
    return count


async def read_chunked(reader: asyncio.StreamReader) -> None:
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
    await reader.readline()


async def talk(port: int) -> float:
    until = time.perf_counter() + SECONDS

    async def one() -> int:
        count = 0
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws", compression=None) as link:
            while time.perf_counter() < until:
                await link.send("hello")
                assert await link.recv() == "hello"
                count += 1
        return count

    return sum(await everybody(one)) / SECONDS


def stop(server: subprocess.Popen[bytes], port: int) -> tuple[float, float]:
    """Seconds to stop while a listener does not hang up, and the exit code."""
    with socket.create_connection(("127.0.0.1", port)) as listener:
        listener.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        listener.recv(1024)
        began = time.perf_counter()
        server.terminate()
        try:
            code = server.wait(20)
        except subprocess.TimeoutExpired:
            code = 99
    return time.perf_counter() - began, float(code)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
