"""What the ledger refuses, and that a refusal moves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry, Wallet

BRIM = 10**15
NOT_AMOUNTS = [
    -1,
    -(2**31),
    BRIM + 1,
    2**63,
    -(2**63),
    10**18,
    float("nan"),
    float("inf"),
    1.0,
    0.5,
    "1",
    "1e9",
    True,
    False,
    None,
    b"1",
]

Verb = Callable[[Wallet, User, Any], object]
JOB = uuid4()
VERBS: dict[str, Verb] = {
    "grant": lambda wallet, _, n: ledger.grant(wallet, n, key="abuse"),
    "adjust": lambda wallet, actor, n: ledger.adjust(
        wallet, n, key="abuse", reason="r", actor=actor
    ),
    "hold": lambda wallet, _, n: ledger.hold(wallet, n, key="abuse", job_id=uuid4()),
    "settle": lambda wallet, _, n: ledger.settle(wallet, job_id=JOB, captured=n),
    "refund": lambda wallet, actor, n: ledger.refund(
        wallet, n, key="abuse", job_id=JOB, reason="r", actor=actor
    ),
}
NEGATIVE_IS_FINE = {("adjust", -1), ("adjust", -(2**31))}
ABUSE = [
    pytest.param(verb, amount, id=f"{verb} {amount!r}")
    for verb in VERBS
    for amount in NOT_AMOUNTS
    if (verb, amount) not in NEGATIVE_IS_FINE
]
ZERO_IS_NOTHING = ["grant", "adjust", "refund"]


def state(wallet: Wallet) -> tuple[int, int, int]:
    wallet.refresh_from_db()
    return wallet.available, wallet.held, LedgerEntry.objects.count()


@pytest.mark.parametrize(("verb", "amount"), ABUSE)
def test_what_is_not_an_amount_moves_nothing(
    wallet: Wallet, ada: User, verb: str, amount: Any
) -> None:
    ledger.hold(wallet, 500, key="hold", job_id=JOB)
    before = state(wallet)
    with pytest.raises(ledger.BadAmount):
        VERBS[verb](wallet, ada, amount)
    assert state(wallet) == before
    ledger.settle(wallet, job_id=JOB, captured=0)


@pytest.mark.parametrize("verb", ZERO_IS_NOTHING)
def test_zero_is_not_worth_an_entry(wallet: Wallet, ada: User, verb: str) -> None:
    with pytest.raises(ledger.BadAmount):
        VERBS[verb](wallet, ada, 0)


@pytest.mark.parametrize("needed", [100_001, 2**31, BRIM])
def test_a_hold_beyond_the_wallet_says_both_figures(wallet: Wallet, needed: int) -> None:
    before = state(wallet)
    with pytest.raises(ledger.InsufficientCredits) as refusal:
        ledger.hold(wallet, needed, key="too much", job_id=uuid4())
    assert (refusal.value.needed, refusal.value.available) == (needed, 100_000)
    assert str(refusal.value) == f"{needed} millicredits are needed and 100000 are there"
    assert state(wallet) == before


@pytest.mark.parametrize(("needed", "available", "missing"), [(5, 3, 2), (5, 5, 0), (5, 9, 0)])
def test_nothing_is_missing_when_credits_came_in_meanwhile(
    needed: int, available: int, missing: int
) -> None:
    refusal = ledger.InsufficientCredits(needed=needed, available=available)
    assert refusal.missing == missing


def test_what_is_held_cannot_be_spent_or_taken_again(wallet: Wallet, ada: User) -> None:
    ledger.hold(wallet, 90_000, key="hold", job_id=uuid4())
    with pytest.raises(ledger.InsufficientCredits):
        ledger.hold(wallet, 10_001, key="more", job_id=uuid4())
    with pytest.raises(ledger.InsufficientCredits):
        ledger.adjust(wallet, -10_001, key="back", reason="r", actor=ada)


def test_a_pocket_never_runs_over(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_POCKET", 150_000)
    with pytest.raises(ledger.BadAmount):
        ledger.grant(wallet, 50_001, key="over")
    ledger.grant(wallet, 50_000, key="to the brim")
    ledger.hold(wallet, 1, key="what is full can be spent")


def test_a_wallet_out_of_date_decides_nothing(wallet: Wallet) -> None:
    stale = Wallet.objects.get(pk=wallet.pk)
    ledger.hold(wallet, 100_000, key="all", job_id=uuid4())
    stale.available = 10**9
    with pytest.raises(ledger.InsufficientCredits):
        ledger.hold(stale, 1, key="one more", job_id=uuid4())


@pytest.mark.parametrize("key", ["", "k" * 121, "a\0b", None, 7, "end:1", "rest:1"])
def test_a_bad_key_is_refused(wallet: Wallet, key: Any) -> None:
    with pytest.raises(ledger.BadEntry):
        ledger.grant(wallet, 1, key=key)


@pytest.mark.parametrize("reason", ["r" * 201, "a\0b"])
def test_a_reason_that_cannot_be_kept_is_refused(wallet: Wallet, reason: str) -> None:
    with pytest.raises(ledger.BadEntry):
        ledger.grant(wallet, 1, key="k", reason=reason)


@pytest.mark.parametrize("kind", ["refund", "hold", "capture", "", "gift"])
def test_only_grants_and_vouchers_give(wallet: Wallet, kind: str) -> None:
    with pytest.raises(ledger.BadEntry):
        ledger.grant(wallet, 1, key="k", kind=kind)


@pytest.mark.parametrize(("reason", "has_actor"), [("  ", True), ("a reason", False)])
def test_somebody_answers_for_what_is_given_back(
    wallet: Wallet, ada: User, reason: str, has_actor: bool
) -> None:
    actor: Any = ada if has_actor else None
    with pytest.raises(ledger.BadEntry):
        ledger.adjust(wallet, 1, key="k", reason=reason, actor=actor)
    with pytest.raises(ledger.BadEntry):
        ledger.refund(wallet, 1, key="k", job_id=uuid4(), reason=reason, actor=actor)


def test_a_key_again_returns_the_first_entry(wallet: Wallet) -> None:
    first = ledger.grant(wallet, 10, key="once")
    assert ledger.grant(wallet, 10, key="once") == first
    assert ledger.grant(wallet, 999, key="once") == first
    assert state(wallet)[0] == 100_010


def test_a_hold_again_returns_the_first_even_when_it_took_the_last(wallet: Wallet) -> None:
    job = uuid4()
    first = ledger.hold(wallet, 100_000, key="all", job_id=job)
    assert ledger.hold(wallet, 100_000, key="all", job_id=job) == first
    assert state(wallet)[:2] == (0, 100_000)


def test_a_key_names_one_kind_one_wallet_and_one_job(wallet: Wallet, ben: User) -> None:
    ledger.hold(wallet, 10, key="once", job_id=uuid4())
    with pytest.raises(ledger.KeyReused):
        ledger.grant(wallet, 10, key="once")
    with pytest.raises(ledger.KeyReused):
        ledger.hold(wallet, 10, key="once", job_id=uuid4())
    with pytest.raises(ledger.KeyReused):
        ledger.hold(ledger.open_wallet(ben), 10, key="once", job_id=uuid4())
    assert state(wallet)[:2] == (99_990, 10)


def test_a_key_names_one_kind_and_one_wallet_also_where_there_is_no_job(
    wallet: Wallet, ben: User
) -> None:
    ledger.grant(wallet, 10, key="once")
    with pytest.raises(ledger.KeyReused):
        ledger.grant(wallet, 10, key="once", kind="voucher")
    with pytest.raises(ledger.KeyReused):
        ledger.grant(ledger.open_wallet(ben), 10, key="once")
    assert state(wallet)[0] == 100_010


def test_a_job_is_held_for_once(wallet: Wallet) -> None:
    job = uuid4()
    ledger.hold(wallet, 10, key="one", job_id=job)
    with pytest.raises(ledger.KeyReused):
        ledger.hold(wallet, 10, key="two", job_id=job)
    assert state(wallet)[:2] == (99_990, 10)


def test_a_second_ending_returns_the_first(wallet: Wallet) -> None:
    job = uuid4()
    ledger.hold(wallet, 10, key="hold", job_id=job)
    first = ledger.settle(wallet, job_id=job, captured=4)
    for captured in (0, 4, 10, 11):
        assert ledger.settle(wallet, job_id=job, captured=captured) == first
    assert state(wallet)[:2] == (99_996, 0)


def test_a_job_is_never_charged_from_what_another_holds(wallet: Wallet) -> None:
    job = uuid4()
    ledger.hold(wallet, 10, key="hold", job_id=job)
    ledger.hold(wallet, 50, key="another", job_id=uuid4())
    with pytest.raises(ledger.BadAmount):
        ledger.settle(wallet, job_id=job, captured=11)
    assert state(wallet)[:2] == (99_940, 60)


def test_every_way_to_end_needs_the_same_key(wallet: Wallet) -> None:
    for captured, name in ((10, "charged"), (0, "released"), (4, "both")):
        job = uuid4()
        ledger.hold(wallet, 10, key=name, job_id=job)
        ledger.settle(wallet, job_id=job, captured=captured)
        assert LedgerEntry.objects.filter(key=f"end:{job}", job_id=job).exists()


def test_a_pocket_that_was_emptied_by_hand_does_not_go_below_zero(
    ledger_may_be_wrong: None, wallet: Wallet
) -> None:
    job = uuid4()
    ledger.hold(wallet, 10, key="hold", job_id=job)
    Wallet.objects.filter(pk=wallet.pk).update(held=9)
    with pytest.raises(ledger.BadAmount):
        ledger.settle(wallet, job_id=job, captured=10)
    assert state(wallet)[:2] == (99_990, 9)


def test_a_hold_ends_only_in_the_wallet_it_came_from(wallet: Wallet, ben: User) -> None:
    job = uuid4()
    ledger.hold(wallet, 10, key="hold", job_id=job)
    with pytest.raises(ledger.NoHold):
        ledger.settle(ledger.open_wallet(ben), job_id=job, captured=10)
    with pytest.raises(ledger.NoHold):
        ledger.settle(wallet, job_id=uuid4(), captured=0)


def test_a_refund_is_never_more_than_the_charge(wallet: Wallet, ada: User) -> None:
    job = uuid4()
    ledger.hold(wallet, 10, key="hold", job_id=job)
    with pytest.raises(ledger.BadAmount):
        ledger.refund(wallet, 1, key="early", job_id=job, reason="r", actor=ada)
    ledger.settle(wallet, job_id=job, captured=4)
    with pytest.raises(ledger.BadAmount):
        ledger.refund(wallet, 5, key="big", job_id=job, reason="r", actor=ada)
    ledger.refund(wallet, 4, key="right", job_id=job, reason="r", actor=ada)
    assert state(wallet)[:2] == (100_000, 0)


def test_a_job_is_refunded_once(wallet: Wallet, ada: User) -> None:
    job = uuid4()
    ledger.hold(wallet, 10, key="hold", job_id=job)
    ledger.settle(wallet, job_id=job, captured=10)
    first = ledger.refund(wallet, 3, key="sorry", job_id=job, reason="r", actor=ada)
    assert ledger.refund(wallet, 9, key="sorry", job_id=job, reason="r", actor=ada) == first
    with pytest.raises(ledger.AlreadyRefunded):
        ledger.refund(wallet, 3, key="again", job_id=job, reason="r", actor=ada)
    assert state(wallet)[:2] == (99_993, 0)
