"""Each way in which the books can be wrong is found, and named."""

from __future__ import annotations

from io import StringIO
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command

from jobs import audits
from speechsite.accounts.models import User
from speechsite.credits import audit, ledger
from speechsite.credits.models import LedgerEntry, Wallet

JOB = UUID(int=7)


def said(*open_jobs: tuple[UUID, int]) -> set[str]:
    """All that the audit says, with its figures."""
    return {str(found) for found in audit.audit(lambda: open_jobs)}


def of_job(*problems: str) -> set[str]:
    return {f"job {JOB}: {problem}" for problem in problems}


def forge(
    wallet: Wallet, kind: str, available: int, held: int, job: UUID | None = JOB
) -> LedgerEntry:
    """An entry whose movement reaches the pockets, past the ledger's rules."""
    was = Wallet.objects.get(pk=wallet.pk)
    forged = LedgerEntry.objects.create(
        wallet=wallet,
        kind=kind,
        available_delta=available,
        held_delta=held,
        available_after=was.available + available,
        key=f"forged:{uuid4()}",
        job_id=job,
    )
    Wallet.objects.filter(pk=wallet.pk).update(
        available=was.available + available, held=was.held + held
    )
    return forged


def test_an_empty_site_adds_up(db: None) -> None:
    assert audit.audit() == []


def test_a_wallet_that_nothing_moved_adds_up(eve: User) -> None:
    Wallet.objects.create(user=eve)
    assert audit.audit() == []


