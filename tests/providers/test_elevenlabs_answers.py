"""What ElevenLabs' answers mean: words for trouble, limits, broken streams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from speechsite.providers import errors
from speechsite.providers.elevenlabs import ElevenLabs
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.upstream import Fault
from tests.providers.elevenlabs_talk import (
    ORDER,
    WIRE,
    Wired,
    heard,
    message,
    refusal,
    spoken,
    using,
)

# Refusals


ERRORS = [
    ("error_invalid_key.json", errors.BadCredentials, "unauthorized"),
    ("error_no_key.json", errors.BadCredentials, "missing_api_key"),
    ("error_bearer_key.json", errors.BadCredentials, "invalid_authorization_header"),
    ("error_missing_permission.json", errors.BadCredentials, "missing_permissions"),
    ("error_unusual_activity.json", errors.BadCredentials, "detected_unusual_activity"),
    ("error_quota_legacy_401.json", errors.AccountEmpty, "quota_exceeded"),
    ("error_quota_as_authentication_error.json", errors.AccountEmpty, "unauthorized"),
    ("error_quota_402.json", errors.AccountEmpty, "insufficient_credits"),
    ("error_too_many_at_once.json", errors.RateLimited, "concurrent_limit_exceeded"),
    ("error_too_many_at_once_legacy.json", errors.RateLimited, "too_many_concurrent_requests"),
    ("error_rate_limit.json", errors.RateLimited, "rate_limit_exceeded"),
    ("error_system_busy.json", errors.Unavailable, "system_busy"),
    ("error_system_busy_legacy.json", errors.Unavailable, "system_busy"),
    ("error_maintenance.json", errors.Unavailable, "maintenance"),
    ("error_voice_not_found.json", errors.Rejected, "voice_not_found"),
    ("error_voice_does_not_exist_legacy.json", errors.Rejected, "voice_does_not_exist"),
    ("error_text_too_long.json", errors.Rejected, "text_too_long"),
    ("error_plan_too_small.json", errors.Unsupported, "only_for_creator+"),
    ("error_model_denied.json", errors.Unsupported, "model_access_denied"),
    ("error_forbidden.json", errors.Rejected, "forbidden"),
    ("error_content.json", errors.Moderated, "content_violation"),
    ("error_schema.json", errors.Rejected, "less_than_equal"),
    ("error_malformed_json.json", errors.Rejected, "json_invalid"),
]


@pytest.mark.parametrize(("name", "kind", "word"), ERRORS)
def test_a_documented_refusal_has_one_meaning(
    name: str, kind: type[errors.ProviderError], word: str
):
    with pytest.raises(errors.ProviderError) as caught:
        spoken(Wired(refusal(name)))
    assert type(caught.value) is kind
    assert caught.value.vendor_code == word
    assert caught.value.status == message(name)["status"]


def test_every_documented_refusal_is_tested():
    assert {name for name, _, _ in ERRORS} == {path.name for path in WIRE.glob("error_*")}


def test_a_new_word_goes_by_its_status_and_is_kept():
    detail = {"type": "conflict_error", "code": "already_sung", "message": "Once is enough."}
    with pytest.raises(errors.Rejected, match="Once is enough") as caught:
        spoken(Wired(httpx.Response(409, json={"detail": detail})))
    assert caught.value.vendor_code == "already_sung"


def test_a_schema_error_names_the_field():
    with pytest.raises(errors.Rejected, match=r"voice_settings\.stability: Input should be"):
        spoken(Wired(refusal("error_schema.json")))


def test_a_rate_limit_says_when_to_come_back():
    with pytest.raises(errors.RateLimited) as caught:
        spoken(Wired(refusal("error_rate_limit.json")))
    assert caught.value.retry_after == 3


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"detail": "Not here"}', b'{"a": 1}'])
def test_a_refusal_without_words_goes_by_its_status(body: bytes):
    with pytest.raises(errors.RateLimited):
        spoken(Wired(httpx.Response(429, content=body)))


def test_a_server_error_is_a_refusal_after_an_order_and_after_a_question():
    body = {"detail": {"type": "internal_error", "code": "internal_error", "message": "oh"}}
    with pytest.raises(errors.Unavailable):
        spoken(Wired(httpx.Response(500, json=body)))
    with pytest.raises(errors.Unavailable):
        using(Wired(httpx.Response(500, json=body)), lambda api: api.balance())


def test_the_limit_on_parallel_requests_is_remembered_from_answers_and_refusals():
    async def told(api: ElevenLabs) -> list[Any]:
        seen: list[Any] = [api.concurrency]
        await heard(api.speak(ORDER))
        seen.append(api.concurrency)
        fake.maximum_concurrent, fake.fault = 3, Fault.RATE_LIMIT
        with pytest.raises(errors.RateLimited):
            await heard(api.speak(ORDER))
        return [*seen, api.concurrency]

    fake = FakeElevenLabs()
    assert using(fake, told) == [None, (1, 10), (1, 3)]


@pytest.mark.parametrize("current", ["", "many", "-1", "9" * 40])
def test_an_absurd_limit_is_not_remembered(current: str):
    headers = {"current-concurrent-requests": current, "maximum-concurrent-requests": "5"}
    host = Wired(httpx.Response(200, headers=headers, json=message("subscription.json")))

    async def told(api: ElevenLabs) -> Any:
        await api.balance()
        return api.concurrency

    assert using(host, told) is None


@pytest.mark.parametrize("word", ["rate_limit_exceeded", "too_many_concurrent_requests"])
def test_the_accounts_own_429_is_a_rate_limit(word: str):
    with pytest.raises(errors.RateLimited):
        spoken(FakeElevenLabs(fault=Fault.RATE_LIMIT, rate_word=word))


def test_the_services_429_is_an_outage():
    fake = FakeElevenLabs(fault=Fault.RATE_LIMIT, rate_word="system_busy")
    with pytest.raises(errors.Unavailable) as caught:
        spoken(fake)
    assert caught.value.retryable
    assert fake.accepted == 0


@pytest.mark.parametrize("status", [401, 402])
def test_an_empty_quota_is_not_a_bad_key(status: int):
    with pytest.raises(errors.AccountEmpty):
        spoken(FakeElevenLabs(fault=Fault.NO_FUNDS, funds_status=status))


@pytest.mark.parametrize("with_times", [True, False])
def test_a_stream_that_breaks_off_is_unclear(with_times: bool):
    fake = FakeElevenLabs(fault=Fault.AUDIO_TRUNCATED)
    with pytest.raises(errors.Unclear):
        spoken(fake, replace(ORDER, with_times=with_times))
    assert fake.accepted == 1


def test_half_a_line_at_a_clean_end_is_unclear():
    whole = (WIRE / "stream_with_timestamps.ndjson").read_bytes()
    with pytest.raises(errors.Unclear):
        spoken(Wired(httpx.Response(200, content=whole[:-200])))


@pytest.mark.parametrize("with_times", [True, False])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<!DOCTYPE html>"),
        ("audio/mpeg", b"<html><body>Sign in"),
        ("audio/mpeg", b""),
        ("application/json", b'"hello"'),
        ("application/json", b"[1, 2]"),
        ("application/json", b""),
        ("application/json", b'{"audio_base64": "%%%"}\n'),
        ("application/json", b'{"audio_base64": 7}\n'),
        ("application/json", b'{"audio_base64": ""}\n'),
    ],
)
def test_what_is_not_sound_is_garbled(with_times: bool, kind: str, body: bytes):
    host = Wired(httpx.Response(200, headers={"content-type": kind}, content=body))
    with pytest.raises(errors.Garbled):
        spoken(host, replace(ORDER, with_times=with_times))


def test_a_complaint_in_place_of_a_line_is_a_failed_task():
    with pytest.raises(errors.TaskFailed):
        spoken(FakeElevenLabs(fault=Fault.TASK_FAILS))


@pytest.mark.parametrize("cost", ["-5", "9" * 30, "nan", "", "many"])
def test_an_absurd_cost_is_no_cost(cost: str):
    headers = {"content-type": "audio/mpeg", "character-cost": cost}
    host = Wired(httpx.Response(200, headers=headers, content=b"\xff\xfbsound"))
    assert [c.cost for c in spoken(host, replace(ORDER, with_times=False))] == [None]
