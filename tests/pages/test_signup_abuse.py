"""Doors that many knock at: guessing, farming accounts, asking who has one."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from speechsite.accounts.models import User
from speechsite.credits.models import Wallet
from tests.conftest import PASSWORD

PHRASE = "a long enough phrase"


@pytest.fixture
def _with_mail(settings: Any) -> None:
    settings.HAS_EMAIL = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_PREVENT_ENUMERATION = True


def sign_up(client: Client, email: str, **where: Any) -> Any:
    return client.post("/account/signup/", {"email": email, "password1": PHRASE}, **where)


def sign_in(client: Client, email: str, password: str, **where: Any) -> bool:
    told = {"login": email, "password": password}
    return client.post("/account/login/", told, **where).status_code == 302


def test_attempts_are_counted_where_all_processes_see_them(client: Client, ada: User) -> None:
    assert not sign_in(client, ada.email, "wrong")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT cache_key FROM speechsite_cache WHERE cache_key LIKE %s", ["%login%"]
        )
        assert cursor.fetchall()


def test_an_account_is_closed_to_guesses_from_everywhere(client: Client, ada: User) -> None:
    for number in range(5):
        assert not sign_in(client, ada.email, "wrong", REMOTE_ADDR=f"192.0.2.{number}")
    assert not sign_in(client, ada.email, PASSWORD, REMOTE_ADDR="198.51.100.1")


def test_another_port_in_the_host_header_is_no_fresh_start(client: Client, ada: User) -> None:
    for number in range(5):
        headers = {"Host": f"testserver:{8000 + number}"}
        assert not sign_in(client, ada.email, "wrong", headers=headers)
    assert not sign_in(client, ada.email, PASSWORD, headers={"Host": "testserver:9000"})


def test_behind_a_proxy_one_visitor_does_not_lock_out_the_others(
    client: Client, ada: User, settings: Any
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    guesser = {"X-Forwarded-For": "203.0.113.9, 192.0.2.7"}
    for number in range(11):
        assert not sign_in(client, f"a{number}@example.com", "wrong", headers=guesser)
    other = {"X-Forwarded-For": "203.0.113.9, 192.0.2.8"}
    assert sign_in(client, ada.email, PASSWORD, headers=other)


def test_a_socket_for_both_families_keeps_visitors_apart(client: Client, ada: User) -> None:
    for number in range(11):
        assert not sign_in(
            client, f"a{number}@example.com", "wrong", REMOTE_ADDR="::ffff:192.0.2.7"
        )
    assert sign_in(client, ada.email, PASSWORD, REMOTE_ADDR="::ffff:192.0.2.8")


def test_one_address_opens_few_accounts(db: None) -> None:
    answers = [sign_up(Client(), f"n{number}@example.com").status_code for number in range(8)]
    assert answers == [302] * 5 + [429] * 3
    assert User.objects.count() == 5
    assert sign_up(Client(), "far@example.com", REMOTE_ADDR="192.0.2.7").status_code == 302


def test_a_typing_error_is_not_counted_as_an_account(client: Client, db: None) -> None:
    for _ in range(6):
        client.post("/account/signup/", {"email": "new@example.com", "password1": "123"})
    assert sign_up(client, "new@example.com").status_code == 302


@pytest.mark.usefixtures("_with_mail")
def test_with_mail_farmed_accounts_have_nothing(client: Client, db: None) -> None:
    sign_up(client, "new@example.com")
    assert Wallet.objects.get(user__email="new@example.com").available == 0


@pytest.mark.usefixtures("_with_mail")
def test_the_link_in_the_mail_brings_the_credits_once(
    client: Client, db: None, mailoutbox: list[Any]
) -> None:
    sign_up(client, "new@example.com")
    link = next(word for word in mailoutbox[0].body.split() if "confirm-email" in word)
    path = "/" + link.split("/", 3)[3]
    for _ in range(2):
        client.post(path)
    assert Wallet.objects.get(user__email="new@example.com").available == 1_000_000
    assert sign_in(client, "new@example.com", PHRASE)
    client.get("/wallet/")
    assert Wallet.objects.get(user__email="new@example.com").available == 1_000_000


@pytest.mark.usefixtures("_with_mail")
def test_sign_up_tells_nobody_whether_an_address_is_known(
    ada: User, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []
    before = User.set_password
    monkeypatch.setattr(User, "set_password", lambda *a: hashed.append(a) or before(*a))
    told = []
    for address in (ada.email, "new@example.com"):
        client = Client()
        answer = client.post(
            "/account/signup/", {"email": address, "password1": PHRASE}, follow=True
        )
        page = answer.content.decode().replace(address, "…")
        told.append((answer.status_code, answer.redirect_chain, len(hashed), page))
        hashed.clear()
    known, new = told
    assert known[:3] == new[:3]
    assert _without_tokens(known[3]) == _without_tokens(new[3])
    assert [mail.to for mail in mailoutbox] == [[ada.email], ["new@example.com"]]


@pytest.mark.usefixtures("_with_mail")
def test_a_known_address_is_counted_like_a_new_one(ada: User) -> None:
    answers = [sign_up(Client(), ada.email).status_code for _ in range(6)]
    assert answers == [302] * 5 + [429]


def _without_tokens(page: str) -> list[str]:
    return [line for line in page.splitlines() if "csrfmiddlewaretoken" not in line]
