"""What operators ask the site: is it alive, is it ready, how is it doing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import redis
import time_machine
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from jobs import tasks
from speechsite.accounts.models import User
from speechsite.core import kin, queue
from speechsite.credits.models import AuditRun, Wallet
from speechsite.duties import outbox
from speechsite.duties.models import Duty, Routine
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
        "database": True, "migrations": True, "queue": True, "duties": True, "processes": True,
        "engine": True, "credits": True, "disk": True,
    }  # fmt: skip


def test_a_difference_in_the_ledger_is_told_and_sends_nobody_away(
    client: Client, wallet: Wallet, ledger_may_be_wrong: None
) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(available=wallet.available + 1)
    tasks.audit()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["checks"]["credits"] == {
        "ok": False, "problem": "the ledger does not add up: 1 differences",
    }  # fmt: skip
    assert "speechsite_ledger_differences 1.0" in client.get("/metrics").content.decode()
    Wallet.objects.filter(pk=wallet.pk).update(available=wallet.available)
    tasks.audit()
    assert client.get("/readyz").json()["checks"]["credits"]["ok"]
    assert "speechsite_ledger_differences 0.0" in client.get("/metrics").content.decode()


@pytest.mark.parametrize(("days", "is_ok"), [(1, True), (3, False)])
def test_an_audit_that_does_not_come_is_told(
    client: Client, wallet: Wallet, days: int, is_ok: bool
) -> None:
    tasks.audit()
    AuditRun.objects.update(finished_at=timezone.now() - timedelta(days=days))
    assert client.get("/readyz").json()["checks"]["credits"]["ok"] is is_ok


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


def test_a_task_that_a_cluster_has_locked_and_lost_is_seen_too(client: Client, db: None) -> None:
    """django-q2's own broker locks for hours; if its process died, nobody has the task."""
    with time_machine.travel(timezone.now() - timedelta(minutes=30)):
        queue.enqueue("jobs.tasks.work")
    OrmQ.objects.update(lock=timezone.now() + timedelta(hours=6))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "is the worker running?" in response.json()["checks"]["queue"]["problem"]


def test_a_task_that_waits_in_redis_is_seen_too(
    client: Client, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = timezone.now() - timedelta(minutes=30)
    lists = SimpleNamespace(lindex=lambda key, at: SignedPackage.dumps({"started": began}))
    broker = SimpleNamespace(connection=lists, list_key="q")
    monkeypatch.setattr(queue, "get_broker", lambda: broker)
    settings.Q_CLUSTER = {"redis": "redis://127.0.0.1:1"}
    assert 1790 < queue.oldest_wait() < 1810
    assert client.get("/readyz").status_code == 503


def test_a_redis_that_does_not_answer_is_named(client: Client, db: None, settings: Any) -> None:
    settings.Q_CLUSTER = {"redis": "redis://127.0.0.1:1"}
    with patch.object(queue, "get_broker", _redis_that_is_away):
        response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["queue"]["problem"] == "Redis does not answer"


def _redis_that_is_away() -> Any:
    def lindex(*_: object) -> None:
        raise redis.ConnectionError

    return SimpleNamespace(connection=SimpleNamespace(lindex=lindex), list_key="q")


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_watch_that_is_three_minutes_late_makes_the_site_unready(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    now = timezone.now()
    monkeypatch.setattr(health._Memory, "began", now - timedelta(hours=1))
    until = now + timedelta(seconds=30) if is_taken else None
    row = Routine.objects.create(
        name="jobs.tasks.watch", due_at=now - timedelta(seconds=170), lease_until=until
    )
    assert client.get("/readyz").status_code == 200
    Routine.objects.update(due_at=row.due_at - timedelta(seconds=15))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "duties process" in response.json()["checks"]["duties"]["problem"]


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_duty_that_waits_too_long_makes_the_site_unready(
    client: Client, db: None, is_taken: bool
) -> None:
    outbox.add("file", ["jobs/a.mp3"])
    assert client.get("/readyz").status_code == 200
    long_ago = timezone.now() - timedelta(hours=1)
    until = timezone.now() + timedelta(minutes=1) if is_taken else None
    Duty.objects.update(due_at=long_ago, lease_until=until)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "(file)" in response.json()["checks"]["duties"]["problem"]
    text = client.get("/metrics").content.decode()
    [age] = re.findall(r'speechsite_oldest_duty_seconds\{kind="file"\} (\S+)', text)
    assert 3590 < float(age) < 3700


def test_every_kind_of_duty_has_its_age_in_the_metrics(client: Client, db: None) -> None:
    text = client.get("/metrics").content.decode()
    for kind in ("webhook", "callback", "file", "late_look"):
        assert f'speechsite_oldest_duty_seconds{{kind="{kind}"}}' in text
    assert 'speechsite_routine_late_seconds{routine="jobs.tasks.watch"}' in text


def test_a_process_that_keeps_dying_is_named(client: Client, db: None) -> None:
    kin.note_deaths("worker", health.MOST_DEATHS + 1)
    try:
        response = client.get("/readyz")
    finally:
        kin.note_deaths("worker", 0)
    assert response.status_code == 503
    assert "the worker process dies" in response.json()["checks"]["processes"]["problem"]
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


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP",
     "CF-Connecting-IP", "True-Client-IP", "X-Original-Forwarded-For", "X-Client-IP"],
)  # fmt: skip
def test_a_proxy_on_this_machine_does_not_open_metrics_to_all(
    client: Client, db: None, header: str
) -> None:
    assert client.get("/metrics", headers={header: "192.0.2.7"}).status_code == 403


def test_a_proxy_that_says_nothing_does_not_either(client: Client, db: None) -> None:
    with override_settings(BEHIND_PROXY=True):
        assert client.get("/metrics").status_code == 403
    assert client.get("/metrics").status_code == 200


@override_settings(METRICS_TOKEN="open sesame", BEHIND_PROXY=True)
def test_staff_sees_metrics_through_a_proxy(client: Client, admin_user: User) -> None:
    client.force_login(admin_user)
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 200


@override_settings(METRICS_TOKEN="open sesame")
def test_a_token_is_asked_even_of_this_machine(client: Client, db: None) -> None:
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer wróng"}).status_code == 403
    right = {"Authorization": "Bearer open sesame"}
    assert client.get("/metrics", headers=right).status_code == 200


def test_the_readme_says_what_each_figure_of_health_means(client: Client, ada: User) -> None:
    text = (settings.BASE_DIR / "README.md").read_text(encoding="utf-8")
    said = text[text.index("## Watching it") : text.index("## Backups")]
    for check in {**health.CHECKS, **health.TOLD}:
        assert f"\n| `{check}`" in said
    answer = client.get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    for figure in re.findall(r"^# TYPE (\w+)", answer, re.MULTILINE):
        assert f"`{figure}" in said, figure
