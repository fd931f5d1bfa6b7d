"""Ten thousand idle sockets: what they cost, and whether somebody still gets speech beside them.

Plain TCP with the handshake by hand, so that the client's side stays small. Both sides
need a file for each socket: `ulimit -n` bounds how many there can be.

    python -m tests.bench.bench_sockets [--sockets 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.running import EMAIL, Site

VOICE = "JBFqnCBsd6RMkjVDRZzb"
PATH = f"/v1/text-to-speech/{VOICE}/stream-input?inactivity_timeout=180"
HANDSHAKE = (
    f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
AT_ONCE = 100


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sockets", type=int, default=10_000)
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as data, Site(Path(data)) as site:
        site.open_account()
        key = site.manage("createkey", EMAIL, "--test").stdout.strip()
        return asyncio.run(measure(site, key, given.sockets))


async def measure(site: Site, key: str, wanted: int) -> int:
    web = site.child("web")
    speak(site, key)
    bare = web.memory_full_info().pss
    began = time.monotonic()
    sockets = await open_all(httpx.URL(site.url).port or 0, wanted)
    opened = time.monotonic() - began
    used = web.memory_full_info().pss
    spoken = await asyncio.to_thread(speak, site, key)
    alive = sum(not reader.at_eof() for reader, _ in sockets)
    print(f"{len(sockets):,} of {wanted:,} sockets opened in {opened:.1f} s, {alive:,} still open")
    print(
        f"web process: {bare / 1e6:.0f} MB before, {used / 1e6:.0f} MB with them, "
        f"{(used - bare) / max(len(sockets), 1) / 1000:.1f} kB each"
    )
    print(f"speech beside them: {spoken:.2f} s")
    for _, writer in sockets:
        writer.transport.abort()
    good = alive == wanted
    print("PASS" if good else "FAIL")
    return 0 if good else 1


async def open_all(
    port: int, wanted: int
) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def open_one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HANDSHAKE)
            answer = await reader.readuntil(b"\r\n\r\n")
            return (reader, writer) if b" 101 " in answer else None

    made = await asyncio.gather(*(open_one() for _ in range(wanted)), return_exceptions=True)
    return [one for one in made if isinstance(one, tuple)]


def speak(site: Site, key: str) -> float:
    """Seconds for a short speech."""
    began = time.monotonic()
    answer = httpx.post(
        f"{site.url}/v1/text-to-speech/{VOICE}",
        headers={"xi-api-key": key},
        json={"text": "Is anybody there?"},
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
