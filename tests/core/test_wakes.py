"""Tasks only wake: taken for good, equal ones once, and no row is left locked by the dead."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from speechsite.core import queue, wakes

REDIS = os.environ.get("TEST_REDIS_URL", "")


@pytest.fixture(params=["database", pytest.param("redis", marks=pytest.mark.redis)])
def broker(request: pytest.FixtureRequest, db: None, monkeypatch: Any) -> Iterator[Any]:
    name = f"test-{uuid.uuid4().hex}"
    if request.param == "database":
        yield wakes.DatabaseWakes(list_key=name)
        return
    if not REDIS:
        pytest.skip("needs Redis: set TEST_REDIS_URL")
    monkeypatch.setattr("django_q.conf.Conf.REDIS", REDIS)
    made = wakes.RedisWakes(list_key=name)
    yield made
    made.delete_queue()
    made.connection.close()


def put(broker: Any, function: str, *args: object) -> None:
    broker.enqueue(
        SignedPackage.dumps({"func": function, "args": args, "kwargs": {}, "id": uuid.uuid4().hex})
    )


def taken(broker: Any) -> list[tuple[str, Any]]:
    tasks = [SignedPackage.loads(payload) for _, payload in broker.dequeue() or []]
    return [(task["func"], tuple(task["args"])) for task in tasks]


def test_equal_wakes_are_one_and_different_ones_are_not(broker: Any) -> None:
    for _ in range(50):
        put(broker, "a.work")
    put(broker, "a.look", 1)
    put(broker, "a.look", 2)
    assert taken(broker) == [("a.work", ()), ("a.look", (1,)), ("a.look", (2,))]
    assert broker.queue_size() == 0


def test_who_takes_one_and_dies_leaves_no_locked_row(broker: Any) -> None:
    put(broker, "a.work")
    broker.dequeue()
    assert not OrmQ.objects.exists()
    put(broker, "a.work")
    assert taken(broker) == [("a.work", ())]


def test_one_that_cannot_be_read_is_left_to_the_cluster_to_name(broker: Any) -> None:
    broker.enqueue("no task at all")
    put(broker, "a.work")
    assert len(broker.dequeue()) == 2


def test_the_site_uses_them(db: None) -> None:
    assert isinstance(get_broker(), wakes.DatabaseWakes | wakes.RedisWakes)


@pytest.mark.django_db
def test_the_age_of_the_queue_is_that_of_its_first_task() -> None:
    assert queue.oldest_wait() == 0
    queue.enqueue("jobs.tasks.work")
    assert 0 <= queue.oldest_wait() < 10