def test_an_honest_ledger_adds_up(wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    assert said((JOB, 5)) == set()
    ledger.settle(wallet, job_id=JOB, captured=2)
    assert said() == set()


@pytest.mark.parametrize("pocket", ["available", "held"])
def test_a_pocket_that_was_edited_is_found(
    ledger_may_be_wrong: None, wallet: Wallet, pocket: str
) -> None:
    right = getattr(wallet, pocket)
    Wallet.objects.filter(pk=wallet.pk).update(**{pocket: 77})
    (found,) = audit.audit()
    assert (found.subject, found.expected, found.found) == (f"wallet {wallet.pk}", right, 77)
    assert str(found) == (
        f"wallet {wallet.pk}: {pocket} is not the sum of its entries (expected {right}, found 77)"
    )


def test_a_balance_that_is_not_the_sum_up_to_its_entry_is_found(
    ledger_may_be_wrong: None, wallet: Wallet, ben: User
) -> None:
    ledger.grant(ledger.open_wallet(ben), 7, key="beside")
    right = wallet.available + 5
    wrong = LedgerEntry.objects.create(
        wallet=wallet,
        kind="grant",
        available_delta=5,
        held_delta=0,
        available_after=77,
        key="by hand",
    )
    Wallet.objects.filter(pk=wallet.pk).update(available=right)
    ledger.grant(wallet, 1, key="later")
    (found,) = audit.audit()
    assert (found.subject, found.expected, found.found) == (f"entry {wrong.pk}", right, 77)
    assert found.problem == "the balance it names is not the sum up to it"


def test_an_ending_without_a_hold_is_found(ledger_may_be_wrong: None, wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=UUID(int=8))
    forge(wallet, "capture", 0, -5)
    assert said((UUID(int=8), 5)) == of_job(
        "it has not exactly one hold (expected 1, found 0)",
        "its ending is not its hold (expected 0, found -5)",
    )


def test_a_refund_of_a_job_that_never_was_is_found(
    ledger_may_be_wrong: None, wallet: Wallet
) -> None:
    forge(wallet, "refund", 5, 0)
    assert said() == of_job(
        "it has not exactly one hold (expected 1, found 0)",
        "more was refunded than charged (expected 0, found 5)",
    )


@pytest.mark.parametrize(("kind", "available"), [("capture", 0), ("release", 4)])
def test_an_ending_that_is_not_the_hold_is_found(
    ledger_may_be_wrong: None, wallet: Wallet, kind: str, available: int
) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    forge(wallet, kind, available, -4)
    assert said() == of_job("its ending is not its hold (expected 0, found 1)")


def test_an_ending_without_a_hold_is_found_when_it_moved_nothing(
    ledger_may_be_wrong: None, wallet: Wallet
) -> None:
    forge(wallet, "capture", 0, 0)
    assert said() == of_job("it has not exactly one hold (expected 1, found 0)")


def test_a_refund_of_work_under_way_is_found(ledger_may_be_wrong: None, wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    forge(wallet, "refund", 1, 0)
    assert said((JOB, 5)) == of_job("more was refunded than charged (expected 0, found 1)")


def test_a_refund_above_the_charge_is_found(ledger_may_be_wrong: None, wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    ledger.settle(wallet, job_id=JOB, captured=2)
    forge(wallet, "refund", 3, 0)
    assert said() == of_job("more was refunded than charged (expected 2, found 3)")


def test_a_job_that_ends_in_another_wallet_is_found(
    ledger_may_be_wrong: None, wallet: Wallet, ben: User
) -> None:
    other = ledger.open_wallet(ben)
    ledger.hold(other, 5, key="other", job_id=UUID(int=8))
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    forge(other, "capture", 0, -5)
    assert said((UUID(int=8), 5)) == of_job(
        "its entries are in several wallets (expected 1, found 2)"
    )


@pytest.mark.parametrize(
    "endings", [{"captures": 2, "releases": 0}, {"captures": 0, "releases": 2}]
)
def test_two_endings_of_one_kind_are_named(endings: dict[str, int]) -> None:
    # The unique constraint keeps this from the database; the audit would still see it.
    job = {
        "job_id": JOB,
        "wallets": 1,
        "holds": 1,
        "endings": 2,
        "left": 0,
        "captured": 5,
        "refunded": 0,
        **endings,
    }
    found = {str(one) for one in audit._problems_of_job(job)}
    assert found == of_job("it ended more than once (expected 1, found 2)")


@pytest.mark.parametrize(
    ("kind", "available", "held"), [("capture", 0, -5), ("release", 5, -5), ("refund", 5, 0)]
)
def test_an_entry_that_lost_its_job_is_found(
    ledger_may_be_wrong: None, wallet: Wallet, kind: str, available: int, held: int
) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    lost = forge(wallet, kind, available, held, job=None)
    assert said((JOB, 5)) == {f"entry {lost.pk}: a {kind} names no job (expected 1, found 0)"}


def test_a_hold_for_nothing_is_found(wallet: Wallet) -> None:
    lost = ledger.hold(wallet, 5, key="hold")
    assert said() == {f"entry {lost.pk}: a hold names no job (expected 0, found 5)"}


def test_a_hold_whose_job_is_not_open_is_found(wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    assert said() == of_job("credits are held and it is not open (expected 0, found 5)")


def test_an_open_job_without_a_hold_is_found(wallet: Wallet) -> None:
    assert said((JOB, 5)) == of_job("it is open and nothing is held (expected 5, found 0)")


def test_a_hold_that_is_not_the_quote_is_found(wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    assert said((JOB, 6)) == of_job("the hold is not its quote (expected 6, found 5)")


def test_work_that_costs_nothing_has_a_hold_as_well(wallet: Wallet) -> None:
    assert said((JOB, 0)) == of_job("it is open and nothing is held (expected 0, found 0)")
    ledger.hold(wallet, 0, key="hold", job_id=JOB)
    assert said((JOB, 0)) == set()
    assert said() == of_job("credits are held and it is not open (expected 0, found 0)")


def test_open_jobs_and_holds_are_paired_in_order(wallet: Wallet) -> None:
    jobs = sorted(uuid4() for _ in range(9))
    for job in jobs[:6]:
        ledger.hold(wallet, 5, key=f"hold:{job}", job_id=job)
    ended, open_jobs = jobs[0], [(job, 5) for job in jobs[1:8]]
    ledger.settle(wallet, job_id=ended, captured=5)
    found = audit.audit(lambda: open_jobs)
    assert [difference.subject for difference in found] == [f"job {job}" for job in jobs[6:8]]


def test_an_audit_outside_a_transaction_leaves_none_open(transactional_db: None) -> None:
    user = User.objects.create_user("walter@example.com")
    wallet = ledger.open_wallet(user)
    assert audit.audit() == []
    ledger.grant(wallet, 1, key="afterwards")
    wallet.refresh_from_db()
    assert wallet.available == 1_000_001


def report() -> str:
    out = StringIO()
    call_command("auditcredits", stdout=out)
    return out.getvalue()


def test_the_command_reports_a_clean_ledger(wallet: Wallet) -> None:
    assert report() == "1 wallets, 2 entries, 0 differences\n"


def test_the_command_fails_on_a_difference(wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    out = StringIO()
    with pytest.raises(SystemExit) as stop:
        call_command("auditcredits", stdout=out)
    assert stop.value.code == 1
    assert "credits are held and it is not open" in out.getvalue()


def test_the_command_does_not_flood_the_terminal(
    wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits, "SHOWN", 2)
    for number in range(5):
        ledger.hold(wallet, 5, key=f"hold:{number}", job_id=UUID(int=number))
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("auditcredits", stdout=out)
    assert out.getvalue().splitlines()[2:] == ["and 3 more", "1 wallets, 7 entries, 5 differences"]
