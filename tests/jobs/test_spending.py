"""What a key spent: by day and month, over rotations, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import lifecycle, spending
from jobs.models import Job
from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey, User


@pytest.fixture
def key(ada: User) -> ApiKey:
    return keys.issue_key(ada)[0]


def test_work_under_way_counts_with_its_quote(place: Callable[..., Job], key: ApiKey) -> None:
    job = place(api_key=key)
    assert job.quoted > 0
    assert spending.of_key(key) == job.quoted


def test_canceled_work_counts_with_what_was_charged(place: Callable[..., Job], key: ApiKey) -> None:
    lifecycle.cancel(place(api_key=key))
    assert spending.of_key(key) == 0


def test_a_rotated_key_goes_on_where_the_old_one_was(
    place: Callable[..., Job], key: ApiKey
) -> None:
    old = place(api_key=key)
    fresh, _ = keys.rotate(key)
    newest, _ = keys.rotate(fresh)
    young = place(api_key=newest)
    for one in (key, fresh, newest):
        assert spending.of_key(one) == old.quoted + young.quoted
    found = spending.by_key([newest, fresh, key])
    assert {spent.in_all for spent in found.values()} == {old.quoted + young.quoted}


def test_other_keys_do_not_count(place: Callable[..., Job], ada: User, key: ApiKey) -> None:
    other = keys.issue_key(ada)[0]
    place(api_key=other)
    assert spending.of_key(key) == 0
    assert spending.by_key([key, other])[key.pk] == spending.Spent()


def test_days_and_months_have_their_own_sums(place: Callable[..., Job], key: ApiKey) -> None:
    now = spending.calendar()
    long_ago, today = place(api_key=key), place(api_key=key)
    Job.objects.filter(pk=long_ago.pk).update(created_at=now.month - timedelta(days=1))
    spent = spending.by_key([key])[key.pk]
    assert spent.today == spent.this_month == today.quoted
    assert spent.in_all == long_ago.quoted + today.quoted
    assert spending.of_key(key, now.month) == today.quoted


def test_the_calendar_holds_this_moment() -> None:
    now = spending.calendar()
    assert now.month <= now.day <= timezone.now() < now.next_day <= now.next_month
    assert now.next_month.day == 1
