"""Stories with round figures: the pockets after each step."""

from __future__ import annotations

from uuid import uuid4

import pytest

from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry, Wallet


def pockets(wallet: Wallet) -> tuple[int, int]:
    wallet.refresh_from_db()
    return wallet.available, wallet.held


def movement(entry: LedgerEntry | None) -> tuple[str, int, int] | None:
    return entry and (entry.kind, entry.available_delta, entry.held_delta)


def test_ada_speaks_and_half_of_it_fails(wallet: Wallet, ada: User) -> None:
    job = uuid4()
    ledger.grant(wallet, 20_000, key="gift", reason="a gift")
    assert pockets(wallet) == (120_000, 0)

    ledger.hold(wallet, 50_000, key="hold", job_id=job)
    assert pockets(wallet) == (70_000, 50_000)

    capture, release = ledger.settle(wallet, job_id=job, captured=25_000)
    assert pockets(wallet) == (95_000, 0)
    assert movement(capture) == ("capture", 0, -25_000)
    assert movement(release) == ("release", 25_000, -25_000)

    ledger.refund(wallet, 10_000, key="sorry", job_id=job, reason="it crackled", actor=ada)
    assert pockets(wallet) == (105_000, 0)


def test_a_delivered_job_is_charged_its_quote_and_releases_nothing(wallet: Wallet) -> None:
    job = uuid4()
    ledger.hold(wallet, 306, key="hold", job_id=job)
    capture, release = ledger.settle(wallet, job_id=job, captured=306)
    assert (movement(capture), release) == (("capture", 0, -306), None)
    assert pockets(wallet) == (99_694, 0)


def test_a_failed_job_gets_everything_back(wallet: Wallet) -> None:
    job = uuid4()
    ledger.hold(wallet, 306, key="hold", job_id=job)
    capture, release = ledger.settle(wallet, job_id=job, captured=0)
    assert (capture, movement(release)) == (None, ("release", 306, -306))
    assert pockets(wallet) == (100_000, 0)


def test_a_test_job_costs_nothing_and_still_ends(wallet: Wallet) -> None:
    job = uuid4()
    ledger.hold(wallet, 0, key="hold", job_id=job)
    capture, release = ledger.settle(wallet, job_id=job, captured=0)
    assert (capture, movement(release)) == (None, ("release", 0, 0))
    assert pockets(wallet) == (100_000, 0)


def test_two_jobs_hold_side_by_side(wallet: Wallet) -> None:
    first, second = uuid4(), uuid4()
    ledger.hold(wallet, 60_000, key="first", job_id=first)
    ledger.hold(wallet, 40_000, key="second", job_id=second)
    assert pockets(wallet) == (0, 100_000)
    ledger.settle(wallet, job_id=first, captured=60_000)
    assert pockets(wallet) == (0, 40_000)
    ledger.settle(wallet, job_id=second, captured=1)
    assert pockets(wallet) == (39_999, 0)


def test_an_administrator_corrects_both_ways(wallet: Wallet, ada: User) -> None:
    ledger.adjust(wallet, 5_000, key="more", reason="lost in a bug", actor=ada)
    assert pockets(wallet) == (105_000, 0)
    ledger.adjust(wallet, -105_000, key="less", reason="closing down", actor=ada)
    assert pockets(wallet) == (0, 0)


def test_a_voucher_gives_like_a_grant(wallet: Wallet) -> None:
    entry = ledger.grant(wallet, 7, key="voucher:1", kind="voucher")
    assert movement(entry) == ("voucher", 7, 0)
    assert pockets(wallet) == (100_007, 0)


@pytest.mark.parametrize("credits", [0, 1000])
def test_a_wallet_opens_with_the_welcome_credits_once(eve: User, settings, credits: int) -> None:
    settings.WELCOME_CREDITS = credits
    opened = ledger.open_wallet(eve)
    again = ledger.open_wallet(eve)
    assert opened.pk == again.pk
    assert pockets(opened) == (credits * 1000, 0)
    assert opened.entries.count() == bool(credits)
