"""When welcome credits come, and what they buy."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from django.db import connections

from speechsite.accounts.models import User
from speechsite.credits import ledger, welcome
from speechsite.credits.models import LedgerEntry, Wallet


@pytest.fixture
def zoe(db: None) -> User:
    """Opened an account by herself; nobody vouches for her."""
    user = User.objects.create_user("zoe@example.com", "a long enough phrase")
    EmailAddress.objects.create(user=user, email=user.email, verified=False, primary=True)
    return user


def confirm(user: User) -> None:
    EmailAddress.objects.filter(user=user).update(verified=True)


def may_buy(user: User, family: str = "elevenlabs") -> bool:
    wallet = Wallet.objects.get(user=user)
    try:
        welcome.check_buys(wallet, family=family, millicredits=5)
    except ledger.RestrictedCredits:
        return False
    return True


def test_without_mail_they_come_at_once(zoe: User) -> None:
    assert ledger.open_wallet(zoe).available == 1_000_000


def test_with_mail_they_come_once_after_the_address_is_confirmed(zoe: User, settings: Any) -> None:
    settings.HAS_EMAIL = True
    assert ledger.open_wallet(zoe).available == 0
    confirm(zoe)
    assert ledger.open_wallet(zoe).available == 1_000_000
    assert ledger.open_wallet(zoe).available == 1_000_000
    assert LedgerEntry.objects.get().key == f"welcome:{zoe.pk}"


def test_a_crash_after_the_wallet_was_made_costs_nobody_the_grant(zoe: User) -> None:
    Wallet.objects.create(user=zoe)
    assert ledger.open_wallet(zoe).available == 1_000_000


def test_a_grant_raised_later_is_for_new_accounts(zoe: User, settings: Any) -> None:
    settings.WELCOME_CREDITS = 0
    assert ledger.open_wallet(zoe).available == 0
    settings.WELCOME_CREDITS = 500
    assert ledger.open_wallet(zoe).available == 0


@pytest.mark.django_db(transaction=True)
def test_many_first_pages_at_once_welcome_once(zoe: User) -> None:
    gate = Barrier(4)

    def open_page() -> None:
        gate.wait()
        ledger.open_wallet(zoe)
        connections.close_all()

    threads = [Thread(target=open_page) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Wallet.objects.get(user=zoe).available == 1_000_000
    assert LedgerEntry.objects.count() == 1


def test_of_an_account_nobody_vouches_for_they_buy_built_in_work(zoe: User) -> None:
    ledger.open_wallet(zoe)
    assert may_buy(zoe, "builtin")
    assert not may_buy(zoe)


def test_work_that_costs_nothing_needs_nobodys_word(zoe: User) -> None:
    wallet = ledger.open_wallet(zoe)
    welcome.check_buys(wallet, family="elevenlabs", millicredits=0)
    assert not may_buy(zoe)


def test_the_refusal_says_what_is_needed_and_that_nothing_of_it_is_there(zoe: User) -> None:
    with pytest.raises(ledger.RestrictedCredits) as refused:
        welcome.check_buys(ledger.open_wallet(zoe), family="elevenlabs", millicredits=5)
    assert (refused.value.needed, refused.value.available, refused.value.missing) == (5, 0, 5)
    assert "built-in voices" in welcome.explanation()


def test_a_confirmed_address_opens_everything_for_good(zoe: User) -> None:
    ledger.open_wallet(zoe)
    confirm(zoe)
    assert may_buy(zoe)
    EmailAddress.objects.filter(user=zoe).delete()
    assert may_buy(zoe)


@pytest.mark.parametrize("verb", ["grant", "voucher", "adjust"])
def test_any_other_credits_open_everything(zoe: User, ada: User, verb: str) -> None:
    wallet = ledger.open_wallet(zoe)
    if verb == "adjust":
        ledger.adjust(wallet, 1, key="k", reason="r", actor=ada)
    else:
        ledger.grant(wallet, 1, key="k", kind=verb)
    assert may_buy(zoe)


def test_what_one_person_is_given_vouches_for_nobody_else(zoe: User, ben: User) -> None:
    ledger.open_wallet(zoe)
    ledger.grant(ledger.open_wallet(ben), 1, key="k")
    assert may_buy(ben)
    assert not may_buy(zoe)
    assert not Wallet.objects.get(user=zoe).buys_everything


def test_credits_that_come_back_from_a_job_vouch_for_nobody(zoe: User, ada: User) -> None:
    wallet, job = ledger.open_wallet(zoe), uuid4()
    ledger.hold(wallet, 10, key="h", job_id=job)
    ledger.settle(wallet, job_id=job, captured=6)
    ledger.refund(wallet, 6, key="r", job_id=job, reason="r", actor=ada)
    assert not may_buy(zoe)


def test_credits_taken_back_vouch_for_nobody(zoe: User, ada: User) -> None:
    wallet = ledger.open_wallet(zoe)
    ledger.adjust(wallet, -5, key="k", reason="r", actor=ada)
    assert not may_buy(zoe)


def test_the_operator_may_let_them_buy_everything(zoe: User, settings: Any) -> None:
    ledger.open_wallet(zoe)
    settings.WELCOME_CREDITS_BUY = "everything"
    assert may_buy(zoe)
    settings.WELCOME_CREDITS_BUY = "builtin"
    assert not may_buy(zoe)


@pytest.mark.parametrize(
    ("family", "buy", "is_let_through", "may"),
    [
        ("builtin", "builtin", False, True),
        ("elevenlabs", "builtin", False, False),
        ("elevenlabs", "builtin", True, True),
        ("elevenlabs", "everything", False, True),
    ],
)
def test_the_pages_ask_for_nothing_that_would_be_refused(
    zoe: User, settings: Any, family: str, buy: str, is_let_through: bool, may: bool
) -> None:
    settings.WELCOME_CREDITS_BUY = buy
    wallet = ledger.open_wallet(zoe)
    Wallet.objects.update(buys_everything=is_let_through)
    wallet.refresh_from_db()
    assert welcome.pays_for(wallet, family) is may
    assert may_buy(zoe, family) is may


def test_once_the_answer_is_yes_the_ledger_is_not_asked(
    zoe: User, django_assert_num_queries: Any
) -> None:
    ledger.open_wallet(zoe)
    confirm(zoe)
    assert may_buy(zoe)
    wallet = Wallet.objects.get(user=zoe)
    with django_assert_num_queries(0):
        welcome.check_buys(wallet, family="elevenlabs", millicredits=5)
