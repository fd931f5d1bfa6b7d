"""What is refused: by which code, with which figures, and always for free."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone

from jobs.models import Job
from speechsite.accounts import keys, plans
from speechsite.accounts.models import ApiKey
from speechsite.api.auth import SCOPES, Caller
from speechsite.credits.models import LedgerEntry, Wallet
from tests.api.native.talk import FILES, GENERATIONS, SPEECH, Partner, speech
from voices.models import SpeechModel, Voice

Given = tuple[Caller, str]
TASK = f"{GENERATIONS}/task_{'0' * 32}"
FILE = f"{FILES}/file_{'0' * 32}"
ENDPOINTS = [
    ("get", GENERATIONS, "generations:read"),
    ("post", GENERATIONS, "generations:create"),
    ("get", TASK, "generations:read"),
    ("delete", TASK, "generations:create"),
    ("post", f"{TASK}/cancel", "generations:create"),
    ("post", f"{TASK}/retry", "generations:create"),
    ("post", FILES, "files:create"),
    ("get", FILE, "files:read"),
    ("delete", FILE, "files:create"),
    ("get", "/api/v1/credits", "credits:read"),
    ("get", "/api/v1/credits/ledger", "credits:read"),
    ("get", "/api/v1/voices", "voices:read"),
    ("get", "/api/v1/usage", "credits:read"),
]


def refusal(answer: Any) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["message"]
    assert error["requestId"] == answer["X-Request-ID"]
    return answer.status_code, error["code"]


@pytest.mark.parametrize(("method", "path", "scope"), ENDPOINTS)
def test_nobody_gets_in_without_a_key(db: None, method: str, path: str, scope: str) -> None:
    assert refusal(getattr(Client(), method)(path)) == (401, "api_key_missing")
    assert refusal(getattr(Partner("sps_live_wrong"), method)(path)) == (401, "api_key_invalid")


@pytest.mark.parametrize(("method", "path", "scope"), ENDPOINTS)
def test_a_key_needs_the_scope(live: Given, method: str, path: str, scope: str) -> None:
    ApiKey.objects.update(scopes=[one for one in SCOPES if one != scope])
    answer = getattr(Partner(live[1]), method)(path)
    assert refusal(answer) == (403, "api_scope_denied")
    assert scope in answer.json()["error"]["message"]


def test_a_key_that_ended_says_how(live: Given) -> None:
    partner = Partner(live[1])
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert refusal(partner.get(GENERATIONS)) == (401, "api_key_expired")
    keys.revoke(live[0].key)
    assert refusal(partner.get(GENERATIONS)) == (401, "api_key_revoked")


@pytest.mark.parametrize("path", [GENERATIONS, TASK, "/api/v1/credits", "/api/v1/models"])
def test_a_method_that_is_not_served_says_so(partner: Partner, path: str) -> None:
    assert refusal(partner.put(path)) == (405, "method_not_allowed")
    assert refusal(partner.options(path)) == (405, "method_not_allowed")


def test_no_accept_header_gets_a_page(partner: Partner) -> None:
    answer = partner.get(GENERATIONS, headers={"accept": "text/html"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


BODIES = [
    "",
    "{",
    "[]",
    "null",
    '"text"',
    "7",
    '{"model": NaN}',
    '{"model": 1' + "0" * 5000 + "}",
    "[" * 50_000,
    "\x80",
    '{"model": "builtin-speech", "prompt": "\\ud800", "params": {"voice": "en-us"}}',
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_body_must_be_an_object_in_json(partner: Partner, wallet: Wallet, body: str) -> None:
    content = body.encode("latin-1")
    answer = partner.post(GENERATIONS, content, content_type="application/json")
    assert refusal(answer) == (400, "validation_failed")
    assert nothing_was_held(wallet)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"prompt": "Hi", "params": {"voice": "en-us"}}, "model"),
    ({**SPEECH, "model": 7}, "model"),
    ({**SPEECH, "model": None}, "model"),
    ({**SPEECH, "model": "nobodys-model"}, "model"),
    ({**SPEECH, "model": "x" * 1000}, "model"),
    ({**SPEECH, "prompt": ""}, "prompt"),
    ({**SPEECH, "prompt": " \n"}, "prompt"),
    ({**SPEECH, "prompt": 7}, "prompt"),
    ({**SPEECH, "prompt": ["Hi"]}, "prompt"),
    ({**SPEECH, "prompt": "a\0b"}, "prompt"),
    ({**SPEECH, "params": []}, "params"),
    ({**SPEECH, "params": "voice"}, "params"),
    ({**SPEECH, "params": {}}, "params.voice"),
    ({**SPEECH, "client_request_id": "x" * 129}, "client_request_id"),
    ({**SPEECH, "client_request_id": 7}, "client_request_id"),
    (speech(voice="nobody"), "params.voice"),
    (speech(voice=7), "params.voice"),
    (speech(voice=""), "params.voice"),
    (speech(speed=True), "params.speed"),
    (speech(speed="1"), "params.speed"),
    (speech(speed=0.49), "params.speed"),
    (speech(speed=10**400), "params.speed"),
    (speech(speed={}), "params.speed"),
    (speech(stability=1.01), "params.stability"),
    (speech(stability="high"), "params.stability"),
    (speech(stability=0.5), "params"),
    (speech(style=-0.01), "params.style"),
    (speech(similarity_boost=[]), "params.similarity_boost"),
    (speech(pitch=0.5), "params.pitch"),
    (speech(pitch=13), "params.pitch"),
    (speech(pitch=10**30), "params.pitch"),
    (speech(timestamps="yes"), "params.timestamps"),
    (speech(timestamps=1), "params.timestamps"),
    (speech(timestamps=[]), "params.timestamps"),
    (speech(speaker_boost="true"), "params.speaker_boost"),
    (speech(emotion="hungry"), "params.emotion"),
    (speech(output_format="mp3"), "params.output_format"),
    (speech(previous_text=7), "params.previous_text"),
    (speech(language_code="x" * 36), "params.language_code"),
    (speech(seed=-1), "params.seed"),
    (speech(seed=2**32), "params.seed"),
    (speech(stabilty=0.5), "params.stabilty"),
    (speech(file_id="file_1"), "params.file_id"),
    ({"model": "builtin-speech", "params": {"dialogue": []}}, "params.dialogue"),
    ({"model": "builtin-speech", "params": {"dialogue": "Hi"}}, "params.dialogue"),
    ({"model": "builtin-speech", "params": {"dialogue": ["Hi"]}}, "params.dialogue.0"),
    (
        {"model": "builtin-speech", "params": {"dialogue": [{"text": "Hi"}]}},
        "params.dialogue.0.voice",
    ),
    (
        {"model": "builtin-speech", "params": {"dialogue": [{"voice": "en-us"}]}},
        "params.dialogue.0.text",
    ),
    ({"model": "builtin-cleaning", "params": {}}, "params.file_id"),
    ({"model": "builtin-cleaning", "params": {"voice": "en-us"}}, "params.voice"),
    (
        {
            "model": "builtin-cleaning",
            "params": {"referenceMediaItems": [{"url": "ftp://example.com/a", "kind": "audio"}]},
        },
        "params.referenceMediaItems.0.url",
    ),
    (
        {
            "model": "builtin-cleaning",
            "params": {"referenceMediaItems": [{"url": "http://127.0.0.1/a", "kind": "audio"}]},
        },
        "params.referenceMediaItems.0.url",
    ),
    (
        {
            "model": "builtin-cleaning",
            "params": {"referenceMediaItems": [{"url": "http://[", "kind": "video"}]},
        },
        "params.referenceMediaItems.0.kind",
    ),
]


@pytest.mark.parametrize(("body", "field"), BAD, ids=range(len(BAD)))
def test_bad_input_names_its_field(
    partner: Partner, wallet: Wallet, body: dict[str, Any], field: str
) -> None:
    answer = partner.post(GENERATIONS, json.dumps(body), content_type="application/json")
    assert refusal(answer) == (400, "validation_failed"), answer.content
    assert answer.json()["error"]["field"] == field
    assert nothing_was_held(wallet)


def test_an_exact_reason_stands_beside_the_code(partner: Partner) -> None:
    error = partner.order({**SPEECH, "model": "nobodys-model"}).json()["error"]
    assert (error["reason"], error["field"]) == ("model_not_found", "model")


def test_too_few_credits_say_what_is_needed(partner: Partner, wallet: Wallet) -> None:
    answer = partner.order({**SPEECH, "prompt": "a" * 100_001})
    error = answer.json()["error"]
    assert refusal(answer) == (402, "insufficient_credits")
    assert (error["limit"], error["needed"], error["available"]) == (
        "account_balance",
        100.001,
        100,
    )
    assert nothing_was_held(wallet)


def test_too_long_a_text_names_the_limit(live: Given, partner: Partner, settings: Any) -> None:
    settings.MAX_TEXT = 20
    error = partner.order({**SPEECH, "prompt": "a" * 21}).json()["error"]
    assert (error["reason"], error["field"]) == ("text_too_long", "prompt")


def test_too_many_jobs_at_once_name_the_limit(live: Given, partner: Partner) -> None:
    plan = plans.plan_of(live[0].user)
    plan.concurrent_jobs = 1
    plan.save()
    partner.order()
    answer = partner.order()
    assert refusal(answer) == (429, "rate_limited")
    assert answer.json()["error"]["limit"] == "plan_concurrent_jobs"
    assert int(answer["Retry-After"]) >= 1
    assert Job.objects.count() == 1


def test_too_many_requests_say_when_to_come_back(live: Given, partner: Partner) -> None:
    plan = plans.plan_of(live[0].user)
    plan.requests_per_second = 1
    plan.save()
    answers = [partner.get("/api/v1/credits") for _ in range(5)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    error = refused.json()["error"]
    assert (error["code"], error["limit"]) == ("rate_limited", "plan_requests_per_second")
    assert error["resets_at"]
    assert (refused["X-RateLimit-Limit"], refused["X-RateLimit-Remaining"]) == ("1", "0")
    assert int(refused["Retry-After"]) >= 1


def test_a_cap_names_itself(live: Given, partner: Partner) -> None:
    ApiKey.objects.update(daily_cap=20)
    partner.order()
    answer = partner.order()
    error = answer.json()["error"]
    assert refusal(answer) == (429, "rate_limited")
    assert (error["reason"], error["limit"]) == ("cap_reached", "key_daily_cap")
    assert (error["needed"], error["available"]) == (0.012, 0.008)
    assert error["resets_at"].endswith("Z")


def nothing_was_held(wallet: Wallet) -> bool:
    wallet.refresh_from_db()
    held = LedgerEntry.objects.filter(kind="hold").exists()
    return (wallet.available, wallet.held, held) == (100_000, 0, False)


def test_welcome_credits_of_a_stranger_do_not_pay_a_provider(live: Given, partner: Partner) -> None:
    EmailAddress.objects.filter(user=live[0].user).update(verified=False)
    SpeechModel.objects.filter(slug="builtin-speech").update(family="elevenlabs")
    Voice.objects.filter(family="builtin").update(family="elevenlabs")
    answer = partner.order()
    assert answer.status_code == 402
    assert "Welcome credits" in answer.json()["error"]["message"]
    assert Job.objects.count() == 0
