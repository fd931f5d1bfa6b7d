"""Server-sent events: everybody's own jobs, nothing missed, one reader of the table."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from jobs import events, lifecycle, live
from jobs.models import Job, JobEvent
from jobs.outcomes import Refused
from jobs.visitors import Visitor
from speechsite.accounts.models import User
from speechsite.core.threads import in_thread

pytestmark = pytest.mark.django_db(transaction=True)
Place = Callable[..., Job]
PATIENCE = 5.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL", 0.01)


class Page:
    """One open page: reads messages until told to stop."""

    def __init__(self, user: Any, query: str = "", **headers: str) -> None:
        self.request = RequestFactory().get(f"/live/{query}", headers=headers)

        async def auser() -> Any:
            return user

        self.request.auser = auser  # type: ignore[method-assign]

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        response = await live.stream(self.request)
        assert isinstance(response, StreamingHttpResponse)
        async with aclosing(response.streaming_content) as parts:  # type: ignore[type-var]
            async for part in parts:
                message = read(part.decode())
                if message:
                    yield message


def read(part: str) -> dict[str, Any]:
    lines = dict(line.split(": ", 1) for line in part.strip().splitlines() if ": " in line)
    if "data" not in lines:
        return {}
    return {**json.loads(lines["data"]), "id": int(lines.get("id", 0))}


async def first(page: Page, count: int) -> list[dict[str, Any]]:
    found = []
    async with asyncio.timeout(PATIENCE), aclosing(page.messages()) as messages:
        async for message in messages:
            found.append(message)
            if len(found) == count:
                return found
    return found


async def after(page: Page, happening: Callable[[], Any], count: int) -> list[dict[str, Any]]:
    """What a page hears, beginning with its snapshot; then something happens."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE), aclosing(page.messages()) as messages:
        async for message in messages:
            found.append(message)
            if len(found) == 1:
                await in_thread(happening)
            if len(found) == count:
                return found
    return found


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["kind"] for message in messages]


def run(work: Any) -> Any:
    async def whole() -> Any:
        # One thread, so that its connection can be closed: an open one would keep the
        # test database in use.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        try:
            return await work
        finally:
            await in_thread(connections.close_all)

    return asyncio.run(whole())


def test_nobody_unknown_gets_events() -> None:
    response = run(live.stream(Page(AnonymousUser()).request))
    assert response.status_code == 401


def test_a_job_that_is_no_id_is_refused(ada: User) -> None:
    assert run(live.stream(Page(ada, "?job=x").request)).status_code == 400


def test_a_page_hears_how_its_job_stands_and_then_what_happens(place: Place) -> None:
    job = place()
    heard = run(after(Page(job.user, f"?job={job.pk}"), lambda: lifecycle.cancel(job), 2))
    assert kinds(heard) == ["snapshot", "canceled"]
    assert [message["state"] for message in heard] == ["queued", "canceled"]
    assert heard[1]["id"] > 0


def test_a_page_for_all_jobs_begins_with_those_under_way(place: Place) -> None:
    job = place()
    old = place()
    lifecycle.cancel(old)
    Job.objects.filter(pk=old.pk).update(finished_at=job.created_at.replace(year=2020))
    assert [one["job"] for one in run(first(Page(job.user), 1))] == [str(job.pk)]
    assert kinds(run(after(Page(job.user), lambda: lifecycle.cancel(job), 2)))[-1] == "canceled"


def test_eve_hears_nothing_of_adas_jobs(place: Place, eve: User) -> None:
    hers = place()
    own = place(user=eve, text="Eve speaks.")

    def happen() -> None:
        lifecycle.cancel(hers)
        lifecycle.cancel(own)

    for query in ("", f"?job={hers.pk}&job={own.pk}"):
        heard = (
            run(after(Page(eve, query), happen, 2))
            if not query
            else run(first(Page(eve, query), 1))
        )
        assert {message["job"] for message in heard} == {str(own.pk)}


def test_what_was_missed_is_replayed_in_order(place: Place) -> None:
    job = place()
    seen = JobEvent.objects.latest("pk").pk
    lifecycle.fail(job, code="rejected", message="no")
    page = Page(job.user, f"?job={job.pk}", **{"Last-Event-ID": str(seen)})
    heard = run(first(page, 2))
    assert kinds(heard) == ["failed", "snapshot"]


def test_of_very_much_that_was_missed_the_end_is_replayed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BACKLOG", 5)
    job = place()
    for index in range(20):
        events.tell(job, "segment_done", index=index)
    page = Page(job.user, f"?job={job.pk}", **{"Last-Event-ID": "0"})
    assert [message["segment"] for message in run(first(page, 5))] == [15, 16, 17, 18, 19]


@pytest.mark.parametrize("last", ["-1", "x", "9" * 30, "１"])
def test_a_hostile_last_id_does_no_harm(place: Place, last: str) -> None:
    job = place()
    request = f"?job={job.pk}&last={last}"
    heard = run(first(Page(job.user, request), 1))
    assert heard[-1]["job"] == str(job.pk)


