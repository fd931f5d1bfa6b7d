"""Speech through us and through LiteLLM's proxy, to the same mock: rate, memory, first byte.

The server has one core, the load and the mock the other. Ours is a live key on a real
channel with the ledger committed; LiteLLM keeps no books and no database.

    python -m tests.bench.bench_gateway [--seconds 15] [--litellm /path/to/bin/litellm]

`pip install 'litellm[proxy]'` into an environment of its own gives the second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from tests.bench.upstream_site import BenchSite, wait_for

CLIENTS = 16
SERVER, LOAD = 0, 1  # cores
VOICE = "21m00Tcm4TlvDq8ikWAM"
TEXT = "The harbour was quiet that morning, and only a few gulls were about."
MOST_MB = 250.0  # PSS of the whole site
FIRST_BYTE = {1: 10.0, 16: 30.0}  # milliseconds that we may add


class Target:
    """A server under test: how it is asked for speech, and its processes."""

    def __init__(self, name: str, base: str, processes: list[psutil.Process]) -> None:
        self.name, self.base, self.processes = name, base, processes
        self.headers: dict[str, str] = {}
        self.whole = self.stream = f"/v1/text-to-speech/{VOICE}"
        self.body: dict[str, str] = {"model_id": "eleven_multilingual_v2"}
        self.field = "text"

    def json(self, text: str) -> dict[str, str]:
        return {**self.body, self.field: text}

    def memory(self) -> tuple[float, float]:
        """MB of all its processes: shared pages once (PSS), and added up (RSS)."""
        full = [one.memory_full_info() for one in self._family()]
        return sum(one.pss for one in full) / 2**20, sum(one.rss for one in full) / 2**20

    def seconds(self) -> float:
        """Processor seconds of all its processes so far."""
        times = [one.cpu_times() for one in self._family()]
        return float(sum(one.user + one.system for one in times))

    def _family(self) -> list[psutil.Process]:
        return [one for top in self.processes for one in [top, *top.children(recursive=True)]]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--litellm", default=os.environ.get("LITELLM", ""))
    given = parser.parse_args()
    psutil.Process().cpu_affinity([LOAD])
    with tempfile.TemporaryDirectory() as data, contextlib.ExitStack() as stack:
        mock = stack.enter_context(mocked())
        ours = stack.enter_context(speechsite(Path(data), mock.base))
        other = stack.enter_context(litellm(given.litellm, mock.base, Path(data)))
        return report(mock, ours, other, given.seconds, given.rounds)


def report(mock: Target, ours: Target, other: Target | None, seconds: float, rounds: int) -> int:
    """The same in turns, so that a busy machine slows both; the better round of each counts."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for target in [ours, other] if other else [ours]:
            best[target.name] = max(best.get(target.name, 0.0), asyncio.run(rate(target, seconds)))
    for target in [ours, other] if other else [ours]:
        pss, rss = target.memory()
        print(f"{target.name:<11} {best[target.name]:6.1f}/s   {pss:.0f} MB PSS, {rss:.0f} MB RSS")
    good = first_bytes(mock, ours, other)
    if other is not None:
        ratio = best[ours.name] / best[other.name]
        print(f"rate: {ratio:.2f} of LiteLLM's; memory: {ours.memory()[0] / other.memory()[0]:.2f}")
        good = good and ratio >= 1 and ours.memory()[0] <= MOST_MB
    print("PASS" if good else "FAIL")
    return 0 if good else 1


def first_bytes(mock: Target, ours: Target, other: Target | None) -> bool:
    good = True
    for clients, limit in FIRST_BYTE.items():
        bare = asyncio.run(first_byte(mock, clients))
        for target in [ours, other] if other else [ours]:
            added = (asyncio.run(first_byte(target, clients)) - bare) * 1000
            print(f"{target.name:<11} adds {added:6.1f} ms to the first byte, {clients} client(s)")
            good = good and (target is not ours or added <= limit)
    return good


async def rate(target: Target, seconds: float) -> float:
    """Answers a second with all clients at once, after a short start."""
    counts = [0]

    async def client(until: float) -> None:
        async with httpx.AsyncClient(base_url=target.base, trust_env=False, timeout=60) as http:
            while time.monotonic() < until:
                answer = await http.post(
                    target.whole, json=target.json(TEXT), headers=target.headers
                )
                assert answer.status_code == 200, answer.text
                assert len(answer.content) > 30_000
                counts[0] += 1

    await asyncio.gather(*(client(time.monotonic() + 3) for _ in range(CLIENTS)))
    counts[0] = 0
    began, used = time.monotonic(), target.seconds()
    await asyncio.gather(*(client(began + seconds) for _ in range(CLIENTS)))
    each = (target.seconds() - used) / counts[0] * 1000
    print(f"{target.name:<11} {each:.1f} ms of processor for each answer", flush=True)
    return counts[0] / (time.monotonic() - began)


