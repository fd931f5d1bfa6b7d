"""What kie.ai's dialect refuses: with its own envelope, and nothing is charged."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from speechsite.accounts import keys, plans
from speechsite.accounts.models import ApiKey
from speechsite.api.auth import Caller
from speechsite.credits.models import Wallet
from tests.api.kie.talk import DIALOGUE, ISOLATION, MULTILINGUAL, TURBO, Partner

Live = tuple[Caller, str]
BUILTIN = {"text": "Hello.", "voice": "en-us"}


@pytest.fixture(autouse=True)
def _nothing_is_ordered(wallet: Wallet) -> Any:
    yield
    assert not Job.objects.exists()
    before = wallet.available
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (before, 0)


@pytest.mark.parametrize("secret", ["", "<token>", "sps_live_00000000" + "a" * 43])
def test_a_wrong_key_is_code_401(live: Live, secret: str) -> None:
    answer = Partner(secret).create("builtin-speech", BUILTIN)
    assert answer == {"code": 401, "msg": "You do not have access permissions", "data": None}


def test_a_revoked_key_is_code_401(live: Live) -> None:
    keys.revoke(live[0].key)
    assert Partner(live[1]).create("builtin-speech", BUILTIN)["code"] == 401


def test_a_missing_scope_is_code_401_and_named(live: Live) -> None:
    ApiKey.objects.update(scopes=["models:read"])
    answer = Partner(live[1]).create("builtin-speech", BUILTIN)
    assert answer["code"] == 401
    assert "generations:create" in answer["msg"]


def test_an_order_that_costs_too_much_is_code_402(partner: Partner) -> None:
    Wallet.objects.update(available=5)
    assert partner.create("builtin-speech", BUILTIN)["code"] == 402
    Wallet.objects.update(available=100_000)


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("elevenlabs/no-such-model", BUILTIN),
        ("builtin-speech", {"text": "Hello.", "voice": "no-such-voice"}),
        (MULTILINGUAL, {"text": "Hello."}),
        ("builtin-speech", {**BUILTIN, "text": "a" * 5001}),
        ("builtin-speech", {**BUILTIN, "text": 7}),
        ("builtin-speech", {**BUILTIN, "text": ["Hello."]}),
        ("builtin-speech", {**BUILTIN, "text": "   "}),
        ("builtin-speech", {**BUILTIN, "voice": 5}),
        ("builtin-speech", {**BUILTIN, "speed": "fast"}),
        ("builtin-speech", {**BUILTIN, "speed": True}),
        ("builtin-speech", {**BUILTIN, "speed": 99}),
        ("builtin-speech", {**BUILTIN, "stability": 0.5}),
        ("builtin-speech", {**BUILTIN, "timestamps": "true"}),
        ("builtin-speech", {**BUILTIN, "language_code": 4}),
        ("builtin-speech", {**BUILTIN, "language_code": "english"}),
        (TURBO, []),
        (TURBO, None),
        (TURBO, "text"),
        (DIALOGUE, {"dialogue": []}),
        (DIALOGUE, {"dialogue": "Hello."}),
        (DIALOGUE, {"dialogue": [{"text": "Hello."}]}),
        (DIALOGUE, {"dialogue": ["Hello."]}),
        (DIALOGUE, {"dialogue": [{"text": "a" * 3000, "voice": "en-us"}] * 2}),
        (ISOLATION, {"audio_url": 3}),
        (ISOLATION, {"audio_url": "no address"}),
        (ISOLATION, {"audio_url": "http://["}),
        (ISOLATION, {"audio_url": "file:///etc/passwd"}),
        (ISOLATION, {"audio_url": "http://127.0.0.1:1/x.mp3"}),
        (ISOLATION, {"audio_url": "http://169.254.169.254/latest"}),
        (ISOLATION, {"audio_url": "https://speech.example/api/file-download/forged/x.mp3"}),
    ],
)
def test_an_input_that_is_wrong_is_code_422(partner: Partner, model: str, given: Any) -> None:
    answer = partner.create(model, given)
    assert (answer["code"], answer["data"]) == (422, None)
    assert answer["msg"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "ftp://a.example/", "javascript:1", "x" * 600, 7]
)
def test_a_callback_that_cannot_be_called_is_refused(partner: Partner, url: Any) -> None:
    answer = partner.create("builtin-speech", BUILTIN, callBackUrl=url)
    assert answer["code"] == 422
    assert "callBackUrl" in answer["msg"]


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "[" * 5000, '{"model": NaN}'])
def test_a_body_that_is_not_an_object_is_code_422(partner: Partner, body: str) -> None:
    answer = partner.http.post(
        "/api/v1/jobs/createTask", data=body, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (200, 422)


def test_the_limit_of_a_plan_is_code_429_and_says_when_to_return(live: Live) -> None:
    plans.put_on_plan(live[0].user, "free")
    partner = Partner(live[1])
    answers = [partner.http.get("/api/v1/chat/credit") for _ in range(20)]
    refused = [answer for answer in answers if answer.json()["code"] == 429]
    assert refused
    assert refused[0].status_code == 429
    assert int(refused[0]["Retry-After"]) >= 1


def test_another_method_is_answered_in_the_envelope(live: Live) -> None:
    for path in ("/api/v1/jobs/createTask", "/api/file-stream-upload"):
        answer = Client().get(path)
        assert (answer.status_code, answer.json()["code"]) == (405, 404)
