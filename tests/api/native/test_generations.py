"""Generations: what is ordered, what is answered, who may see it."""

from __future__ import annotations

import pytest

from jobs.models import Job
from speechsite.api.auth import Caller
from tests.api.native.talk import GENERATIONS, Partner, work

Live = tuple[Caller, str]


@pytest.fixture
def partner(live: Live) -> Partner:
    return Partner(live[1])


def test_an_order_is_answered_at_once(partner: Partner) -> None:
    answer = partner.order()
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["status"], body["model"], body["result"]) == ("queued", "builtin-speech", None)
    assert partner.get(f"{GENERATIONS}/{body['id']}").json() == body


@pytest.mark.django_db(transaction=True)
def test_a_finished_generation_can_be_heard(partner: Partner) -> None:
    made = partner.order().json()
    work()
    body = partner.get(f"{GENERATIONS}/{made['id']}").json()
    assert body["status"] == "succeeded"
    assert body["final_credits"] == made["reserved_credits"] == 0.012
    heard = Partner().head(body["result"]["primary_url"])
    assert heard["Content-Type"] == "audio/mpeg"
    assert int(heard["Content-Length"]) == Job.objects.get().audio_bytes
