from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import lifecycle, retention
from jobs.models import Job, JobEvent

pytestmark = pytest.mark.django_db


def aged(job: Job) -> None:
    """As if it had happened long ago."""
    long_ago = timezone.now() - retention.EVENTS_KEPT - timedelta(days=1)
    rows = JobEvent.objects.filter(job=job)
    super(type(rows), rows).update(created_at=long_ago)


def test_old_events_of_finished_jobs_go(place: Callable[..., Job]) -> None:
    ended, going_on, young = place(), place(), place()
    lifecycle.cancel(ended)
    lifecycle.cancel(young)
    aged(ended)
    aged(going_on)
    assert retention.sweep() == 2
    assert retention.sweep() == 0
    left = set(JobEvent.objects.values_list("job_id", flat=True))
    assert left == {going_on.pk, young.pk}


def test_nothing_to_sweep_is_fine() -> None:
    assert retention.sweep() == 0
