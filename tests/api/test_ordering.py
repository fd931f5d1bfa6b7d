"""Orders of partners: odd names and numbers, replays, limits, and many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone

from jobs.models import Job
from speechsite.accounts import keys, plans
from speechsite.accounts.models import ApiKey, User
from speechsite.api import auth, errors, idempotency, limits, ordering
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs.wire import famous
from speechsite.credits import ledger, prices
from speechsite.credits.models import LedgerEntry, Wallet
from speechsite.upstreams.models import Offer
from tests.credits.test_races import ON_POSTGRESQL, crowd
from voices import known, library
from voices.models import Voice

Live = tuple[Caller, str]
TURBO, LIAM = "elevenlabs-turbo-2-5", "TX3LPaxmHKxFdv7VOQHJ"
NONSENSE = [-99, 2**31, 2**63, 10**18, 10**400, float("nan"), float("inf"), "1e9", True, [], {}]
UNSTORABLE = ["a\0b", "a\ud800b", "\x1b[31m", "line\nline"]


def order(caller: Caller, **changes: Any) -> Job:
    usual = {"model_name": "builtin-speech", "voice_id": "en-us", "text": "Hello."}
    return ordering.speech(caller, **{**usual, **changes})


def untouched(user: User) -> bool:
    wallet = Wallet.objects.get(user=user)
    return not Job.objects.exists() and (wallet.available, wallet.held) == (100_000, 0)


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
@pytest.mark.parametrize("setting", ["speed", "pitch"])
def test_numbers_that_are_none_are_refused(live: Live, setting: str, value: Any) -> None:
    with pytest.raises(errors.Invalid):
        order(live[0], voice_settings={setting: value})
    assert untouched(live[0].user)


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
def test_a_test_key_is_held_to_the_bounds_of_the_model_it_names(trial: Live, value: Any) -> None:
    with pytest.raises(errors.Invalid) as refused:
        order(trial[0], model_name=TURBO, voice_id=LIAM, voice_settings={"stability": value})
    assert refused.value.code == "invalid_voice_settings"
    assert untouched(trial[0].user)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model_name": "eleven_multilingual_v22"}, "model_not_found"),
        ({"model_name": "elevenlabs-audio-isolation"}, "model_not_found"),
        ({"model_name": ""}, None),
        ({"voice_id": "nobody"}, "voice_not_found"),
        ({"voice_id": ""}, "voice_not_found"),
        ({"model_name": TURBO}, "unsupported_model"),
        ({"voice_id": LIAM}, "unsupported_model"),
        ({"model_name": "speech-2.8-hd", "voice_id": LIAM}, "unsupported_model"),
        ({"output_format": "gold"}, "invalid_output_format"),
        ({"text": "a" * 30}, "text_too_long"),
        ({"voice_settings": {"emotion": "calm"}}, "invalid_voice_settings"),
        ({"model_name": TURBO, "voice_id": LIAM}, None),
        ({"model_name": "speech-2.8-hd", "voice_id": "English_Graceful_Lady"}, None),
        ({"model_name": "elevenlabs/text-to-speech-turbo-2-5", "voice_id": LIAM}, None),
    ],
    ids=str,
)
def test_a_test_key_is_refused_what_a_live_key_would_be(
    trial: Live, settings: Any, changes: dict[str, Any], code: str | None
) -> None:
    settings.MAX_TEXT = 20
    if code is None:
        assert order(trial[0], **changes).is_test
        return
    with pytest.raises(errors.ApiError) as refused:
        order(trial[0], **changes)
    assert refused.value.code == code
    assert untouched(trial[0].user)


def test_no_turn_of_a_test_dialogue_may_have_a_voice_that_nobody_knows(trial: Live) -> None:
    lines = [(LIAM, "Hello."), ("nobody", "Hello?")]
    with pytest.raises(errors.NotFound) as refused:
        ordering.dialogue(trial[0], model_name="elevenlabs-dialogue-v3", lines=lines)
    assert refused.value.code == "voice_not_found"
    lines[1] = ("en-us", "Hello?")
    with pytest.raises(errors.Invalid) as mixed:
        ordering.dialogue(trial[0], model_name="elevenlabs-dialogue-v3", lines=lines)
    assert mixed.value.code == "unsupported_model"


def test_the_examples_of_elevenlabs_are_voices_that_test_keys_may_name() -> None:
    assert {one.id for one in famous.VOICES} <= {one.external_id for one in known.voices()}


def test_a_test_key_speaks_with_what_the_engine_knows(trial: Live) -> None:
    given = {"stability": 0.4, "speed": 1.1}
    job = order(trial[0], model_name=TURBO, voice_id=LIAM, voice_settings=given)
    assert job.voice_settings == {"speed": 1.1}


@pytest.mark.parametrize("name", UNSTORABLE, ids=ascii)
@pytest.mark.parametrize("is_test", [False, True])
def test_names_that_cannot_be_stored_name_nothing(
    live: Live, trial: Live, name: str, is_test: bool
) -> None:
    caller = (trial if is_test else live)[0]
    with pytest.raises(errors.NotFound):
        order(caller, voice_id=name)
    with pytest.raises(errors.NotFound):
        order(caller, model_name=name)
    assert untouched(caller.user)


@pytest.mark.parametrize("name", UNSTORABLE, ids=ascii)
def test_an_order_keeps_only_what_can_be_stored(trial: Live, name: str) -> None:
    job = order(trial[0], reference=name, title=name)
    job.refresh_from_db()
    assert all(value.isprintable() for value in (*job.asked.values(), job.title))


def test_a_live_order_for_what_nobody_sells_is_refused(live: Live) -> None:
    Voice.objects.create(family="elevenlabs", external_id=LIAM, name="Liam")
    with pytest.raises(errors.NotFound) as refused:
        order(live[0], model_name=TURBO, voice_id=LIAM)
    assert refused.value.code == "model_not_found"
    Offer.objects.filter(model="builtin-speech").update(is_enabled=False)
    with pytest.raises(errors.NotFound):
        order(live[0])
    assert untouched(live[0].user)


def test_a_voice_of_somebody_else_does_not_exist(live: Live, ben: User) -> None:
    Voice.objects.create(family="builtin", external_id="bens", name="Ben's", owner=ben)
    with pytest.raises(errors.NotFound):
        order(live[0], voice_id="bens")


def test_a_text_that_is_too_long_names_the_limit(live: Live, settings: Any) -> None:
    settings.MAX_TEXT = 10
    with pytest.raises(errors.Invalid) as refused:
        order(live[0], text="a" * 11)
    assert (refused.value.code, refused.value.limit) == ("text_too_long", "characters_per_job")
    plan = plans.put_on_plan(live[0].user, "pro")
    plan.characters_per_job = 5
    plan.save()
    with pytest.raises(errors.Invalid) as refused:
        order(live[0], text="a" * 6)
    assert refused.value.limit == "plan_characters_per_job"
    assert untouched(live[0].user)


def test_a_replay_outlives_its_voice_its_model_and_its_credits(live: Live) -> None:
    first = order(live[0], idempotency_key="k")
    Voice.objects.update(retired_at=timezone.now())
    Offer.objects.update(is_enabled=False)
    wallet = Wallet.objects.get(user=live[0].user)
    ledger.adjust(wallet, -wallet.available, key="x", reason="gone", actor=live[0].user)
    again = order(live[0], idempotency_key="k")
    assert (again.pk, again.is_replay) == (first.pk, True)


def test_keys_of_test_and_live_orders_never_meet(live: Live) -> None:
    key, _ = keys.issue_key(live[0].user, mode=ApiKey.Mode.TEST)
    first = order(live[0], idempotency_key="k")
    second = order(Caller(live[0].user, key), idempotency_key="k")
    assert first.pk != second.pk


def test_accounts_may_use_the_same_idempotency_key(live: Live, ben: User) -> None:
    key, _ = keys.issue_key(ben)
    ben.plan = live[0].user.plan
    assert order(live[0], idempotency_key="k").pk != order(Caller(ben, key), idempotency_key="k").pk


@pytest.mark.parametrize("length", [1, 255])
def test_an_idempotency_key_may_be_long(live: Live, length: int) -> None:
    request = RequestFactory().post("/", headers={"Idempotency-Key": "k" * length})
    key = idempotency.key_of(request)
    assert order(live[0], idempotency_key=key).pk == order(live[0], idempotency_key=key).pk


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb"])
def test_what_is_no_idempotency_key_is_refused(key: str) -> None:
    with pytest.raises(errors.Invalid):
        idempotency.key_of(RequestFactory().post("/", headers={"Idempotency-Key": key}))


@pytest.mark.parametrize("body", [{"text": "\ud800"}, {"n": 10**400}, "\0", None, [[]]])
def test_any_body_has_a_digest(body: Any) -> None:
    assert idempotency.digest(body) == idempotency.digest(body)


def test_both_keys_of_a_rotation_share_their_caps(live: Live) -> None:
    ApiKey.objects.update(daily_cap=10)
    old = auth.caller_of_secret(live[1], "", scope="generations:create")
    _, secret = keys.rotate(old.key)
    fresh = auth.caller_of_secret(secret, "", scope="generations:create")
    order(fresh, text="12345678")
    with pytest.raises(errors.CapReached):
        order(fresh, text="12345678")


def test_a_cap_of_nothing_allows_nothing(live: Live) -> None:
    ApiKey.objects.update(total_cap=0)
    with pytest.raises(errors.CapReached) as refused:
        order(auth.caller_of_secret(live[1], "", scope="generations:create"))
    assert refused.value.limit == "key_total_cap"
    assert untouched(live[0].user)


def test_the_allowed_addresses_are_read_behind_a_proxy(ada: User, settings: Any) -> None:
    _, secret = keys.issue_key(ada, ip_allow=["192.0.2.7"])
    headers = {"xi-api-key": secret, "X-Forwarded-For": "198.51.100.1, 192.0.2.7"}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="10.0.0.1")
    with pytest.raises(errors.AddressDenied):
        auth.caller_of(request, scope="models:read")
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert auth.caller_of(request, scope="models:read").user == ada


def test_what_a_client_writes_before_the_proxy_does_not_count(ada: User, settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    _, secret = keys.issue_key(ada, ip_allow=["192.0.2.7"])
    headers = {"xi-api-key": secret, "X-Forwarded-For": "192.0.2.7, 198.51.100.1"}
    with pytest.raises(errors.AddressDenied):
        auth.caller_of(RequestFactory().get("/", headers=headers), scope="models:read")


def test_an_address_is_the_same_on_a_socket_for_both_families(ada: User) -> None:
    _, secret = keys.issue_key(ada, ip_allow=["192.0.2.0/24"])
    assert auth.caller_of_secret(secret, "::ffff:192.0.2.7", scope="models:read")


def test_a_key_is_found_with_one_query(live: Live, django_assert_num_queries: Any) -> None:
    auth.caller_of_secret(live[1], "", scope="models:read")
    with django_assert_num_queries(1):
        limits.admit(auth.caller_of_secret(live[1], "", scope="models:read"))


# --- many at once ----------------------------------------------------------------------------


@pytest.fixture
def walter(transactional_db: None) -> Caller:
    """Somebody whose rows are committed, on a plan without limits, with 100 credits."""
    library.load()
    prices.load_default_prices()
    user = User.objects.create_user("walter@example.com")
    plans.Plan.objects.get_or_create(slug="enterprise", defaults={"name": "Enterprise"})
    plans.put_on_plan(user, "enterprise")
    wallet = Wallet.objects.create(user=user)
    ledger.grant(wallet, 100_000, key="funds")
    return Caller(user, keys.issue_key(user)[0])


def sent_at_once(caller: Caller, times: int, call: Callable[[int], dict[str, Any]]) -> list[Any]:
    def send(number: int) -> Callable[[], Job]:
        # Every request finds its own caller.
        own = Caller(User.objects.select_related("plan").get(pk=caller.user.pk), caller.key)
        return lambda: order(own, **call(number))

    return crowd([send(number) for number in range(times)])


def same_key(caller: Caller, times: int) -> None:
    jobs = sent_at_once(caller, times, lambda _: {"idempotency_key": "k", "request_body": 1})
    assert {getattr(job, "pk", job) for job in jobs} == {Job.objects.get().pk}
    assert Counter(job.is_replay for job in jobs) == {False: 1, True: times - 1}
    assert LedgerEntry.objects.filter(kind="hold").count() == 1


def same_key_for_two_bodies(caller: Caller, times: int) -> None:
    answers = sent_at_once(
        caller, times, lambda number: {"idempotency_key": "k", "request_body": number % 2}
    )
    assert Job.objects.count() == 1
    assert {type(answer) for answer in answers} == {Job, errors.Conflict}


def caps_hold(caller: Caller, times: int) -> None:
    ApiKey.objects.update(total_cap=6 * 5)
    caller.key.refresh_from_db()
    answers = Counter(type(answer) for answer in sent_at_once(caller, times, lambda _: {}))
    assert answers == {Job: 5, errors.CapReached: times - 5}
    assert Wallet.objects.get().held == 30


def jobs_at_once_hold(caller: Caller, times: int) -> None:
    plan = plans.plan_of(caller.user)
    plan.concurrent_jobs = 3
    plan.save()
    answers = Counter(type(answer) for answer in sent_at_once(caller, times, lambda _: {}))
    assert answers == {Job: 3, errors.ConcurrencyLimited: times - 3}


RACES = [same_key, same_key_for_two_bodies, caps_hold, jobs_at_once_hold]


@pytest.mark.postgres
@ON_POSTGRESQL
@pytest.mark.parametrize("race", RACES)
def test_a_hundred_orders_at_once(walter: Caller, race: Callable[[Caller, int], None]) -> None:
    race(walter, 100)


@pytest.mark.parametrize("race", RACES)
def test_a_few_orders_at_once(walter: Caller, race: Callable[[Caller, int], None]) -> None:
    race(walter, 12)


@pytest.mark.parametrize("mark", ["<#60#>", "[pause:60s]", '<break time="99s"/>'])
def test_pauses_do_not_make_days_of_silence_from_a_page(live: Live, mark: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        order(live[0], text=f"a{mark}" * 31)
    assert refused.value.code == "pauses_too_long"
    assert untouched(live[0].user)
    assert order(live[0], text=f"a{mark}" * 30).pk


def test_a_dialogue_of_very_many_lines_is_refused_before_its_voices_are_looked_up(
    live: Live, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    lines = [(f"voice-{number}", "a") for number in range(1001)]
    with django_assert_max_num_queries(1), pytest.raises(errors.Invalid) as refused:
        ordering.dialogue(live[0], model_name="builtin-speech", lines=lines)
    assert refused.value.code == "too_many_lines"
