"""Refusals in OpenAI's shape; nothing is ordered and nothing is charged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from speechsite.accounts import keys, plans
from speechsite.accounts.models import ApiKey, Plan
from speechsite.api.auth import Caller
from speechsite.credits.models import Wallet

# Orders are placed on a thread of their own, which sees only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

Keyed = tuple[Caller, str]
BODY: dict[str, Any] = {"model": "tts-1", "input": "Today is a good day.", "voice": "alloy"}


@pytest.fixture(autouse=True)
def _nothing_is_ordered(wallet: Wallet) -> Iterator[None]:
    yield
    assert not Job.objects.exists()


def speak(secret: str, body: Any) -> Any:
    headers = {"Authorization": f"Bearer {secret}"}
    return Client(headers=headers).post("/v1/audio/speech", body, content_type="application/json")


def error_of(answer: Any) -> dict[str, Any]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


@pytest.mark.parametrize("secret", ["", "sk-wrong", "sps_live_00000000" + "c" * 43])
def test_a_wrong_key_is_refused(live: Keyed, secret: str) -> None:
    answer = speak(secret, BODY)
    assert answer.status_code == 401
    assert error_of(answer)["code"] == "invalid_api_key"


def test_a_revoked_key_is_refused(live: Keyed) -> None:
    keys.revoke(live[0].key)
    assert speak(live[1], BODY).status_code == 401


def test_a_missing_scope_is_refused(live: Keyed) -> None:
    ApiKey.objects.update(scopes=["models:read"])
    answer = speak(live[1], BODY)
    assert (answer.status_code, error_of(answer)["code"]) == (403, "api_scope_denied")


def test_an_empty_wallet_is_refused(live: Keyed) -> None:
    Wallet.objects.update(available=5)
    answer = speak(live[1], BODY)
    assert (answer.status_code, error_of(answer)["type"]) == (402, "insufficient_quota")
    Wallet.objects.update(available=100_000)


def test_the_limit_of_a_plan_is_429(live: Keyed) -> None:
    plans.put_on_plan(live[0].user, "free")
    answers = [speak(live[1], {}) for _ in range(20)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert error_of(limited[0])["type"] == "rate_limit_error"
    assert int(limited[0]["Retry-After"]) >= 1


def test_a_text_longer_than_the_plan_allows_is_refused(live: Keyed) -> None:
    Plan.objects.update(characters_per_job=10)
    answer = speak(live[1], BODY)
    assert (answer.status_code, error_of(answer)["param"]) == (400, "input")
    assert error_of(answer)["code"] == "text_too_long"


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"model": "tts-9"}, 404, "model"),
        ({"model": None}, 400, "model"),
        ({"model": 1}, 400, "model"),
        ({"voice": "nobody"}, 404, "voice"),
        ({"voice": None}, 400, "voice"),
        ({"voice": {"name": "x"}}, 400, "voice"),
        ({"voice": ["alloy"]}, 400, "voice"),
        ({"input": ""}, 400, "input"),
        ({"input": "  "}, 400, "input"),
        ({"input": 5}, 400, "input"),
        ({"input": ["a"]}, 400, "input"),
        ({"speed": 5}, 400, "speed"),
        ({"speed": 0.1}, 400, "speed"),
        ({"speed": "1"}, 400, "speed"),
        ({"speed": True}, 400, "speed"),
        ({"response_format": "midi"}, 400, "response_format"),
        ({"response_format": {}}, 400, "response_format"),
        ({"stream_format": "xml"}, 400, "stream_format"),
        ({"stream_format": []}, 400, "stream_format"),
        ({"instructions": 5}, 400, "instructions"),
    ],
)
def test_what_is_wrong_is_named(
    live: Keyed, change: dict[str, Any], status: int, param: str
) -> None:
    answer = speak(live[1], {**BODY, **change})
    assert answer.status_code == status
    error = error_of(answer)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "[" * 9000])
def test_a_body_that_is_no_object_is_refused(live: Keyed, body: str) -> None:
    answer = Client(headers={"Authorization": f"Bearer {live[1]}"}).post(
        "/v1/audio/speech", data=body, content_type="application/json"
    )
    assert answer.status_code == 400
    assert error_of(answer)["type"] == "invalid_request_error"


def test_another_method_is_refused(live: Keyed) -> None:
    assert error_of(Client().get("/v1/audio/speech"))["message"]
    assert Client().post("/v1/audio/voices").status_code == 405
