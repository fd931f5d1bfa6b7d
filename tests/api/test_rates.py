"""Requests per second: a burst of a second passes, the rest waits, wherever it is counted."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from speechsite.accounts import plans, rates
from speechsite.accounts.models import Allowance, User
from speechsite.api import errors, limits
from speechsite.api.auth import Caller
from speechsite.core.ids import new_token

REDIS_URL = os.environ.get("TEST_REDIS_URL", "")
NEEDS_REDIS = pytest.mark.skipif(not REDIS_URL, reason="set TEST_REDIS_URL")
STORES = [
    "memory",
    "database",
    pytest.param("redis", marks=[pytest.mark.redis, NEEDS_REDIS]),
]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time of this process; Redis has a clock of its own."""

    def at(seconds: float) -> None:
        monkeypatch.setattr(rates, "_now", lambda: round(seconds * rates.SECOND))

    at(1_000_000.0)
    return at


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    settings.WEB_PROCESSES = 2 if request.param == "database" else 1
    settings.REDIS_URL = REDIS_URL if request.param == "redis" else ""
    # Tests that run beside this one have accounts with the same numbers.
    monkeypatch.setattr(rates, "PREFIX", f"test:{new_token()}")
    return str(request.param)


def test_a_second_of_requests_passes_and_no_more(store: str, ada: User, clock: Any) -> None:
    taken = [rates.take(ada.pk, 2) for _ in range(3)]
    assert [one.is_admitted for one in taken] == [True, True, False]
    assert [one.remaining for one in taken] == [1, 0, 0]
    assert 0 < taken[-1].wait <= 0.5


def test_accounts_do_not_share(store: str, ada: User, ben: User, clock: Any) -> None:
    assert [rates.take(ada.pk, 1).is_admitted for _ in range(2)] == [True, False]
    assert rates.take(ben.pk, 100).is_admitted


def test_a_plan_that_allows_nothing_admits_nothing(store: str, ada: User) -> None:
    assert not rates.take(ada.pk, 0).is_admitted


@pytest.mark.parametrize("processes", [1, 2])
def test_a_waiting_second_gives_the_allowance_back(
    processes: int, settings: Any, ada: User, clock: Any
) -> None:
    settings.WEB_PROCESSES = processes
    admitted = []
    for second in (0, 0, 0, 0.25, 0.5, 0.5, 10, 10, 10):
        clock(1_000_000 + second)
        admitted.append(rates.take(ada.pk, 2).is_admitted)
    assert admitted == [True, True, False, False, True, False, True, True, False]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_clock_that_was_set_back_bars_nobody(
    processes: int, settings: Any, ada: User, clock: Any
) -> None:
    settings.WEB_PROCESSES = processes
    assert rates.take(ada.pk, 1).is_admitted
    clock(1_000)
    assert rates.take(ada.pk, 1).is_admitted


@given(st.integers(1, 50), st.lists(st.integers(0, 400_000), max_size=120))
def test_no_pattern_gets_more_than_the_plan_and_one_burst(
    per_second: int, pauses: list[int]
) -> None:
    rates._used.clear()
    now, admitted, before = 10**12, 0, rates._now
    try:
        for pause in pauses:
            now += pause
            rates._now = partial(int, now)
            admitted += rates.take(7, per_second).is_admitted
    finally:
        rates._now = before
    assert admitted <= per_second * (1 + sum(pauses) / rates.SECOND) + 1


def test_those_with_a_whole_allowance_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    monkeypatch.setattr(rates, "MOST_REMEMBERED", 2)
    for account in (1, 2, 3):
        rates.take(account, 1)
    clock(1_000_100)
    rates.take(4, 1)
    assert set(rates._used) == {4}


def test_without_its_redis_a_process_counts_alone(settings: Any, ada: User) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert [rates.take(ada.pk, 1).is_admitted for _ in range(2)] == [True, False]


@pytest.mark.parametrize("processes", [1, 2])
def test_of_many_at_once_exactly_the_allowed_pass(
    processes: int, settings: Any, transactional_db: None
) -> None:
    settings.WEB_PROCESSES = processes
    user = User.objects.create_user("many@example.com")
    now = rates._now()
    admitted: list[bool] = []

    def ask() -> None:
        try:
            admitted.append(rates.take(user.pk, 5).is_admitted)
        finally:
            connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "_now", lambda: now)
        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(admitted) == [False] * 15 + [True] * 5
    assert Allowance.objects.count() == processes - 1


def test_the_headers_say_what_is_left_and_when_it_is_back(
    live: tuple[Caller, str], clock: Any
) -> None:
    caller = live[0]
    plans.put_on_plan(caller.user, "free")
    clock(1_000_000.5)
    states = [limits.admit(caller) for _ in range(3)]
    assert [state.headers["X-RateLimit-Remaining"] for state in states] == ["2", "1", "0"]
    assert {state.headers["X-RateLimit-Limit"] for state in states} == {"3"}
    assert [state.reset for state in states] == [1_000_001, 1_000_002, 1_000_002]
    with pytest.raises(errors.RateLimited) as refused:
        limits.admit(caller)
    assert 0.3 < (refused.value.retry_after or 0) < 0.4
