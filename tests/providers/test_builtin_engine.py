"""The built-in engine's children: shared, replaced, cancelled, collected."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from speechsite.providers.builtin import Builtin, pool
from speechsite.providers.builtin.engines import ESPEAK
from speechsite.providers.errors import Unavailable, Unclear
from speechsite.providers.types import SpeechOrder

LONG = "It was a bright cold day in the valley, and the bells were ringing. " * 3000


@pytest.fixture(autouse=True)
def _children_end() -> Iterator[None]:
    pool.close_all()
    yield
    pool.close_all()
    assert [p for p in psutil.Process().children() if p.status() == psutil.STATUS_ZOMBIE] == []


def order(text: str, voice: str = "en-us") -> SpeechOrder:
    return SpeechOrder(text=text, voice=voice, model="builtin", key="k")


async def spoken(text: str, voice: str = "en-us") -> tuple[int, list[str]]:
    size, words = 0, []
    async for chunk in Builtin().speak(order(text, voice)):
        size += len(chunk.audio)
        words += [text[word.start : word.end] for word in chunk.words]
    return size, words


def test_a_child_serves_one_loop_after_another() -> None:
    asyncio.run(spoken("one"))
    first = ESPEAK.pool.children()
    asyncio.run(spoken("two"))
    assert ESPEAK.pool.children() == first
    assert len(first) == 1


def test_parallel_calls_do_not_mix() -> None:
    texts = [f"caller {word} says {word} again" for word in ("red", "green", "blue", "gold")] * 6

    async def all_at_once() -> list[tuple[int, list[str]]]:
        return await asyncio.gather(*(spoken(text) for text in texts))

    answers = asyncio.run(all_at_once())
    assert [words for _, words in answers] == [text.split() for text in texts]
    assert len(ESPEAK.pool.children()) <= ESPEAK.pool.size


def test_closing_the_iterator_ends_the_work() -> None:
    async def listen_a_little() -> list[int]:
        speech = Builtin().speak(order(LONG))
        await anext(speech)
        busy = ESPEAK.pool.children()
        await speech.aclose()
        return busy

    (child,) = asyncio.run(listen_a_little())
    assert not psutil.pid_exists(child)
    assert ESPEAK.pool.children() == []


def test_cancelling_the_task_ends_the_work() -> None:
    async def give_up() -> list[int]:
        started = asyncio.Event()

        async def listen() -> None:
            async for _ in Builtin().speak(order(LONG)):
                started.set()

        task = asyncio.create_task(listen())
        await started.wait()
        busy = ESPEAK.pool.children()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return busy

    (child,) = asyncio.run(give_up())
    assert not psutil.pid_exists(child)


def test_waiting_for_a_turn_can_be_cancelled() -> None:
    async def queue_up() -> tuple[int, list[str]]:
        holders = [Builtin().speak(order(LONG)) for _ in range(ESPEAK.pool.size)]
        for holder in holders:
            await anext(holder)
        impatient = asyncio.create_task(spoken("me too"))
        patient = asyncio.create_task(spoken("and me"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        impatient.cancel()
        for holder in holders:
            await holder.aclose()
        return await patient

    assert asyncio.run(queue_up())[1] == ["and", "me"]


def test_a_killed_child_loses_the_answer_and_the_next_call_works() -> None:
    async def lose_the_child() -> None:
        async for _ in Builtin().speak(order(LONG)):
            for child in ESPEAK.pool.children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)

    with pytest.raises(Unclear):
        asyncio.run(lose_the_child())
    assert asyncio.run(spoken("still here"))[1] == ["still", "here"]


def test_a_child_killed_while_idle_is_replaced() -> None:
    asyncio.run(spoken("one"))
    (child,) = ESPEAK.pool.children()
    process = psutil.Process(child)
    process.kill()
    while process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
        pass
    assert asyncio.run(spoken("two"))[1] == ["two"]
    assert ESPEAK.pool.children() != [child]


def test_a_silent_child_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SILENT_SECONDS", 0.05)

    async def freeze_the_child() -> None:
        speech = Builtin().speak(order(LONG))
        await anext(speech)
        (child,) = ESPEAK.pool.children()
        os.kill(child, signal.SIGSTOP)
        async for _ in speech:
            pass

    with pytest.raises(Unavailable, match="does not answer"):
        asyncio.run(freeze_the_child())


def test_a_child_retires_after_its_share_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ESPEAK.pool, "jobs_per_child", 2)
    asyncio.run(spoken("one"))
    assert len(ESPEAK.pool.children()) == 1
    asyncio.run(spoken("two"))
    assert ESPEAK.pool.children() == []


def test_idle_children_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ESPEAK.pool, "idle_seconds", 0.02)
    asyncio.run(spoken("one"))
    janitor = ESPEAK.pool._janitor
    if janitor is not None:
        janitor.join(5)
    assert ESPEAK.pool.children() == []


def test_a_forked_process_starts_children_of_its_own() -> None:
    asyncio.run(spoken("one"))
    before = ESPEAK.pool.children()
    fork = os.fork()
    if fork == 0:
        try:
            words = asyncio.run(spoken("from a fork"))[1]
            own = ESPEAK.pool.children()
            pool.close_all()
            os._exit(0 if words and own != before else 1)
        finally:
            os._exit(2)
    assert os.waitpid(fork, 0)[1] == 0
    assert asyncio.run(spoken("two"))[1] == ["two"]
    assert ESPEAK.pool.children() == before


def test_children_are_small_and_alone() -> None:
    asyncio.run(spoken(LONG[:5000]))
    (child,) = map(psutil.Process, ESPEAK.pool.children())
    assert child.num_threads() == 1
    assert child.memory_info().rss < 30_000_000
