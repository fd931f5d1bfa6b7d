"""A time limit that ran out while nobody looked is no reason to give up unasked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs import attempts
from jobs.models import Segment
from jobs.outcomes import Refused, StillRunning
from jobs.states import JobState, SegmentState
from tests.fakes.upstream import Fault
from tests.jobs.upstream_site import Site, settled

pytestmark = pytest.mark.django_db(transaction=True)
Open = Callable[..., Site]
AGO = timedelta(minutes=31)


def accepted(here: Site, pieces: int = 1) -> list[Any]:
    jobs = [here.place(f"Hello number {number}.") for number in range(pieces)]
    waiting = (SegmentState.WAITING, SegmentState.SUBMITTING)
    here.work(until=lambda: not Segment.objects.filter(state__in=waiting).exists())
    return jobs


def sleep_through() -> None:
    """The site was down: what was due soon after the order is due since then."""
    long_ago = timezone.now() - AGO
    Segment.objects.update(submitted_at=long_ago, due_at=long_ago + timedelta(seconds=2))


@pytest.mark.parametrize("name", ["kie", "rivya", "minimax"])
def test_what_was_made_meanwhile_is_fetched(open_site: Open, name: str) -> None:
    here = open_site(name)
    here.fakes[name].delay = 600
    jobs = accepted(here, 5)
    sleep_through()
    for task in here.fakes[name].tasks.values():
        task.ready_at = 0
    here.work()
    assert {settled(job).state for job in jobs} == {JobState.SUCCEEDED}
    assert here.fakes[name].accepted == 5


def test_what_still_runs_is_given_up_after_one_question(open_site: Open) -> None:
    here = open_site("kie")
    here.fakes["kie"].delay = 3600
    [job] = accepted(here)
    sleep_through()
    before = here.fakes["kie"].requests
    here.work()
    assert settled(job).segments.get().failure_code == "timed_out"
    assert here.fakes["kie"].requests == before + 1


def test_a_question_that_came_to_nothing_is_asked_once_more() -> None:
    now = timezone.now()
    vain = StillRunning(2, is_answer=False)
    piece = Segment(state=SegmentState.RUNNING, submitted_at=now - AGO, due_at=now - AGO)
    assert attempts.in_time(vain, piece, now) is vain
    piece.due_at = now
    assert isinstance(attempts.in_time(vain, piece, now), Refused)


def test_a_lost_order_is_searched_for_after_its_deadline_too(open_site: Open) -> None:
    here = open_site("elevenlabs")
    fake = here.fakes["elevenlabs"]
    fake.fault, fake.times = Fault.DROP_AFTER, 1
    job = here.place()
    here.work(until=lambda: Segment.objects.filter(state=SegmentState.UNKNOWN).exists())
    Segment.objects.update(
        deadline_at=timezone.now() - timedelta(minutes=20),
        due_at=timezone.now() - timedelta(minutes=22),
    )
    here.work()
    assert (settled(job).state, fake.accepted) == (JobState.SUCCEEDED, 1)


def test_work_whose_provider_came_back_meanwhile_is_tried(open_site: Open) -> None:
    here = open_site("elevenlabs")
    job = here.place()
    Segment.objects.update(
        waiting_reason="The providers of this model are resting after failures.",
        deadline_at=timezone.now() - timedelta(hours=1),
        due_at=timezone.now() - timedelta(hours=2),
    )
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
