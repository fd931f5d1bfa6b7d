"""The administration has the site's door, and nothing in it runs code of one's choice."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client

from speechsite.accounts.models import User
from speechsite.credits.models import Wallet
from tests.conftest import PASSWORD

SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture
def root(db: None) -> User:
    """The first administrator."""
    return User.objects.create_superuser("root@example.com", PASSWORD)


@pytest.fixture
def second(db: None) -> User:
    """Another one."""
    return User.objects.create_superuser("second@example.com", PASSWORD)


def enrol(user: User) -> None:
    TOTP.activate(user, SECRET)
    RecoveryCodes.activate(user)


def code() -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return format_hotp_value(hotp_value(SECRET, counter))


def test_the_door_of_the_administration_is_the_sites(client: Client, db: None) -> None:
    answer = client.get("/admin/jobs/job/", follow=True)
    assert answer.redirect_chain[-1][0] == "/account/login/?next=%2Fadmin%2Fjobs%2Fjob%2F"
    assert 'name="login"' in answer.content.decode()


def test_a_password_sent_to_the_administration_opens_nothing(client: Client, root: User) -> None:
    told = {"username": root.email, "password": PASSWORD, "next": "/admin/"}
    assert client.post("/admin/login/", told)["Location"].startswith("/account/login/")
    assert client.get("/admin/").status_code == 302


def test_who_has_a_second_factor_is_asked_for_it(client: Client, root: User) -> None:
    enrol(root)
    told = {"login": root.email, "password": PASSWORD, "next": "/admin/"}
    answer = client.post("/account/login/", told)
    assert answer["Location"].startswith("/account/2fa/authenticate/")
    assert client.get("/admin/").status_code == 302
    assert client.post(answer["Location"], {"code": code()})["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_a_session_older_than_the_factor_shows_it_first(client: Client, root: User) -> None:
    client.force_login(root)
    assert client.get("/admin/").status_code == 200
    enrol(root)
    answer = client.get("/admin/jobs/job/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/account/2fa/reauthenticate/?next=")
    answer = client.post(answer.redirect_chain[-1][0], {"code": code(), "next": "/admin/jobs/job/"})
    assert answer["Location"] == "/admin/jobs/job/"
    assert client.get("/admin/jobs/job/").status_code == 200


def test_once_one_superuser_has_it_the_others_need_it(
    client: Client, root: User, second: User, settings: Any
) -> None:
    enrol(root)
    client.force_login(second)
    answer = client.get("/admin/", follow=True)
    # The page where one is set up asks for the password once more.
    assert "/account/2fa/totp/activate/" in [
        step.split("?")[0] for step, _ in answer.redirect_chain
    ]
    settings.STAFF_SECOND_FACTOR = "off"
    assert client.get("/admin/").status_code == 200


def test_other_staff_needs_it_where_the_operator_says_so(
    client: Client, ada: User, settings: Any
) -> None:
    ada.is_staff = True
    ada.save()
    client.force_login(ada)
    assert client.get("/admin/").status_code == 200
    settings.STAFF_SECOND_FACTOR = "required"
    assert client.get("/admin/").status_code == 302


def test_who_is_no_staff_meets_a_page_and_no_loop(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.get("/admin/", follow=True).status_code == 403


def test_the_password_is_changed_where_it_is_throttled(client: Client, root: User) -> None:
    client.force_login(root)
    assert client.get("/admin/password_change/")["Location"] == "/account/password/change/"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/"])
def test_the_door_leads_nowhere_else(client: Client, root: User, target: str) -> None:
    client.force_login(root)
    assert client.get("/admin/login/", {"next": target})["Location"] == "/admin/"


@pytest.mark.parametrize("path", ["", "jobs/job/", "accounts/user/", "accounts/user/add/"])
def test_pages_of_the_administration_have_a_policy(client: Client, root: User, path: str) -> None:
    client.force_login(root)
    policy = client.get(f"/admin/{path}")["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"] == "'self' 'unsafe-eval'"
    assert rules["frame-ancestors"] == rules["object-src"] == "'none'"


def test_an_account_made_here_has_its_wallet(client: Client, root: User) -> None:
    client.force_login(root)
    told = {"email": "zoe@example.com", "name": "Zoe", "password1": PASSWORD, "password2": PASSWORD,
            "usable_password": "true"}  # fmt: skip
    assert client.post("/admin/accounts/user/add/", told).status_code == 302
    assert Wallet.objects.get(user__email="zoe@example.com").available == 1_000_000


# --- the queue's rows -------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["schedule", "success", "failure", "ormq"])
def test_the_queues_rows_are_looked_at_and_never_changed(
    client: Client, root: User, model: str
) -> None:
    client.force_login(root)
    assert client.get(f"/admin/django_q/{model}/").status_code == 200
    assert client.get(f"/admin/django_q/{model}/add/").status_code == 403


def test_a_schedule_of_the_site_can_be_neither_changed_nor_deleted(
    client: Client, root: User
) -> None:
    from django_q.models import Schedule

    ours = Schedule.objects.create(name="watch", func="jobs.tasks.watch")
    client.force_login(root)
    page = f"/admin/django_q/schedule/{ours.pk}"
    told = {"name": "watch", "func": "os.system", "args": "'true'", "schedule_type": "O"}
    for verb in ("change", "delete"):
        assert client.post(f"{page}/{verb}/", told | {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [ours.pk], "post": "yes"}
    client.post("/admin/django_q/schedule/", chosen)
    ours.refresh_from_db()
    assert ours.func == "jobs.tasks.watch"


def test_a_finished_task_cannot_be_run_again_from_here(client: Client, root: User) -> None:
    from django.utils import timezone
    from django_q.models import OrmQ, Task

    now = timezone.now()
    old = Task.objects.create(
        id="a" * 32, name="old", func="os.getpid", started=now, stopped=now, success=True
    )
    client.force_login(root)
    chosen = {"action": "resubmit_task", "_selected_action": [old.pk]}
    client.post("/admin/django_q/success/", chosen)
    assert not OrmQ.objects.exists()
