"""What the administrator's pages say of credits and prices, and what their forms take."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from speechsite.accounts.models import User
from speechsite.core.ids import new_token
from speechsite.credits import ledger
from speechsite.credits.admin import signed
from speechsite.credits.forms import PriceForm
from speechsite.credits.models import AuditRun, LedgerEntry, Price, Wallet
from speechsite.upstreams.models import Channel, Offer

JOB = UUID(int=7)
NOW = datetime(2026, 5, 30, 12, tzinfo=UTC)


@pytest.fixture
def boss(admin_user: User, client: Client) -> Client:
    client.force_login(admin_user)
    return client


def read(client: Client, name: str, *args: object) -> str:
    response = client.get(reverse(f"admin:credits_{name}", args=args))
    assert response.status_code == 200
    return response.content.decode()


def column(page: str, name: str) -> list[str]:
    """The words in one column of a list, from top to bottom."""
    cells = re.findall(rf'<t([dh])[^>]* class="[^"]*\bfield-{name}\b.*?>(.*?)</t\1>', page, re.S)
    return [unescape(strip_tags(cell)).strip() for _, cell in cells]


def move_url(wallet: Wallet) -> str:
    return reverse("admin:credits_wallet_move_credits", args=[wallet.pk])


def form(amount: str, **changes: str) -> dict[str, str]:
    return {"amount": amount, "reason": "a gift", "token": new_token()} | changes


# --- what is shown ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("millicredits", "shown"),
    [(0, "–"), (1, "+0.001"), (-1, "−0.001"), (306, "+0.306"), (-2000, "−2")],
)
def test_a_movement_is_shown_with_its_sign(millicredits: int, shown: str) -> None:
    assert signed(millicredits) == shown


def test_each_entry_shows_its_wallet_its_movement_and_its_job(boss: Client, wallet: Wallet) -> None:
    ledger.hold(wallet, 5_000, key="hold", job_id=JOB)
    page = read(boss, "ledgerentry_changelist")
    assert column(page, "wallet_of") == ["ada@example.com"] * 3
    assert column(page, "available_moved") == ["−5", "−900", "+1,000"]
    assert column(page, "held_moved") == ["+5", "–", "–"]
    assert column(page, "job_link") == ["000000000007", "–", "–"]
    assert f'href="{reverse("admin:jobs_job_change", args=[JOB])}"' in page


def test_a_wallet_shows_both_pockets(boss: Client, wallet: Wallet) -> None:
    ledger.hold(wallet, 5_250, key="hold", job_id=JOB)
    page = read(boss, "wallet_changelist")
    assert column(page, "available_credits") == ["94.75"]
    assert column(page, "held_credits") == ["5.25"]


def test_a_wallet_that_many_people_gave_to_is_read_in_as_many_questions(
    boss: Client, wallet: Wallet, ada: User, ben: User, admin_user: User
) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            read(boss, "wallet_change", wallet.pk)
        return len(asked)

    ledger.grant(wallet, 1, key="first", actor=ada)
    questions()  # the first page of all asks for what is then remembered
    before = questions()
    for actor in (ben, admin_user):
        ledger.grant(wallet, 1, key=actor.email, actor=actor)
    assert questions() == before


def test_a_price_is_shown_for_a_thousand_units(boss: Client, db: None) -> None:
    Price.objects.create(
        model="basic", unit="character", millicredits_per_unit=12, minimum_millicredits=500
    )
    page = read(boss, "price_changelist")
    assert column(page, "credits_per_thousand") == ["12"]
    assert column(page, "minimum") == ["0.5"]


@pytest.mark.parametrize(
    ("problems", "shown"), [([], "–"), (["1 < 2", "3"], "<p>1 &lt; 2</p><p>3</p>")]
)
def test_an_audit_shows_each_problem(boss: Client, problems: list[str], shown: str) -> None:
    run = AuditRun.objects.create(
        started_at=timezone.now(), wallets=1, entries=1, differences=2, problems=problems
    )
    page = read(boss, "auditrun_change", run.pk)
    assert re.search(rf"Problems.*>\s*{re.escape(shown)}\s*<", page, re.S)


# --- moving credits --------------------------------------------------------------------------


def test_the_form_says_whose_credits_it_moves(boss: Client, wallet: Wallet, ben: User) -> None:
    ledger.hold(wallet, 5_000, key="hold", job_id=JOB)
    response = boss.get(move_url(wallet))
    page = response.content.decode()
    assert re.search(r"<title>\s*Grant or adjust credits", page)
    assert "ada@example.com has 95 credits to spend and 5 held for work under way." in page
    assert not response.context["form"].errors, "nothing was sent yet"


@pytest.mark.parametrize(
    ("amount", "kind", "millicredits"),
    [
        ("0.001", "grant", 1),
        ("12.5", "grant", 12_500),
        ("1000000000", "grant", 10**12),
        ("-0.001", "adjust", -1),
        ("-100", "adjust", -100_000),
    ],
)
def test_what_is_given_is_a_grant_and_what_is_taken_an_adjustment(
    boss: Client, wallet: Wallet, amount: str, kind: str, millicredits: int
) -> None:
    sent = form(amount)
    response = boss.post(move_url(wallet), sent, follow=True)
    assert "The credits were moved." in response.content.decode()
    entry = LedgerEntry.objects.first()
    assert entry is not None
    assert (entry.wallet, entry.kind, entry.available_delta) == (wallet, kind, millicredits)
    assert entry.key == f"admin:{wallet.pk}:{sent['token']}"


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("0", "Zero credits are nothing to move."),
        ("0.0001", "no more than 3 decimal places"),
        ("1000000000.001", "less than or equal to 1000000000"),
        ("-1000000000.001", "greater than or equal to -1000000000"),
    ],
)
def test_the_form_says_which_amounts_it_takes(
    boss: Client, wallet: Wallet, amount: str, said: str
) -> None:
    assert said in boss.post(move_url(wallet), form(amount)).content.decode()


@pytest.mark.parametrize(("right", "status"), [("add_ledgerentry", 302), ("add_price", 403)])
def test_staff_may_move_credits_with_the_right_to_add_entries(
    client: Client, wallet: Wallet, ben: User, right: str, status: int
) -> None:
    ben.is_staff = True
    ben.save()
    ben.user_permissions.add(Permission.objects.get(codename=right))
    ben.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    client.force_login(ben)
    assert client.post(move_url(wallet), form("5")).status_code == status
    assert LedgerEntry.objects.filter(actor=ben).exists() is (status == 302)


# --- accounts and prices ---------------------------------------------------------------------


def test_an_account_made_here_has_its_wallet(boss: Client, settings: Any) -> None:
    phrase = {"password1": "long pass phrase", "password2": "long pass phrase"}
    boss.post(reverse("admin:accounts_user_add"), {"email": "new@example.com", **phrase})
    wallet = Wallet.objects.get(user__email="new@example.com")
    assert wallet.available == settings.WELCOME_CREDITS * 1000


def test_a_price_is_for_a_model_that_is_offered_or_was_priced(boss: Client, db: None) -> None:
    for slug in ("one", "two"):
        channel = Channel.objects.create(slug=slug, name=slug, adapter="builtin")
        for model in ("f", "d", "b"):
            Offer.objects.create(channel=channel, model=model, upstream_name="espeak")
    for model in ("e", "d", "c", "a"):
        Price.objects.create(model=model, unit="character", millicredits_per_unit=1)
    page = boss.get(reverse("admin:credits_price_add"))
    choices = page.context["adminform"].form.fields["model"].choices
    assert list(choices) == [(model, model) for model in "abcdef"]


@pytest.mark.parametrize(("days", "later"), [(-9, 0), (0, 0), (9, 9)])
@time_machine.travel(NOW, tick=False)
def test_a_price_is_valid_from_now_on_or_later(db: None, days: int, later: int) -> None:
    old = {"unit": "character", "millicredits_per_unit": 1, "valid_from": NOW - timedelta(days=99)}
    Price.objects.create(model="basic", **old)
    new = PriceForm(
        {
            "model": "basic", "unit": "character", "millicredits_per_unit": 7,
            "minimum_millicredits": 0, "counting": "code_points",
            "valid_from": NOW + timedelta(days=days),
        }
    )  # fmt: skip
    assert new.is_valid(), new.errors
    assert new.cleaned_data["valid_from"] == NOW + timedelta(days=later)


def test_who_made_a_price_cannot_be_typed_in(boss: Client, admin_user: User, db: None) -> None:
    price = Price.objects.create(
        model="basic", unit="character", millicredits_per_unit=1, created_by=admin_user
    )
    assert "created_by" not in read(boss, "price_add")
    assert 'name="created_by"' not in read(boss, "price_change", price.pk)
