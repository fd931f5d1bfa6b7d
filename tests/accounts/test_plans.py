"""Which plan an account is on, and what the seeded plans allow."""

from __future__ import annotations

import pytest

from speechsite.accounts import plans
from speechsite.accounts.models import Plan, User


def test_the_seeded_plans_are_those_of_the_price_list(db: None) -> None:
    rows = Plan.objects.values_list("slug", "requests_per_second", "concurrent_jobs")
    assert list(rows) == [
        ("free", 3, 2),
        ("starter", 5, 2),
        ("creator", 10, 5),
        ("pro", 20, 10),
        ("enterprise", None, None),
    ]


def test_an_account_without_a_plan_is_bound_by_the_free_one(db: None) -> None:
    user = User.objects.create_user("new@example.com")
    assert user.plan is None
    assert plans.plan_of(user).slug == "free"


def test_the_free_plan_comes_back_if_it_was_removed(db: None) -> None:
    Plan.objects.all().delete()
    again = plans.default_plan()
    assert (again.slug, again.requests_per_second, again.concurrent_jobs) == ("free", 3, 2)


def test_an_account_moves_to_another_plan(ada: User) -> None:
    plans.put_on_plan(ada, "pro")
    ada.refresh_from_db()
    assert plans.plan_of(ada).concurrent_jobs == 10


def test_an_unknown_plan_changes_nothing(ada: User) -> None:
    with pytest.raises(Plan.DoesNotExist):
        plans.put_on_plan(ada, "platinum")
    ada.refresh_from_db()
    assert str(ada.plan) == "Free"
