"""Signing up and in, the profile, and what it changes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import allauth
import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.test import Client

from speechsite.accounts.models import User
from speechsite.credits.models import Wallet
from tests.conftest import PASSWORD

PROFILE = {"name": "Ada L.", "language": "en", "timezone": "Asia/Shanghai", "theme": "dark"}


def test_signing_up_opens_an_account_with_its_welcome_credits(client: Client, db: None) -> None:
    told = {"email": "new@example.com", "password1": "a long enough phrase"}
    answer = client.post("/account/signup/", told)
    assert answer["Location"] == "/studio/"
    assert Wallet.objects.get(user__email="new@example.com").available == 1_000_000


def test_a_closed_site_takes_no_new_accounts(client: Client, db: None, settings: Any) -> None:
    settings.SIGNUP_OPEN = False
    told = {"email": "new@example.com", "password1": "a long enough phrase"}
    client.post("/account/signup/", told)
    assert not User.objects.filter(email="new@example.com").exists()
    assert "/account/signup/" not in client.get("/").content.decode()


def test_a_weak_password_is_refused_beside_its_field(client: Client, db: None) -> None:
    answer = client.post("/account/signup/", {"email": "new@example.com", "password1": "123"})
    html = answer.content.decode()
    assert 'aria-invalid="true"' in html
    assert 'id="id_password1_error"' in html
    assert "new@example.com" in html


def test_signing_in_leads_where_one_wanted_to_go(client: Client, ada: User) -> None:
    told = {"login": ada.email, "password": PASSWORD, "next": "/wallet/"}
    assert client.post("/account/login/", told)["Location"] == "/wallet/"


def test_a_wrong_password_is_an_error_on_the_page(client: Client, ada: User) -> None:
    answer = client.post("/account/login/", {"login": ada.email, "password": "wrong"})
    assert 'role="alert"' in answer.content.decode()


@pytest.mark.parametrize(
    "path",
    ["email/", "password/change/", "2fa/", "2fa/totp/activate/", "logout/", "profile/"],
)
def test_every_account_page_wears_our_frame(page: Client, path: str) -> None:
    answer = page.get(f"/account/{path}", follow=True)
    assert answer.status_code == 200
    assert "css/tokens.css" in answer.content.decode()


@pytest.mark.parametrize("path", ["login/", "signup/", "password/reset/"])
def test_every_entrance_wears_our_frame(client: Client, db: None, path: str) -> None:
    assert "css/tokens.css" in client.get(f"/account/{path}").content.decode()


def test_a_stranger_has_no_profile(client: Client, db: None) -> None:
    assert client.get("/account/profile/")["Location"].startswith("/account/login/")


def test_the_profile_is_kept(page: Client, ada: User) -> None:
    answer = page.post("/account/profile/", PROFILE)
    ada.refresh_from_db()
    assert answer.status_code == 302
    assert (ada.name, ada.language, ada.timezone) == ("Ada L.", "en", "Asia/Shanghai")
    assert ada.preferences == {"theme": "dark", "shortcuts": False}
    html = page.get("/account/profile/").content.decode()
    assert 'data-theme="dark"' in html
    assert 'data-shortcuts="off"' in html


@pytest.mark.parametrize("wrong", [{"timezone": "Mars/Olympus"}, {"language": "xx"}, {"theme": ""}])
def test_a_wrong_choice_is_refused_and_the_rest_stays(page: Client, wrong: dict[str, str]) -> None:
    answer = page.post("/account/profile/", {**PROFILE, **wrong})
    assert answer.status_code == 422
    assert "Ada L." in answer.content.decode()


def test_times_are_shown_in_the_persons_zone(page: Client, ada: User, finished: Any) -> None:
    job = finished()
    page.post("/account/profile/", PROFILE)
    assert "+08:00" in page.get(f"/jobs/{job.pk}/").content.decode()


def test_a_zone_that_went_away_does_not_break_the_site(page: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(timezone="Gone/Away")
    assert page.get("/wallet/").status_code == 200


def test_a_visitor_chooses_a_theme_and_comes_back(client: Client, db: None) -> None:
    answer = client.post("/preferences/", {"theme": "dark", "next": "/account/login/"})
    assert answer["Location"] == "/account/login/"
    assert 'data-theme="dark"' in client.get("/").content.decode()


def test_the_language_switch_is_remembered(page: Client, ada: User) -> None:
    page.post("/preferences/", {"language": "en", "next": "/studio/"})
    ada.refresh_from_db()
    assert ada.language == "en"


def test_a_language_without_a_catalogue_is_neither_offered_nor_taken(
    page: Client, ada: User
) -> None:
    page.post("/preferences/", {"language": "zh-hans", "next": "/studio/"})
    ada.refresh_from_db()
    assert ada.language == ""
    answer = page.get("/studio/", headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert '<html lang="en"' in answer.content.decode()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:x"])
def test_the_way_back_never_leaves_the_site(client: Client, db: None, target: str) -> None:
    assert client.post("/preferences/", {"theme": "dark", "next": target})["Location"] == "/"


def test_a_used_link_for_a_password_offers_a_new_one(client: Client, db: None) -> None:
    html = client.get("/account/password/reset/key/1-used/").content.decode()
    assert "This link no longer works" in html
    assert 'href="/account/password/reset/"' in html


@pytest.mark.parametrize(("sends", "words"), [(True, "We send you a link"), (False, "no mail")])
def test_the_reset_says_how_the_link_comes(
    client: Client, db: None, settings: Any, sends: bool, words: str
) -> None:
    settings.HAS_EMAIL = sends
    assert words in client.get("/account/password/reset/").content.decode()


OTHERS_WORDS = (
    "Successfully signed in", "Two-Factor", "successfully", "Are you sure", "Authenticator App",
    "Make Primary", "Verify Your", "Sign Up Closed", "Sign Out", "Change Password", "Unverified",
)  # fmt: skip
PATHS = [
    "login/", "signup/", "password/reset/", "confirm-email/", "confirm-email/used-up/", "inactive/",
    "email/", "password/change/", "2fa/", "2fa/totp/activate/", "2fa/recovery-codes/",
    "2fa/recovery-codes/generate/", "2fa/totp/deactivate/", "logout/", "reauthenticate/",
    "2fa/reauthenticate/", "password/reset/key/done/",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_page_of_an_account_speaks_with_our_voice(
    client: Client, ada: User, path: str
) -> None:
    for enrolled in (False, True):
        if enrolled:
            TOTP.activate(ada, "JBSWY3DPEHPK3PXP")
            RecoveryCodes.activate(ada)
        for _ in range(2):
            answer = client.get(f"/account/{path}", follow=True)
            html = answer.content.decode()
            # allauth knows no such page where there is no second factor.
            assert answer.status_code == 200 or not enrolled
            assert [words for words in OTHERS_WORDS if words in html] == []
            client.force_login(ada)
            # What allauth asks for before it shows how somebody signs in.
            session = client.session
            session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
            session["account_authentication_methods_user"] = str(ada.pk)
            session.save()
        client.logout()


def test_every_message_of_the_account_pages_is_ours() -> None:
    theirs = Path(allauth.__file__).parent / "templates"
    unused = {"login_code_sent", "phone_verification_sent", "phone_verified", "webauthn_added",
              "webauthn_removed"}  # fmt: skip
    for folder in ("account/messages", "mfa/messages"):
        for file in (theirs / folder).glob("*.txt"):
            ours = settings.BASE_DIR / "templates" / folder / file.name
            assert ours.exists() or file.stem in unused, file.name


def test_one_credit_is_not_many(client: Client, db: None, settings: Any) -> None:
    settings.WELCOME_CREDITS = 1
    for path, words in (
        ("/", "1 credit to begin with"),
        ("/account/signup/", "start with 1 credit."),
    ):
        assert words in client.get(path).content.decode()
    told = {"email": "new@example.com", "password1": "a long enough phrase"}
    html = client.post("/account/signup/", told, follow=True).content.decode()
    assert "Welcome! You have 1 credit." in html


def test_the_first_page_welcomes_and_the_next_time_greets(client: Client, db: None) -> None:
    told = {"email": "new@example.com", "password1": "a long enough phrase"}
    html = client.post("/account/signup/", told, follow=True).content.decode()
    assert "Welcome! You have 1,000 credits." in html
    client.post("/account/logout/")
    told = {"login": "new@example.com", "password": "a long enough phrase"}
    html = client.post("/account/login/", told, follow=True).content.decode()
    assert "Welcome back, new." in html
    assert "Welcome!" not in html


def test_with_mail_sign_up_does_not_promise_credits_at_once(
    client: Client, db: None, settings: Any
) -> None:
    settings.HAS_EMAIL = True
    assert "once you have confirmed your address" in client.get("/account/signup/").content.decode()
