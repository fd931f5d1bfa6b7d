"""Random walks over every verb, beside a ledger of a few lines of plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import Wallet

amounts = st.one_of(st.integers(1, 500), st.integers(1, 10**15))


@dataclass
class Work:
    """A job as the plain ledger sees it."""

    job_id: UUID
    held: int
    charged: int | None = None
    is_refunded: bool = False


class LedgerWalk(RuleBasedStateMachine):
    """Does everything twice: in the database and with two integers."""

    works = Bundle("works")
    grants = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.user = User.objects.create_user("walk@example.com")
        self.wallet = Wallet.objects.create(user=self.user)
        self.available = self.held = self.count = 0

    def key(self) -> str:
        self.count += 1
        return f"step:{self.count}"

    @rule(target=grants, amount=amounts)
    def grant(self, amount: int) -> str:
        key = self.key()
        ledger.grant(self.wallet, amount, key=key)
        self.available += amount
        return key

    @rule(key=grants, amount=amounts)
    def grant_again(self, key: str, amount: int) -> None:
        ledger.grant(self.wallet, amount, key=key)

    @rule(amount=amounts, sign=st.sampled_from((1, -1)))
    def adjust(self, amount: int, sign: int) -> None:
        delta = amount * sign
        if self.available + delta < 0:
            with pytest.raises(ledger.InsufficientCredits):
                ledger.adjust(self.wallet, delta, key=self.key(), reason="r", actor=self.user)
            return
        ledger.adjust(self.wallet, delta, key=self.key(), reason="r", actor=self.user)
        self.available += delta

    @rule(target=works, amount=st.one_of(st.just(0), amounts))
    def hold(self, amount: int):
        work = Work(uuid4(), amount)
        if amount > self.available:
            with pytest.raises(ledger.InsufficientCredits):
                ledger.hold(self.wallet, amount, key=f"hold:{work.job_id}", job_id=work.job_id)
            return multiple()
        self.hold_again(work)
        self.available -= amount
        self.held += amount
        return work

    @rule(work=works)
    def hold_again(self, work: Work) -> None:
        ledger.hold(self.wallet, work.held, key=f"hold:{work.job_id}", job_id=work.job_id)

    @rule(work=works, share=st.integers(0, 110))
    def settle(self, work: Work, share: int) -> None:
        captured = work.held * share // 100
        if work.charged is None and captured > work.held:
            with pytest.raises(ledger.BadAmount):
                ledger.settle(self.wallet, job_id=work.job_id, captured=captured)
            return
        if captured > ledger.MAX_AMOUNT:
            return
        ledger.settle(self.wallet, job_id=work.job_id, captured=captured)
        if work.charged is None:
            work.charged = captured
            self.held -= work.held
            self.available += work.held - captured

    @rule(work=works, amount=amounts)
    def refund(self, work: Work, amount: int) -> None:
        if work.is_refunded or amount > (work.charged or 0):
            with pytest.raises(ledger.CreditError):
                self._refund(work, amount)
            return
        self._refund(work, amount)
        work.is_refunded = True
        self.available += amount

    def _refund(self, work: Work, amount: int) -> None:
        ledger.refund(
            self.wallet,
            amount,
            key=self.key(),
            job_id=work.job_id,
            reason="r",
            actor=self.user,
        )

    @invariant()
    def the_pockets_are_what_plain_sums_say(self) -> None:
        found = Wallet.objects.values_list("available", "held").get(pk=self.wallet.pk)
        assert found == (self.available, self.held)
        last = self.wallet.entries.order_by("pk").last()
        assert (last.available_after if last is not None else 0) == self.available

    def teardown(self) -> None:
        differences = ledger.audit()
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)
        assert differences == []


def test_random_walks_always_add_up(db: None) -> None:
    run_state_machine_as_test(
        LedgerWalk,
        settings=settings(
            max_examples=200,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
