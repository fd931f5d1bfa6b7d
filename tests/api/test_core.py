"""What all dialects stand on: keys, limits, orders, replays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone

from jobs import lifecycle
from jobs.models import Job
from speechsite.accounts import keys, plans
from speechsite.accounts.models import ApiKey, User
from speechsite.api import auth, errors, limits, ordering
from speechsite.api.auth import Caller
from speechsite.credits.models import Wallet

Live = tuple[Caller, str]


def order(caller: Caller, text: str = "Hello.", **more: Any) -> Job:
    return ordering.speech(caller, model_name="builtin-speech", voice_id="en-us", text=text, **more)


def call(secret: str, scope: str = "models:read", address: str = "192.0.2.7") -> Caller:
    return auth.caller_of_secret(secret, address, scope=scope)


def test_a_key_is_read_from_either_header(live: Live) -> None:
    for header in ({"xi-api-key": live[1]}, {"Authorization": f"Bearer {live[1]}"}):
        request = RequestFactory().get("/", headers=header)
        assert auth.caller_of(request, scope="models:read").user == live[0].user


@pytest.mark.parametrize("secret", ["", "nonsense", "sps_live_" + "a" * 51, "é" * 60])
def test_a_wrong_key_is_refused(live: Live, secret: str) -> None:
    with pytest.raises(errors.ApiError) as refused:
        call(secret)
    assert refused.value.status == 401


def test_a_revoked_key_ends_at_once(live: Live) -> None:
    keys.revoke(live[0].key)
    with pytest.raises(errors.KeyRevoked):
        call(live[1])


def test_an_expired_key_says_so(live: Live) -> None:
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(errors.KeyExpired):
        call(live[1])


def test_a_scope_that_a_key_lacks_is_denied(live: Live) -> None:
    ApiKey.objects.update(scopes=["models:read"])
    assert call(live[1]).scopes == {"models:read"}
    with pytest.raises(errors.ScopeDenied):
        call(live[1], scope="generations:create")


def test_a_key_works_only_from_its_addresses(ada: User) -> None:
    _, secret = keys.issue_key(ada, ip_allow=["192.0.2.0/24", "2001:db8::1"])
    assert call(secret)
    assert call(secret, address="2001:db8::1")
    for address in ("198.51.100.1", "", "junk"):
        with pytest.raises(errors.AddressDenied):
            call(secret, address=address)


def test_a_rotated_key_works_on_beside_the_new_one(live: Live) -> None:
    fresh, secret = keys.rotate(live[0].key)
    assert call(secret).key == fresh
    assert call(live[1])
    ApiKey.objects.filter(pk=live[0].key.pk).update(expires_at=timezone.now())
    with pytest.raises(errors.KeyExpired):
        call(live[1])


def test_the_plan_limits_requests_per_second(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    plans.put_on_plan(live[0].user, "free")
    monkeypatch.setattr("speechsite.api.limits.time.time", lambda: 1_000_000.5)
    states = [limits.admit(live[0]) for _ in range(3)]
    assert [state.remaining for state in states] == [2, 1, 0]
    with pytest.raises(errors.RateLimited) as refused:
        limits.admit(live[0])
    assert refused.value.limit == "plan_requests_per_second"


def test_the_plan_limits_jobs_at_once(live: Live) -> None:
    plans.put_on_plan(live[0].user, "free")
    jobs = [order(live[0]) for _ in range(2)]
    with pytest.raises(errors.ConcurrencyLimited):
        order(live[0])
    lifecycle.cancel(jobs[0])
    assert order(live[0])


def test_a_cap_names_itself_and_holds_nothing(live: Live) -> None:
    ApiKey.objects.update(daily_cap=10)
    caller = call(live[1])
    order(caller, "12345678")
    with pytest.raises(errors.CapReached) as refused:
        order(caller, "12345678")
    error = refused.value
    assert (error.limit, error.needed, error.available) == ("key_daily_cap", 8, 2)
    assert error.resets_at is not None
    assert Wallet.objects.get(user=caller.user).held == 8


def test_what_was_given_back_does_not_count_against_a_cap(live: Live) -> None:
    ApiKey.objects.update(total_cap=10)
    caller = call(live[1])
    lifecycle.cancel(order(caller, "12345678"))
    assert order(caller, "12345678")


def test_too_few_credits_say_what_is_needed(live: Live) -> None:
    with pytest.raises(errors.NotEnoughCredits) as refused:
        order(live[0], "a" * 100_001)
    error = refused.value
    assert (error.limit, error.needed, error.available) == ("account_balance", 100_001, 100_000)


@pytest.mark.parametrize(
    ("model", "voice", "code"),
    [("nonsense", "en-us", "model_not_found"), ("builtin-speech", "nobody", "voice_not_found")],
)
def test_what_does_not_exist_is_not_found(live: Live, model: str, voice: str, code: str) -> None:
    with pytest.raises(errors.NotFound) as refused:
        ordering.speech(live[0], model_name=model, voice_id=voice, text="Hello.")
    assert refused.value.code == code


def test_a_test_key_speaks_with_any_name_and_costs_nothing(trial: Live) -> None:
    job = ordering.speech(
        trial[0],
        model_name="eleven_multilingual_v2",
        voice_id="JBFqnCBsd6RMkjVDRZzb",
        text="Hello.",
        voice_settings={"stability": 0.5},
    )
    assert (job.is_test, job.quoted, job.model.slug) == (True, 0, "builtin-speech")
    assert job.asked == {"model": "eleven_multilingual_v2", "voice": "JBFqnCBsd6RMkjVDRZzb"}


def test_the_same_key_and_body_is_one_job(live: Live) -> None:
    first = order(live[0], idempotency_key="k", request_body={"a": 1, "b": 2})
    second = order(live[0], idempotency_key="k", request_body={"b": 2, "a": 1})
    assert (first.pk, first.is_replay, second.is_replay) == (second.pk, False, True)


def test_the_same_key_with_another_body_is_a_conflict(live: Live) -> None:
    order(live[0], idempotency_key="k", request_body={"a": 1})
    with pytest.raises(errors.Conflict):
        order(live[0], idempotency_key="k", request_body={"a": 2})