def test_a_row_with_a_smaller_id_that_is_committed_later_is_not_lost(place: Place) -> None:
    job = place()
    newest = JobEvent.objects.latest("pk").pk

    def row(pk: int, index: int) -> None:
        JobEvent.objects.create(
            pk=pk, job=job, user_id=job.user_id, kind="segment_done", data={"index": index}
        )

    async def both() -> list[int]:
        found: list[int] = []
        page = Page(job.user, f"?job={job.pk}")
        async with asyncio.timeout(PATIENCE), aclosing(page.messages()) as messages:
            async for message in messages:
                if message["kind"] == "snapshot":
                    await in_thread(row, newest + 9, 9)
                else:
                    found.append(message["segment"])
                    if found == [9]:
                        await in_thread(row, newest + 5, 5)
                    elif len(found) == 2:
                        return found
        return found

    assert run(both()) == [9, 5]


def test_fifty_listeners_cost_no_more_queries_than_one(place: Place) -> None:
    job = place()

    def queries_with(listeners: int) -> int:
        count = 0

        def counting(execute: Any, *arguments: Any) -> Any:
            nonlocal count
            count += 1
            return execute(*arguments)

        def look() -> list[live.Message]:
            with connection.execute_wrapper(counting):
                return live._messages_of([event])

        async def hand_out() -> list[str]:
            hub = live.Hub()
            pages = [
                live.Listener(Visitor(job.user_id), frozenset({job.pk})) for _ in range(listeners)
            ]
            hub.listeners.update(pages)
            for message in await in_thread(look):
                hub._hand_out(event, message)
            return [page.inbox.get_nowait().text for page in pages]

        event = JobEvent.objects.latest("pk")
        texts = run(hand_out())
        assert len(set(texts)) == 1
        return count

    assert queries_with(50) == queries_with(1) <= 3


def test_all_listeners_of_a_process_share_one_poller(place: Place) -> None:
    job = place()

    async def fifty() -> tuple[int, int]:
        hub = live.Hub()
        pages = [live.Listener(Visitor(job.user_id), frozenset()) for _ in range(50)]
        await asyncio.gather(*(hub.join(page) for page in pages))
        pollers = [task for task in asyncio.all_tasks() if task is hub.poller]
        await in_thread(lambda: lifecycle.fail(job, code="x", message="y"))
        async with asyncio.timeout(PATIENCE):
            heard = [await page.inbox.get() for page in pages]
        for page in pages:
            hub.leave(page)
        assert hub.poller is not None
        await hub.poller
        return len(pollers), len(heard)

    assert run(fifty()) == (1, 50)


def test_a_slow_listener_is_dropped_and_the_others_are_not(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = place().events.get()

    async def overflow() -> set[live.Listener]:
        hub = live.Hub()
        slow = live.Listener(Visitor(event.user_id), frozenset(), asyncio.Queue(maxsize=1))
        quick = live.Listener(Visitor(event.user_id), frozenset())
        hub.listeners = {slow, quick}
        for number in range(3):
            hub._hand_out(event, live.Message(number, "x"))
        assert quick.inbox.qsize() == 3
        return hub.listeners - {quick}

    assert run(overflow()) == set()


def test_a_page_that_goes_away_is_forgotten(place: Place) -> None:
    job = place()

    async def visit() -> int:
        await first(Page(job.user, f"?job={job.pk}"), 1)
        async with asyncio.timeout(PATIENCE):
            while live.hub().listeners:
                await asyncio.sleep(0)
        return len(live.hub().listeners)

    assert run(visit()) == 0


def test_a_database_that_fails_for_a_moment_silences_nobody(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = place()
    real, failures = live._after, iter([True, True, False])

    def unsteady(last: int) -> list[JobEvent]:
        if next(failures, False):
            raise ConnectionResetError("gone")
        return real(last)

    monkeypatch.setattr(live, "_after", unsteady)
    heard = run(after(Page(job.user, f"?job={job.pk}"), lambda: lifecycle.cancel(job), 2))
    assert kinds(heard)[-1] == "canceled"
    assert "could not read the events" in caplog.text


def test_a_segment_that_fails_is_told(place: Place) -> None:
    job = place()
    segment = job.segments.get()
    page = Page(job.user, f"?job={job.pk}")
    heard = run(after(page, lambda: lifecycle.record(segment, Refused("rejected", "no")), 4))
    assert kinds(heard) == ["snapshot", "started", "segment_failed", "failed"]


@pytest.mark.parametrize("reason", ["blocked", "password", "logged out", "run out"])
def test_a_page_hears_no_more_once_its_person_may_not_look(
    place: Place, client: Client, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setattr(live, "ASK_AGAIN", 0.05, raising=False)
    job = place()
    client.force_login(job.user)
    page = Page(job.user, f"?job={job.pk}")
    page.request.session = client.session

    def end() -> None:
        if reason == "blocked":
            User.objects.filter(pk=job.user.pk).update(is_active=False)
        elif reason == "password":
            job.user.set_password("another one")
            job.user.save()
        elif reason == "logged out":
            client.logout()
        else:
            Session.objects.update(expire_date=timezone.now())

    async def listen() -> list[dict[str, Any]]:
        found = []
        async with asyncio.timeout(PATIENCE), aclosing(page.messages()) as messages:
            async for message in messages:
                found.append(message)
                await in_thread(end)
        return found

    assert kinds(run(listen())) == ["snapshot"]


def test_a_page_stays_open_for_who_may_look(
    place: Place, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "ASK_AGAIN", 0.01, raising=False)
    job = place()
    client.force_login(job.user)
    page = Page(job.user, f"?job={job.pk}")
    page.request.session = client.session

    def cancel_later() -> None:
        time.sleep(0.3)
        lifecycle.cancel(job)

    assert kinds(run(after(page, cancel_later, 2))) == ["snapshot", "canceled"]
