"""What operators ask the site: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.utils import timezone
from django_q.models import OrmQ

from speechsite.accounts.models import User
from speechsite.credits.models import Wallet
from speechsite.pages import health
from speechsite.upstreams.models import Channel


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    health._Memory.engine_until = 0.0
    health._Memory.is_migrated = False
    yield
    health._Memory.engine_until = 0.0


@pytest.fixture
def broken_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "VOICE", "no-such-voice")


def test_alive_asks_no_database(client: Client) -> None:
    # Without the db fixture any query is refused.
    response = client.get("/healthz")
    assert response.json() == {"status": "ok"}
    assert "no-store" in response["Cache-Control"]


def test_ready_when_everything_works(client: Client, db: None) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200, response.content
    assert {name: part["ok"] for name, part in response.json()["checks"].items()} == {
        "database": True, "migrations": True, "queue": True, "engine": True,
    }  # fmt: skip


def test_an_engine_that_does_not_speak_is_named(
    client: Client, db: None, broken_engine: None
) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["engine"]["problem"] == "the built-in engine does not speak"


def test_the_engine_is_believed_for_a_while(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/readyz").status_code == 200
    monkeypatch.setattr(health, "VOICE", "no-such-voice")
    assert client.get("/readyz").status_code == 200


def test_a_task_that_nobody_takes_makes_the_site_unready(client: Client, db: None) -> None:
    OrmQ.objects.create(key="speechsite", payload="", lock=timezone.now() - timedelta(hours=1))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "is the worker running?" in response.json()["checks"]["queue"]["problem"]


def test_a_task_under_way_is_no_wait(client: Client, db: None) -> None:
    OrmQ.objects.create(key="speechsite", payload="", lock=timezone.now() + timedelta(hours=1))
    assert client.get("/readyz").status_code == 200


def test_missing_migrations_are_named(client: Client, db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'jobs'")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "migrate" in response.json()["checks"]["migrations"]["problem"]


def test_a_dead_database_is_said_without_its_address(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OperationalError("connection to 10.0.0.7, user secret-name, refused")

    monkeypatch.setitem(health.CHECKS, "database", refuse)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["database"]["problem"] == "the database does not answer"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_nothing_can_be_posted_there(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


def test_metrics_count_what_is_in_the_database(client: Client, ada: User) -> None:
    Channel.objects.create(slug="one", name="One", adapter="builtin", breaker="open")
    text = client.get("/metrics").content.decode()
    held = Wallet.objects.get(user=ada).available / 1000
    assert f'speechsite_credits{{pocket="available"}} {held}' in text
    assert 'speechsite_jobs{state="failed"} 0.0' in text
    assert 'speechsite_segments{state="unknown"} 0.0' in text
    assert 'speechsite_channel_breaker{channel="one",state="open"} 1.0' in text
    assert "speechsite_oldest_task_seconds 0.0" in text


def test_without_a_token_only_this_machine_and_staff_see_metrics(
    client: Client, ada: User, admin_user: User
) -> None:
    far = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/metrics", **far).status_code == 403
    client.force_login(ada)
    assert client.get("/metrics", **far).status_code == 403
    client.force_login(admin_user)
    assert client.get("/metrics", **far).status_code == 200


def test_a_proxy_on_this_machine_does_not_open_metrics_to_all(client: Client, db: None) -> None:
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403


@override_settings(METRICS_TOKEN="open sesame")
def test_a_token_is_asked_even_of_this_machine(client: Client, db: None) -> None:
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer wróng"}).status_code == 403
    right = {"Authorization": "Bearer open sesame"}
    assert client.get("/metrics", headers=right).status_code == 200
