"""The plan binds a person as it binds a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from jobs import lifecycle
from jobs.models import Job
from speechsite.accounts import keys, plans
from speechsite.accounts.models import User
from speechsite.credits.models import Wallet
from tests.api.native.talk import Partner
from tests.pages.test_cleanup import recording
from voices.models import SpeechModel, Voice


@pytest.fixture
def order(page: Client, voice: Voice, model: SpeechModel) -> Callable[..., HttpResponse]:
    def order(text: str) -> HttpResponse:
        told = {"text": text, "voice": voice.pk, "model": model.slug, "key": "form-1"}
        return page.post("/studio/", {**told, "do": "place"})

    return order


def limit(user: User, **figures: int | None) -> None:
    plan = plans.plan_of(user)
    type(plan).objects.filter(pk=plan.pk).update(**figures)


def test_the_studio_takes_no_more_jobs_at_once_than_the_plan_allows(order: Any, ada: User) -> None:
    limit(ada, concurrent_jobs=2, requests_per_second=None)
    assert [order(text).status_code for text in ("One.", "Two.")] == [302, 302]
    held = Wallet.objects.get(user=ada).held
    answer = order("Three.")
    assert answer.status_code == 429
    assert "Your plan allows 2 jobs at once." in answer.content.decode()
    assert "Three." in answer.content.decode()
    assert Job.objects.count() == 2
    assert Wallet.objects.get(user=ada).held == held
    lifecycle.cancel(Job.objects.first())
    assert order("Three.").status_code == 302


def test_a_form_sent_twice_is_not_one_job_too_many(order: Any, ada: User) -> None:
    limit(ada, concurrent_jobs=1)
    assert order("One.")["Location"] == order("One.")["Location"]


def test_jobs_of_programs_and_of_people_count_together(order: Any, ada: User) -> None:
    limit(ada, concurrent_jobs=1, requests_per_second=None)
    assert order("One.").status_code == 302
    answer = Partner(keys.issue_key(ada)[1]).order()
    assert answer.status_code == 429
    assert answer.json()["error"]["limit"] == "plan_concurrent_jobs"


def test_the_studio_takes_no_more_orders_in_a_second_than_the_plan_allows(
    order: Any, ada: User
) -> None:
    limit(ada, requests_per_second=1, concurrent_jobs=None)
    assert order("One.").status_code == 302
    answer = order("Two.")
    assert answer.status_code == 429
    assert "Two." in answer.content.decode()


def test_clean_up_keeps_within_the_plan(page: Client, ada: User) -> None:
    limit(ada, concurrent_jobs=0, requests_per_second=None)
    answer = page.post(
        "/cleanup/", {"file": recording(), "do": "place", "key": "form-1", "shown": 10_000}
    )
    assert answer.status_code == 429
    assert Job.objects.count() == 0
    assert Wallet.objects.get(user=ada).held == 0


def test_somebody_without_a_plan_is_bound_by_the_default_one(order: Any, ada: User) -> None:
    limit(ada, characters_per_job=5)
    User.objects.filter(pk=ada.pk).update(plan=None)
    assert order("One. Two.").status_code == 422
