"""Runs a fake provider as a real HTTP server on loopback.

    with serving(FakeKie()) as url: ...
    python -m tests.fakes.server kie --port 9001 [--delay 2] [--key K]

Written on sockets and h11, because a web server would answer 500 where a fake
has to hang up.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import threading
from collections.abc import Iterator

import h11
import httpx

from tests.fakes.upstream import Upstream

FAKES = {
    "elevenlabs": ("tests.fakes.elevenlabs", "FakeElevenLabs"),
    "kie": ("tests.fakes.kie", "FakeKie"),
    "minimax": ("tests.fakes.minimax", "FakeMiniMax"),
    "openai": ("tests.fakes.openai", "FakeOpenAI"),
    "rivya": ("tests.fakes.rivya", "FakeRivya"),
}


@contextlib.contextmanager
def serving(fake: Upstream, port: int = 0) -> Iterator[str]:
    """Serve a fake from a thread of its own; gives its base URL."""
    loop = asyncio.new_event_loop()
    started: list[asyncio.Server] = []
    ready = threading.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        started.append(loop.run_until_complete(start(fake, port)))
        ready.set()
        loop.run_forever()
        loop.run_until_complete(_stop(started[0]))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError("the fake did not start")
    try:
        yield fake.base_url
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def start(fake: Upstream, port: int = 0) -> asyncio.Server:
    """Listen on loopback and tell the fake its own address."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Connection(fake, reader, writer).run()

    server = await asyncio.start_server(connected, "127.0.0.1", port, backlog=1024)
    fake.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    fake.sends_callbacks = True
    return server


class _Connection:
    def __init__(
        self, fake: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.fake, self.reader, self.writer = fake, reader, writer
        self.http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        try:
            while True:
                request = await self._request()
                if request is None:
                    break
                await self._answer(request)
                if self.http.our_state is not h11.DONE or self.http.their_state is not h11.DONE:
                    break
                self.http.start_next_cycle()
        except (httpx.TransportError, h11.ProtocolError, ConnectionError, asyncio.CancelledError):
            self.writer.transport.abort()
        finally:
            self.writer.close()

    async def _request(self) -> httpx.Request | None:
        head, body = None, b""
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                self.http.receive_data(await self.reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                url = self.fake.base_url + head.target.decode()
                return httpx.Request(head.method.decode(), url, headers=head.headers, content=body)
            else:
                return None

    async def _answer(self, request: httpx.Request) -> None:
        response = await self.fake.handle(request)
        headers = [
            (name, value)
            for name, value in response.headers.raw
            if name.lower() not in (b"connection", b"transfer-encoding")
        ]
        if "content-length" not in response.headers:
            headers.append((b"transfer-encoding", b"chunked"))
        head = h11.Response(status_code=response.status_code, headers=headers)
        self.writer.write(self.http.send(head) or b"")
        async for piece in response.aiter_bytes():
            self.writer.write(self.http.send(h11.Data(data=piece)) or b"")
            await self.writer.drain()
        self.writer.write(self.http.send(h11.EndOfMessage()) or b"")
        await self.writer.drain()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _forever(fake: Upstream, port: int) -> None:
    server = await start(fake, port)
    print(fake.base_url, flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.server")
    parser.add_argument("name", choices=sorted(FAKES))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until a task is done")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before any answer")
    given = parser.parse_args()
    module, name = FAKES[given.name]
    fake = getattr(importlib.import_module(module), name)()
    fake.key, fake.delay, fake.latency = given.key or fake.key, given.delay, given.latency
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_forever(fake, given.port))


if __name__ == "__main__":
    main()
