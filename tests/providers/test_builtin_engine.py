"""The built-in engine's children: shared, replaced, cancelled, collected."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from speechsite.providers.builtin import Builtin, engine
from speechsite.providers.errors import Unavailable
from speechsite.providers.types import SpeechOrder

LONG = "It was a bright cold day in the valley, and the bells were ringing. " * 3000


@pytest.fixture(autouse=True)
def _children_end() -> Iterator[None]:
    engine.close()
    yield
    engine.close()
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
    first = engine.speakers.children()
    asyncio.run(spoken("two"))
    assert engine.speakers.children() == first
    assert len(first) == 1


def test_parallel_calls_do_not_mix() -> None:
    texts = [f"caller {word} says {word} again" for word in ("red", "green", "blue", "gold")] * 6

    async def all_at_once() -> list[tuple[int, list[str]]]:
        return await asyncio.gather(*(spoken(text) for text in texts))

    answers = asyncio.run(all_at_once())
    assert [words for _, words in answers] == [text.split() for text in texts]
    assert len(engine.speakers.children()) <= engine.speakers.size


def test_closing_the_iterator_ends_the_work() -> None:
    async def listen_a_little() -> list[int]:
        speech = Builtin().speak(order(LONG))
        await anext(speech)
        busy = engine.speakers.children()
        await speech.aclose()
        return busy

    (child,) = asyncio.run(listen_a_little())
    assert not psutil.pid_exists(child)
    assert engine.speakers.children() == []


def test_cancelling_the_task_ends_the_work() -> None:
    async def give_up() -> list[int]:
        started = asyncio.Event()

        async def listen() -> None:
            async for _ in Builtin().speak(order(LONG)):
                started.set()

        task = asyncio.create_task(listen())
        await started.wait()
        busy = engine.speakers.children()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return busy

    (child,) = asyncio.run(give_up())
    assert not psutil.pid_exists(child)


def test_waiting_for_a_turn_can_be_cancelled() -> None:
    async def queue_up() -> tuple[int, list[str]]:
        holders = [Builtin().speak(order(LONG)) for _ in range(engine.speakers.size)]
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


def test_a_killed_child_is_unavailable_and_the_next_call_works() -> None:
    async def lose_the_child() -> None:
        async for _ in Builtin().speak(order(LONG)):
            for child in engine.speakers.children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)

    with pytest.raises(Unavailable) as caught:
        asyncio.run(lose_the_child())
    assert caught.value.retryable
    assert asyncio.run(spoken("still here"))[1] == ["still", "here"]


def test_a_child_killed_while_idle_is_replaced() -> None:
    asyncio.run(spoken("one"))
    (child,) = engine.speakers.children()
    process = psutil.Process(child)
    process.kill()
    while process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
        pass
    assert asyncio.run(spoken("two"))[1] == ["two"]
    assert engine.speakers.children() != [child]


def test_a_silent_child_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SILENT_SECONDS", 0.05)

    async def freeze_the_child() -> None:
        speech = Builtin().speak(order(LONG))
        await anext(speech)
        (child,) = engine.speakers.children()
        os.kill(child, signal.SIGSTOP)
        async for _ in speech:
            pass

    with pytest.raises(Unavailable, match="does not answer"):
        asyncio.run(freeze_the_child())


def test_a_child_retires_after_its_share_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.speakers, "jobs_per_child", 2)
    asyncio.run(spoken("one"))
    assert len(engine.speakers.children()) == 1
    asyncio.run(spoken("two"))
    assert engine.speakers.children() == []


def test_idle_children_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.speakers, "idle_seconds", 0.02)
    asyncio.run(spoken("one"))
    janitor = engine.speakers._janitor
    if janitor is not None:
        janitor.join(5)
    assert engine.speakers.children() == []


def test_a_forked_process_starts_children_of_its_own() -> None:
    asyncio.run(spoken("one"))
    before = engine.speakers.children()
    fork = os.fork()
    if fork == 0:
        try:
            words = asyncio.run(spoken("from a fork"))[1]
            own = engine.speakers.children()
            engine.close()
            os._exit(0 if words and own != before else 1)
        finally:
            os._exit(2)
    assert os.waitpid(fork, 0)[1] == 0
    assert asyncio.run(spoken("two"))[1] == ["two"]
    assert engine.speakers.children() == before


def test_children_are_small_and_alone() -> None:
    asyncio.run(spoken(LONG[:5000]))
    (child,) = map(psutil.Process, engine.speakers.children())
    assert child.num_threads() == 1
    assert child.memory_info().rss < 30_000_000
