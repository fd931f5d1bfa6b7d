"""`Prefer: wait=N`: the answer comes when the generation is over, or when the time is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connection

from tests.api.native.talk import GENERATIONS, Partner, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def busy() -> Iterator[None]:
    """Somebody works on whatever comes, beside the test."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            work()
            stop.wait(0.02)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join(20)


def test_who_waits_gets_the_result(partner: Partner, busy: None) -> None:
    answer = partner.order(prefer="respond-async, wait=20")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (201, "succeeded")
    assert body["result"]["primary_url"]
    assert answer["Preference-Applied"] == "wait=20"
    assert "Retry-After" not in answer


def test_who_waits_in_vain_is_told_how_it_stands(partner: Partner) -> None:
    begun = time.monotonic()
    answer = partner.order(prefer="wait=1")
    assert 0.9 < time.monotonic() - begun < 10
    assert (answer.status_code, answer.json()["status"]) == (201, "queued")
    made = partner.get(f"{GENERATIONS}/{answer.json()['id']}", headers={"prefer": "wait=1"})
    assert (made.json()["status"], made["Preference-Applied"]) == ("queued", "wait=1")


def test_what_is_over_is_not_waited_for(partner: Partner) -> None:
    made = partner.order().json()["id"]
    partner.send(f"{GENERATIONS}/{made}/cancel")
    begun = time.monotonic()
    answer = partner.get(f"{GENERATIONS}/{made}", headers={"prefer": "wait=600"})
    assert time.monotonic() - begun < 5
    assert (answer.json()["status"], answer["Preference-Applied"]) == ("canceled", "wait=60")


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=soon", "wait=-1", "wait=0.5", "await=9"])
def test_nonsense_is_no_preference(partner: Partner, prefer: str) -> None:
    answer = partner.order(prefer=prefer)
    assert answer.status_code == 201
    assert "Preference-Applied" not in answer


def test_a_refusal_does_not_wait(partner: Partner) -> None:
    assert partner.order({}, prefer="wait=60").status_code == 400
