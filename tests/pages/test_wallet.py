"""The wallet: the statement adds up and shows only one's own."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.test import Client

from jobs import lifecycle
from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import Wallet
from speechsite.pages.wallet import PAGE_SIZE


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get("/wallet/")["Location"].startswith("/account/login/")


def test_the_first_look_shows_the_welcome_credits(page: Client) -> None:
    html = page.get("/wallet/").content.decode()
    assert "Credits granted" in html
    assert "<b>1,000</b>" in html


def test_a_charge_links_to_its_job(page: Client, finished: Any) -> None:
    job = finished()
    html = page.get("/wallet/").content.decode()
    assert f'href="/jobs/{job.pk}/"' in html
    assert "Charged for" in html
    assert "−0.055" in html


def test_a_deleted_piece_stays_in_the_statement_without_its_title(
    page: Client, finished: Any
) -> None:
    job = finished(title="Private title")
    lifecycle.delete(job)
    html = page.get("/wallet/").content.decode()
    assert "a deleted piece" in html
    assert "Private title" not in html


@pytest.mark.parametrize("kind", ["", "grant", "hold", "nonsense"])
def test_each_line_has_the_balance_after_it(
    page: Client, place: Any, wallet: Wallet, kind: str
) -> None:
    place("Ten letter")
    place("Twenty letters here!")
    lines = page.get("/wallet/", {"kind": kind}).context["lines"]
    known = {
        (line.entry.kind, line.entry.available_delta): line.entry.available_after for line in lines
    }
    if kind == "grant":
        assert known == {("grant", 1_000_000): 1_000_000}
        return
    assert known[("hold", -10)] == 99_990
    assert known[("hold", -20)] == 99_970


def test_pages_hold_every_entry_once_and_go_on_with_the_balance(
    page: Client, ada: User, wallet: Wallet
) -> None:
    for number in range(PAGE_SIZE + 5):
        ledger.grant(wallet, 1000, key=f"gift:{number}")
    first = page.get("/wallet/").context
    second = page.get("/wallet/", {"before": first["next_before"]}).context
    lines = [*first["lines"], *second["lines"]]
    assert len({line.entry.pk for line in lines}) == wallet.entries.count() == len(lines)
    for newer, older in itertools.pairwise(line.entry for line in lines):
        assert newer.available_after == older.available_after + newer.available_delta
    assert second["next_before"] is None


def test_eve_sees_only_her_own(eves_page: Client, place: Any) -> None:
    place(title="Private title")
    html = eves_page.get("/wallet/").content.decode()
    assert "Private title" not in html
    assert "Set aside for" not in html


def test_a_statement_costs_few_queries(
    page: Client, wallet: Wallet, place: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        place(f"Text number {number}.")
    # Four of them are the price list's: it has one row for each price on offer.
    with django_assert_max_num_queries(13):
        page.get("/wallet/")
