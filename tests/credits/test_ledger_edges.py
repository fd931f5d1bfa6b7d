"""The ledger at its edges: what is written down beside the amounts, and the last that is allowed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from speechsite.accounts.models import User
from speechsite.credits import ledger, prices
from speechsite.credits.errors import BadAmount, BadEntry, InsufficientCredits
from speechsite.credits.models import LedgerEntry, Price, Wallet
from tests.conftest import _account


def test_every_person_has_a_wallet_of_their_own_with_the_welcome_in_it(
    ada: User, eve: User, settings: Any
) -> None:
    opened = ledger.open_wallet(eve)
    assert (opened.user, opened.available) == (eve, settings.WELCOME_CREDITS * 1000)
    assert ledger.open_wallet(eve).pk == opened.pk
    entry = LedgerEntry.objects.get(wallet=opened)
    assert (entry.kind, entry.reason) == (LedgerEntry.Kind.GRANT, "Welcome credits")


def test_a_wallet_that_is_open_takes_one_look(
    wallet: Wallet, ada: User, django_assert_num_queries: Any
) -> None:
    """Every page asks for it."""
    with django_assert_num_queries(1):
        assert ledger.open_wallet(ada) == wallet


def test_without_a_welcome_a_wallet_is_empty(eve: User, settings: Any) -> None:
    settings.WELCOME_CREDITS = 0
    assert ledger.open_wallet(eve).available == 0
    assert not LedgerEntry.objects.exists()


def test_a_welcome_that_cannot_be_given_is_not_marked_as_given(eve: User, settings: Any) -> None:
    settings.WELCOME_CREDITS = 10**13
    with pytest.raises(BadAmount):
        ledger.open_wallet(eve)
    settings.WELCOME_CREDITS = 7
    assert ledger.open_wallet(eve).available == 7000


def test_the_welcome_of_one_person_is_not_marked_as_given_to_another(eve: User, ada: User) -> None:
    """Theirs was left undone by a crash, or waits until their address is confirmed."""
    Wallet.objects.create(user=eve)
    waiting = Wallet.objects.create(user=_account("late@example.com", "Late"))
    assert ledger.open_wallet(eve).available == 1_000_000
    waiting.refresh_from_db()
    assert not waiting.is_welcomed
    assert ledger.open_wallet(waiting.user).available == 1_000_000


def test_a_welcome_that_was_settled_meanwhile_is_not_given_after_it(
    eve: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process opened the wallet when there was no welcome; this one read it before."""
    settings.HAS_EMAIL, settings.WELCOME_CREDITS = True, 0

    def opened_elsewhere(_user: int) -> bool:
        monkeypatch.setattr(ledger, "has_confirmed_address", lambda _user: True)
        ledger.open_wallet(eve)
        settings.WELCOME_CREDITS = 500
        return True

    monkeypatch.setattr(ledger, "has_confirmed_address", opened_elsewhere)
    opened = ledger.open_wallet(eve)
    assert (opened.is_welcomed, opened.available) == (True, 0)
    assert not LedgerEntry.objects.exists()


def test_who_moved_credits_and_why_is_written_down(wallet: Wallet, ben: User) -> None:
    job = uuid4()
    ledger.hold(wallet, 10, key="h", job_id=job)
    ledger.settle(wallet, job_id=job, captured=10)
    given = {"reason": "as agreed", "actor": ben}
    entries = (
        ledger.grant(wallet, 5, key="g", **given),
        ledger.adjust(wallet, -5, key="a", **given),
        ledger.refund(wallet, 10, key="r", job_id=job, **given),
    )
    for entry in entries:
        entry.refresh_from_db()
        assert (entry.reason, entry.actor) == ("as agreed", ben)


