from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from speechsite.accounts.models import Plan
from speechsite.core import queue


@pytest.mark.django_db(transaction=True)
def test_a_push_that_fails_undoes_nothing(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def is_away(*_args: Any, **_more: Any) -> None:
        raise ConnectionError("Redis is away")

    settings.Q_CLUSTER = {"redis": "redis://127.0.0.1:1"}
    monkeypatch.setattr(queue, "async_task", is_away)
    with transaction.atomic():
        Plan.objects.create(slug="kept", name="Kept")
        queue.enqueue("jobs.tasks.work")
    assert Plan.objects.filter(slug="kept").exists()
    assert "Redis is away" in caplog.text
