"""Links in mails lead to this site, whoever asked for them and under whatever name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from speechsite.accounts.models import User

LINK = re.compile(r"https?://[^\s/]+")
HOME = "https://speech.example.com"


@pytest.fixture
def _with_mail(settings: Any) -> None:
    settings.HAS_EMAIL = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_PREVENT_ENUMERATION = True


def test_no_mail_follows_the_host_header(client: Client, ada: User, mailoutbox: list[Any]) -> None:
    told = {"email": ada.email}
    answer = client.post("/account/password/reset/", told, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert mailoutbox == []


@pytest.mark.parametrize("address", ["ada@example.com", "nobody@example.com"])
@pytest.mark.usefixtures("_with_mail")
def test_a_link_to_a_new_password_begins_with_the_sites_address(
    client: Client, ada: User, settings: Any, mailoutbox: list[Any], address: str
) -> None:
    settings.SITE_URL = HOME
    client.post("/account/password/reset/", {"email": address}, headers={"Host": "testserver:81"})
    (mail,) = mailoutbox
    assert set(LINK.findall(mail.body)) == {HOME}


@pytest.mark.parametrize("address", ["ada@example.com", "new@example.com"])
@pytest.mark.usefixtures("_with_mail")
def test_a_mail_after_sign_up_begins_with_the_sites_address(
    client: Client, ada: User, settings: Any, mailoutbox: list[Any], address: str
) -> None:
    settings.SITE_URL = HOME
    told = {"email": address, "password1": "a long enough phrase"}
    client.post("/account/signup/", told, headers={"Host": "testserver:81"})
    (mail,) = mailoutbox
    assert set(LINK.findall(mail.body)) == {HOME}
    assert "example.com" in mail.to[0]