def test_what_was_received_came_from_outside(wallet: Wallet, ada: User, eve: User) -> None:
    """The welcome, grants, vouchers and adjustments; no job takes of it or adds to it."""
    job = uuid4()
    ledger.adjust(wallet, -3, key="a", reason="too much", actor=ada)
    ledger.grant(wallet, 7, key="v", kind="voucher")
    ledger.hold(wallet, 10, key="h", job_id=job)
    ledger.settle(wallet, job_id=job, captured=4)
    ledger.refund(wallet, 1, key="r", job_id=job, reason="bad", actor=ada)
    assert ledger.received(wallet) == 100_004
    assert ledger.received(Wallet.objects.create(user=eve)) == 0


@pytest.mark.parametrize("captured", [0, 4, 10])
def test_an_ending_comes_back_as_it_was_whatever_parts_it_has(
    wallet: Wallet, captured: int
) -> None:
    job = uuid4()
    ledger.hold(wallet, 10, key="h", job_id=job)
    first = ledger.settle(wallet, job_id=job, captured=captured)
    assert ledger.settle(wallet, job_id=job, captured=10 - captured) == first
    assert [entry is None for entry in first] == [captured == 0, captured == 10]


def test_more_than_is_held_is_not_charged(wallet: Wallet) -> None:
    job = uuid4()
    ledger.hold(wallet, 10, key="h", job_id=job)
    with pytest.raises(BadAmount, match="11 is more than the 10 held"):
        ledger.settle(wallet, job_id=job, captured=11)


@pytest.mark.django_db(transaction=True)
def test_a_hold_can_be_ended_outside_a_transaction_too(ada: User) -> None:
    wallet, job = Wallet.objects.get(user=ada), uuid4()
    ledger.hold(wallet, 10, key="h", job_id=job)
    ledger.settle(wallet, job_id=job, captured=3)
    ledger.refund(wallet, 3, key="r", job_id=job, reason="sorry", actor=ada)
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (1_000_000, 0)


def test_nothing_can_be_held_by_whoever_has_nothing(eve: User, settings: Any) -> None:
    settings.WELCOME_CREDITS = 0
    assert ledger.hold(ledger.open_wallet(eve), 0, key="h").held_delta == 0


def test_the_refusal_names_the_credits_of_the_one_who_asked(wallet: Wallet, ben: User) -> None:
    poor = ledger.open_wallet(_account("poor@example.com", "Poor"))
    ledger.adjust(poor, -999_999, key="x", reason="spent", actor=ben)
    with pytest.raises(InsufficientCredits) as refused:
        ledger.hold(poor, 5, key="h")
    assert (refused.value.needed, refused.value.available) == (5, 1)


@pytest.mark.parametrize(("reason", "is_taken"), [("x" * 200, True), ("x" * 201, False), ("a\0b", False)])  # fmt: skip
def test_a_reason_has_two_hundred_characters_at_most(
    wallet: Wallet, reason: str, is_taken: bool
) -> None:
    if is_taken:
        assert ledger.grant(wallet, 1, key="g", reason=reason).reason == reason
        return
    with pytest.raises(BadEntry):
        ledger.grant(wallet, 1, key="g", reason=reason)


@pytest.mark.parametrize("key", ["k", "k" * 120])
def test_a_key_of_up_to_120_characters_is_taken(wallet: Wallet, key: str) -> None:
    assert ledger.grant(wallet, 1, key=key, reason="x").key == key


@pytest.mark.parametrize("key", ["", "k" * 121, "a\0b", None, 7, b"k"])
def test_any_other_key_is_refused(wallet: Wallet, key: Any) -> None:
    with pytest.raises(BadEntry):
        ledger.grant(wallet, 1, key=key, reason="x")


@pytest.mark.parametrize("amount", [1, -1, ledger.MAX_AMOUNT])
def test_the_smallest_and_the_largest_adjustment_are_taken(
    wallet: Wallet, ada: User, amount: int
) -> None:
    entry = ledger.adjust(wallet, amount, key="a", reason="x", actor=ada)
    assert entry.available_delta == amount


def test_default_prices_hold_from_the_start(db: None) -> None:
    prices.load_default_prices()
    assert set(Price.objects.values_list("valid_from", flat=True)) == {prices.FROM_THE_START}
    assert prices.price_of("builtin-speech", datetime(2000, 1, 1, tzinfo=UTC))
