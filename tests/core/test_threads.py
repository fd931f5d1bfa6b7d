"""Questions to the database from async code, and commits that several of them share."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connection, connections, transaction

from speechsite.accounts.models import Plan
from speechsite.core import requestid, threads
from speechsite.core.threads import in_thread, slowly, together

pytestmark = pytest.mark.django_db(transaction=True)
on_sqlite = pytest.mark.skipif(not settings.IS_SQLITE, reason="only SQLite shares commits")


@pytest.fixture
def rush(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is always more to do than can be done."""
    monkeypatch.setattr(threads, "RUSH", -1.0)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who committed, by thread."""
    seen: list[str] = []
    kind = type(connections[DEFAULT_DB_ALIAS])
    commit = kind._commit  # type: ignore[attr-defined]

    def counted(self: object) -> None:
        seen.append(threading.current_thread().name)
        commit(self)

    monkeypatch.setattr(kind, "_commit", counted)
    return seen


def plan(slug: str) -> str:
    with transaction.atomic():
        Plan.objects.create(slug=slug, name=slug)
    return slug


@contextlib.asynccontextmanager
async def held() -> AsyncIterator[None]:
    """Whatever asks in here waits at the same time, behind something that takes long."""
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go_on.wait(5)

    holding = asyncio.create_task(in_thread(hold))
    await asyncio.to_thread(begun.wait, 5)
    yield
    await asyncio.sleep(0.01)
    go_on.set()
    await holding


async def at_once(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """What comes of questions that wait at the same time."""
    async with held():
        waiting = [asyncio.create_task(one) for one in work]
    return await asyncio.gather(*waiting, return_exceptions=True)


def slugs() -> set[str]:
    return set(Plan.objects.filter(slug__startswith="t-").values_list("slug", flat=True))


@on_sqlite
def test_in_a_rush_those_that_wait_share_a_commit(rush: None, commits: list[str]):
    names = [f"t-{number}" for number in range(threads.MOST_TOGETHER)]
    assert asyncio.run(at_once(*(together(plan, name) for name in names))) == names
    assert slugs() == set(names)
    assert len(commits) == 1


@on_sqlite
def test_a_shared_commit_has_a_size(rush: None, commits: list[str]):
    names = [f"t-{number}" for number in range(threads.MOST_TOGETHER + 2)]
    assert asyncio.run(at_once(*(together(plan, name) for name in names))) == names
    assert len(commits) == 2


@on_sqlite
def test_without_a_rush_each_has_its_own(commits: list[str]):
    names = ["t-1", "t-2", "t-3"]
    assert asyncio.run(at_once(*(together(plan, name) for name in names))) == names
    assert len(commits) == 3


def test_one_that_fails_is_undone_alone(rush: None):
    def half_done() -> None:
        with transaction.atomic():
            plan("t-half")
            raise ValueError("no")

    work = (
        together(plan, "t-1"),
        together(half_done),
        together(plan, "t-1"),
        together(plan, "t-2"),
    )
    first, failed, second, last = asyncio.run(at_once(*work))
    assert last == "t-2"
    assert isinstance(failed, ValueError)
    # A server's hands may be faster with the second.
    lost = second if first == "t-1" else first
    assert {first, second} == {"t-1", lost}
    assert isinstance(lost, IntegrityError)
    assert slugs() == {"t-1", "t-2"}


@on_sqlite
def test_a_commit_that_fails_fails_for_all(rush: None):
    def orphan() -> None:
        with connection.cursor() as cursor:
            # That there is no such user is noticed when it is committed.
            cursor.execute(
                "INSERT INTO accounts_allowance (user_id, used_until) VALUES (%s, %s)", [10**9, 0]
            )

    results = asyncio.run(at_once(together(plan, "t-1"), together(orphan)))
    assert all(isinstance(one, IntegrityError) for one in results)
    assert slugs() == set()
    assert asyncio.run(together(plan, "t-2")) == "t-2"


def test_what_is_told_is_committed(rush: None):
    async def story() -> set[str]:
        async def both(name: str) -> set[str]:
            await together(plan, name)
            return await slowly(slugs)  # on another connection

        seen = await at_once(both("t-1"), both("t-2"))
        return set.intersection(*seen)

    assert asyncio.run(story()) >= {"t-1"}
    assert slugs() == {"t-1", "t-2"}


def test_who_gave_up_is_not_worked_for(rush: None):
    async def story() -> None:
        async with held():
            asking = ((together, "t-1"), (in_thread, "t-2"), (together, "t-3"))
            waiting = [asyncio.create_task(ask(plan, name)) for ask, name in asking]
            await asyncio.sleep(0)
            for one in waiting[:2]:
                one.cancel()
        assert await waiting[2] == "t-3"

    asyncio.run(story())
    if settings.IS_SQLITE:  # where a server's eight hands take them at once
        assert slugs() == {"t-3"}


@pytest.mark.parametrize("ask", [in_thread, together, slowly])
def test_a_thread_knows_the_request_of_who_asks(ask: object):
    async def story() -> str:
        requestid.current.set("req_1")
        return await ask(requestid.current.get)  # type: ignore[operator]

    assert asyncio.run(story()) == "req_1"


@pytest.mark.parametrize("ask", [in_thread, together, slowly])
def test_an_error_reaches_who_asked(ask: object):
    def fail() -> None:
        raise LookupError("nothing")

    async def story() -> None:
        await ask(fail)  # type: ignore[operator]

    with pytest.raises(LookupError, match="nothing"):
        asyncio.run(story())
