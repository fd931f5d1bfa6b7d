"""The cast, and the rule that holds after every test: the credits add up.

ada owns things and has credits, ben is on the same plan with an account of his own,
eve must see nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.conf import settings
from django.db import connection, connections
from django.test import override_settings
from django.utils import timezone

from jobs import spending
from speechsite.accounts import plans, rates
from speechsite.accounts.models import Plan, User
from speechsite.core import hands
from speechsite.credits import ledger
from speechsite.credits.models import Wallet
from speechsite.pages import health
from tests.flushing import allow_flush, close_elsewhere, flush_quickly

PASSWORD = "correct horse battery"

# A change is judged by the same examples each time; at one's desk they are fresh ones. How
# long an example takes says how busy the machine is, and nothing about us.
unhurried = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("ci", derandomize=True, **unhurried)
hypothesis.settings.register_profile("desk", **unhurried)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite tests use a file, as the site does: in memory, threads would share one lock."""
    database = connections["default"].settings_dict
    if connection.vendor != "sqlite":
        return
    path: Path = tmp_path_factory.mktemp("database") / "test.sqlite3"
    database["TEST"]["NAME"] = str(path)
    # A test database need not survive a power cut.
    begin = database["OPTIONS"]["init_command"]
    database["OPTIONS"]["init_command"] = begin.replace("synchronous=FULL", "synchronous=OFF")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Tests that commit are followed by a flush."""
    with django_db_blocker.unblock():
        allow_flush()
    flush_quickly()
    yield
    hands.end()
    if connection.vendor == "postgresql":
        # Threads that ended without a word may still have a session, and then the
        # database cannot be dropped.
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """The real hash is slow on purpose: a quarter of a second for each of the cast."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _files_uncollected() -> Iterator[None]:
    """Static files come straight from where they were written, under their plain names."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    storages = {**settings.STORAGES, "staticfiles": plain}
    with override_settings(STORAGES=storages, WHITENOISE_AUTOREFRESH=True):
        yield


@pytest.fixture(autouse=True)
def _just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sees to the duties here, which a site that runs for some minutes is unready for."""
    monkeypatch.setattr(health._Memory, "began", timezone.now())


@pytest.fixture(autouse=True)
def _fresh_allowances() -> None:
    """Accounts of other tests had the same ids."""
    rates._used.clear()


@pytest.fixture(autouse=True)
def _credits_add_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Audits the ledger, and what keys spent, after every test that had the database."""
    names = request.fixturenames
    has_database = "_django_db_helper" in names or request.node.get_closest_marker("django_db")
    if not has_database:
        # Threads of a test before this one would look at the connection that they kept.
        close_elsewhere()
    if not has_database or "ledger_may_be_wrong" in names:
        yield
        return
    # Asked for now, so that the database goes away after the audit and not before.
    request.getfixturevalue("db")
    # A transactional test before this one emptied every table.
    if not Plan.objects.exists():
        seed = import_module("speechsite.accounts.migrations.0002_seed_plans").seed
        seed(apps, SimpleNamespace(connection=connection))
    yield
    if not connection.needs_rollback and Wallet.objects.exists():
        assert ledger.audit() == []
        assert list(spending.differences()) == []


@pytest.fixture
def ledger_may_be_wrong() -> None:
    """For tests that break the ledger on purpose."""


def _account(email: str, name: str) -> User:
    user = User.objects.create_user(email, PASSWORD, name=name)
    plans.put_on_plan(user)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


@pytest.fixture
def ada(db: None) -> User:
    """Owns what a test is about; her wallet has the welcome credits."""
    user = _account("ada@example.com", "Ada")
    ledger.open_wallet(user)
    return user


@pytest.fixture
def ben(db: None) -> User:
    """On Ada's plan, with his own account and wallet."""
    user = _account("ben@example.com", "Ben")
    ledger.open_wallet(user)
    return user


@pytest.fixture
def eve(db: None) -> User:
    """A stranger who must see nothing of Ada's."""
    return _account("eve@example.com", "Eve")


@pytest.fixture
def wallet(ada: User) -> Wallet:
    """Ada's wallet with exactly 100 credits."""
    opened = Wallet.objects.get(user=ada)
    surplus = 100_000 - opened.available
    if surplus:
        ledger.adjust(opened, surplus, key="cast:100", reason="a round figure", actor=ada)
    opened.refresh_from_db()
    return opened
