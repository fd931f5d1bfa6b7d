"""The ledger is added up each night by itself, and what came of it is seen."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client

from jobs import audits, tasks
from jobs.models import Job
from speechsite.accounts.models import User
from speechsite.credits.models import AuditRun, Wallet
from speechsite.duties import routines

NIGHTLY = "jobs.tasks.audit"


def spoil(wallet: Wallet, millicredits: int = 1) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(available=wallet.available + millicredits)


@pytest.fixture
def administrator(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("boss@example.com", "x"))
    return client


@pytest.mark.parametrize(
    ("now", "first"),
    [("2026-05-01 02:10", "2026-05-01 03:00"), ("2026-05-01 03:00", "2026-05-02 03:00")],
)
def test_it_runs_each_night_by_itself(wallet: Wallet, now: str, first: str) -> None:
    night = datetime.fromisoformat(first).replace(tzinfo=UTC)
    with time_machine.travel(datetime.fromisoformat(now).replace(tzinfo=UTC), tick=False):
        assert NIGHTLY not in routines.due()
    with time_machine.travel(night, tick=False):
        assert NIGHTLY in routines.due()
        routines.run(NIGHTLY)
        assert NIGHTLY not in routines.due()
    assert AuditRun.objects.get().finished_at == night
    with time_machine.travel(night + timedelta(days=1), tick=False):
        assert NIGHTLY in routines.due()


def test_a_night_is_written_down(wallet: Wallet) -> None:
    tasks.audit()
    last = audits.latest()
    assert last is not None
    assert (last.wallets, last.entries, last.differences, last.problems) == (1, 2, 0, [])


def test_work_under_way_is_paired_with_its_holds(place: Callable[..., Job]) -> None:
    for number in range(5):
        place(f"Order number {number}.")
    assert audits.run().problems == []


def test_a_difference_is_written_down_and_is_an_error_in_the_log(
    wallet: Wallet, ledger_may_be_wrong: None, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(wallet)
    with caplog.at_level(logging.ERROR):
        tasks.audit()
    last = audits.latest()
    assert last is not None
    assert last.differences == 1
    assert "available is not the sum of its entries" in last.problems[0]
    assert "the ledger does not add up: 1 differences" in caplog.text


def test_only_the_last_nights_are_kept(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits, "KEPT", 3)
    for _ in range(5):
        audits.run()
    assert AuditRun.objects.count() == 3


def test_the_command_counts_as_a_night(wallet: Wallet, ledger_may_be_wrong: None) -> None:
    spoil(wallet)
    with pytest.raises(SystemExit):
        call_command("auditcredits")
    assert AuditRun.objects.get().differences == 1


@pytest.mark.parametrize(
    ("millicredits", "shown", "is_red"), [(0, "adds up", False), (1, "1 difference", True)]
)
def test_the_administrators_page_turns_red(
    administrator: Client,
    wallet: Wallet,
    ledger_may_be_wrong: None,
    millicredits: int,
    shown: str,
    is_red: bool,
) -> None:
    spoil(wallet, millicredits)
    tasks.audit()
    response = administrator.get("/admin/")
    [card] = [card for card in response.context["cards"] if card["title"] == "Ledger"]
    assert shown in card["value"]
    assert card["is_bad"] is is_red
    page = administrator.get(card["link"])
    assert page.status_code == 200


def test_the_problems_can_be_read_in_the_administration(
    administrator: Client, wallet: Wallet, ledger_may_be_wrong: None
) -> None:
    spoil(wallet)
    tasks.audit()
    page = administrator.get(f"/admin/credits/auditrun/{AuditRun.objects.get().pk}/change/")
    assert "available is not the sum of its entries" in page.content.decode()


def test_before_the_first_night_nothing_is_red(administrator: Client) -> None:
    response = administrator.get("/admin/")
    [card] = [card for card in response.context["cards"] if card["title"] == "Ledger"]
    assert (str(card["value"]), card["is_bad"]) == ("not added up yet", False)
