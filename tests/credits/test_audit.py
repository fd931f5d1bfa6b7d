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


def problems(*open_jobs: tuple[UUID, int]) -> set[str]:
    return {found.problem for found in audit.audit(lambda: open_jobs)}


def forge(wallet: Wallet, kind: str, available: int, held: int, job: UUID | None = JOB) -> None:
    """An entry whose movement reaches the pockets, past the ledger's rules."""
    was = Wallet.objects.get(pk=wallet.pk)
    LedgerEntry.objects.create(
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


def test_an_empty_site_adds_up(db: None) -> None:
    assert audit.audit() == []


def test_an_honest_ledger_adds_up(wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    assert problems((JOB, 5)) == set()
    ledger.settle(wallet, job_id=JOB, captured=2)
    assert problems() == set()


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
    assert problems((UUID(int=8), 5)) == {
        "it has not exactly one hold",
        "its ending is not its hold",
    }


def test_a_charge_that_is_not_the_hold_is_found(ledger_may_be_wrong: None, wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    forge(wallet, "capture", 0, -3)
    assert problems() == {"its ending is not its hold"}


def test_a_refund_above_the_charge_is_found(ledger_may_be_wrong: None, wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    ledger.settle(wallet, job_id=JOB, captured=2)
    forge(wallet, "refund", 3, 0)
    assert problems() == {"more was refunded than charged"}


def test_a_job_that_ends_in_another_wallet_is_found(
    ledger_may_be_wrong: None, wallet: Wallet, ben: User
) -> None:
    other = ledger.open_wallet(ben)
    ledger.hold(other, 5, key="other", job_id=UUID(int=8))
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    forge(other, "capture", 0, -5)
    assert problems((UUID(int=8), 5)) == {"its entries are in several wallets"}


def test_two_endings_of_one_kind_are_named() -> None:
    # The unique constraint keeps this from the database; the audit would still see it.
    job = {
        "job_id": JOB,
        "wallets": 1,
        "holds": 1,
        "captures": 2,
        "releases": 0,
        "endings": 2,
        "left": 0,
        "captured": 5,
        "refunded": 0,
    }
    (found,) = audit._problems_of_job(job)
    assert found.problem == "it ended more than once"


@pytest.mark.parametrize(
    ("kind", "available", "held"), [("capture", 0, -5), ("release", 5, -5), ("refund", 5, 0)]
)
def test_an_entry_that_lost_its_job_is_found(
    ledger_may_be_wrong: None, wallet: Wallet, kind: str, available: int, held: int
) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    forge(wallet, kind, available, held, job=None)
    assert problems((JOB, 5)) == {f"a {kind} names no job"}


def test_a_hold_for_nothing_is_found(wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold")
    assert problems() == {"a hold names no job"}


def test_a_hold_whose_job_is_not_open_is_found(wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    assert problems() == {"credits are held and it is not open"}


def test_an_open_job_without_a_hold_is_found(wallet: Wallet) -> None:
    assert problems((JOB, 5)) == {"it is open and nothing is held"}


def test_a_hold_that_is_not_the_quote_is_found(wallet: Wallet) -> None:
    ledger.hold(wallet, 5, key="hold", job_id=JOB)
    assert problems((JOB, 6)) == {"the hold is not its quote"}


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