async def first_byte(target: Target, clients: int, times: int = 10) -> float:
    """Seconds to the first byte of sound, the median, with so many clients at once."""

    async def client() -> list[float]:
        waits = []
        async with httpx.AsyncClient(base_url=target.base, trust_env=False, timeout=60) as http:
            for _ in range(times):
                began = time.perf_counter()
                body, headers = target.json(f"{TEXT} Say it slowly."), target.headers
                async with http.stream("POST", target.stream, json=body, headers=headers) as answer:
                    chunks = answer.aiter_raw()
                    assert await anext(chunks), answer.status_code
                    waits.append(time.perf_counter() - began)
                    async for _chunk in chunks:
                        pass
        return waits[1:]

    waits = await asyncio.gather(*(client() for _ in range(clients)))
    return statistics.median([wait for some in waits for wait in some])


@contextlib.contextmanager
def mocked() -> Iterator[Target]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.bench.speech_mock:application"]
    options = ["--port", str(port), "--no-access-log", "--lifespan", "off", "--log-level", "error"]
    with running([*command, *options], LOAD, dict(os.environ)) as process:
        base = f"http://127.0.0.1:{port}"
        answers(base)
        target = Target("mock", base, [process])
        target.stream += "/stream"
        yield target


@contextlib.contextmanager
def speechsite(data: Path, upstream: str) -> Iterator[Target]:
    site = BenchSite(data)
    site.environment |= {"ELEVENLABS_API_KEY": "mock", "ELEVENLABS_BASE_URL": upstream}
    with site:
        secret = furnish(site)
        mine = psutil.Process()
        mine.cpu_affinity([SERVER])  # what is started now stays there
        site.start_site()
        mine.cpu_affinity([LOAD])
        family = [one for one in mine.children() if "manage.py" in " ".join(one.cmdline())]
        target = Target("Speechsite", site.environment["SITE_URL"], family)
        target.stream += "/stream"
        target.headers = {"xi-api-key": secret}
        yield target


def furnish(site: BenchSite) -> str:
    """A voice, a channel without limits, and a live key of somebody with credits."""
    from speechsite.accounts import keys
    from speechsite.upstreams.models import Channel
    from voices.models import Voice

    Channel.objects.filter(slug="elevenlabs").update(concurrency=1000, rate_count=None)
    Voice.objects.get_or_create(
        family="elevenlabs", external_id=VOICE, defaults={"name": "Rachel", "language": "en"}
    )
    _key, secret = keys.issue_key(site.user())
    return secret


@contextlib.contextmanager
def litellm(program: str, upstream: str, folder: Path) -> Iterator[Target | None]:
    if not program:
        print("without LiteLLM: name its program with --litellm")
        yield None
        return
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n  - model_name: tts\n    litellm_params:\n      model: openai/tts-1\n"
        f"      api_base: {upstream}/v1\n      api_key: mock\n"
        "general_settings:\n  master_key: sk-bench\nlitellm_settings:\n  telemetry: false\n"
    )
    port = free_port()
    # Its list of prices is fetched from outside, unless it is told to use its own.
    offline = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    offline.pop("DATABASE_URL", None)
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with running(command, SERVER, offline) as process:
        base = f"http://127.0.0.1:{port}"
        answers(f"{base}/health/liveliness", 120)
        target = Target("LiteLLM", base, [process])
        target.whole = target.stream = "/v1/audio/speech"
        target.body, target.field = {"model": "tts", "voice": "alloy"}, "input"
        target.headers = {"Authorization": "Bearer sk-bench"}
        yield target


@contextlib.contextmanager
def running(command: list[str], core: int, environment: dict[str, str]) -> Iterator[psutil.Process]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as process:
        watched = psutil.Process(process.pid)
        watched.cpu_affinity([core])
        try:
            yield watched
        finally:
            for child in [*watched.children(recursive=True), watched]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.terminate()


def answers(url: str, seconds: float = 30) -> None:
    def is_there() -> bool:
        try:
            return httpx.get(url, trust_env=False, timeout=5).status_code < 500
        except httpx.HTTPError:
            return False

    wait_for(is_there, seconds, 0.2)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
