"""createaccount, createkey and grant, as an operator types them."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey, User
from speechsite.credits.models import LedgerEntry, Wallet


def run(*words: Any) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def balance(user: User) -> int:
    return Wallet.objects.get(user=user).available


def test_an_account_is_as_sign_up_would_make_it(db: None) -> None:
    run("createaccount", "Zoe@example.com", "--password", "a long enough one", "--plan", "pro")
    user = User.objects.get(email__iexact="zoe@example.com")
    assert authenticate(username=user.email, password="a long enough one") == user
    address = EmailAddress.objects.get(user=user)
    assert (address.email, address.verified, address.primary) == (user.email, True, True)
    assert user.plan.slug == "pro"
    assert balance(user) == 1_000_000
    assert not user.is_staff


def test_a_password_is_made_and_printed_once(db: None) -> None:
    said = run("createaccount", "zoe@example.com")
    password = said.splitlines()[-1].removeprefix("Password: ")
    assert authenticate(username="zoe@example.com", password=password)
    assert User.objects.get().plan.slug == "free"


def test_a_given_password_is_not_repeated(db: None) -> None:
    assert "long enough" not in run(
        "createaccount", "z@example.com", "--password", "a long enough 1"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["not an address"],
        [""],
        ["zoe@example.com", "--password", "short"],
        ["zoe@example.com", "--password", "zoe@example.com"],
        ["zoe@example.com", "--password", ""],
        ["zoe@example.com", "--plan", "platinum"],
        ["ADA@example.com"],
    ],
)
def test_a_refused_account_leaves_nothing(ada: User, words: list[str]) -> None:
    with pytest.raises(CommandError):
        run("createaccount", *words)
    assert User.objects.get() == ada
    assert Wallet.objects.count() == 1


def test_createkey_prints_only_the_key(ada: User) -> None:
    said = run(
        "createkey",
        "ADA@example.com",
        "--name",
        "ci",
        "--scope",
        "models:read",
        "--scope",
        "voices:read",
    )
    key = keys.find_key(said.removesuffix("\n"))
    assert (key.user, key.name, key.mode, key.scopes) == (
        ada, "ci", "live", ["models:read", "voices:read"],
    )  # fmt: skip


def test_a_scope_that_there_is_not_makes_no_key(ada: User) -> None:
    with pytest.raises(CommandError, match=r"bogus.*models:read"):
        run("createkey", ada.email, "--scope", "models:read", "--scope", "bogus")
    assert not ApiKey.objects.exists()


def test_createkey_makes_test_keys(ada: User) -> None:
    assert run("createkey", ada.email, "--test").startswith("sps_test_")


@pytest.mark.parametrize("words", [["createkey"], ["grant", "5", "--reason", "r"]])
def test_nobody_gets_nothing(db: None, words: list[str]) -> None:
    words.insert(1, "nobody@example.com")
    with pytest.raises(CommandError, match="has no account"):
        run(*words)


@pytest.mark.parametrize(
    ("typed", "millicredits"),
    [
        ("5", 5_000),
        ("0.001", 1),
        ("0.5", 500),
        ("1.50", 1_500),
        ("007", 7_000),
        ("99999.999", 99_999_999),
    ],
)
def test_a_grant_is_exact(ada: User, typed: str, millicredits: int) -> None:
    said = run("grant", ada.email, typed, "--reason", "a gift")
    entry = LedgerEntry.objects.latest("id")
    assert (entry.kind, entry.available_delta, entry.reason) == ("grant", millicredits, "a gift")
    assert balance(ada) == 1_000_000 + millicredits
    assert said.startswith("Granted ")


@pytest.mark.parametrize(
    "typed",
    ["0", "0.000", "-5", "+5", "nan", "inf", "1e9", "1,000", "0.0001", "", " ", "5 ", "٥", "0x10",
     "1_000", ".5", "5.", "1" * 13, "9" * 30],
)  # fmt: skip
def test_what_is_not_an_amount_grants_nothing(ada: User, typed: str) -> None:
    with pytest.raises(CommandError, match="not an amount"):
        # The two dashes let a value begin with a minus.
        run("grant", "--reason", "r", "--", ada.email, typed)
    assert balance(ada) == 1_000_000


def test_every_grant_counts_unless_it_is_named(ada: User) -> None:
    for _ in range(2):
        run("grant", ada.email, "1", "--reason", "r")
    assert balance(ada) == 1_002_000
    for _ in range(2):
        run("grant", ada.email, "1", "--reason", "r", "--key", "may")
    assert balance(ada) == 1_003_000


def test_a_named_grant_of_another_amount_is_refused(ada: User) -> None:
    run("grant", ada.email, "100000", "--reason", "r", "--key", "may")
    with pytest.raises(CommandError, match="moved 100,000 credits before"):
        run("grant", ada.email, "5", "--reason", "r", "--key", "may")
    assert balance(ada) == 101_000_000


COMMANDS = [
    ["createaccount", "zoe@example.com"],
    ["createkey", "zoe@example.com"],
    ["grant", "zoe@example.com", "5", "--reason", "r"],
    ["auditcredits"],
    ["synccatalogue"],
    ["createsuperuser", "--noinput", "--email", "zoe@example.com"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_before_the_first_start_a_command_says_what_to_run(
    tmp_path: Path, words: list[str]
) -> None:
    environment = {**os.environ, "DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": ""}
    told = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "manage.py migrate" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1, told.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["5", "--reason", "  "],
        ["5", "--reason", "r" * 201],
        ["5", "--reason", "r", "--key", ""],
        ["5", "--reason", "r", "--key", "end:1"],
        ["999999999999", "--reason", "r", "--key", "k" * 121],
    ],
)
def test_a_refused_grant_says_why_and_moves_nothing(ada: User, words: list[str]) -> None:
    with pytest.raises(CommandError):
        run("grant", ada.email, *words)
    assert balance(ada) == 1_000_000


def test_the_largest_grant_that_can_be_typed(ada: User) -> None:
    run("grant", ada.email, "999999999999.999", "--reason", "r")
    assert balance(ada) == 1_000_000 + 999_999_999_999_999
