"""Class K: every provider takes the order and drops the answer, again and again.

A few hundred here; `python -m tests.bench.bench_lost_answers` does a thousand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs import lost
from jobs.models import Segment
from jobs.outcomes import Outcome, Postponed, Refused, StillRunning
from jobs.states import JobState, SegmentState
from speechsite.providers.base import Adapter
from speechsite.providers.types import Feature, SpeechOrder
from speechsite.upstreams.models import Channel, Offer
from tests.fakes.upstream import Fault
from tests.jobs.upstream_site import Site, hurry, settled

pytestmark = pytest.mark.django_db(transaction=True)
SENTENCE = "The harbour was quiet that morning, and a few gulls were about. "
PIECES = 60


def lose_everything(here: Site, name: str, at_once: int = 30, sendings: int = 1) -> None:
    """Placed, sent, taken, and never answered."""
    Offer.objects.update(max_characters=len(SENTENCE))
    Channel.objects.filter(slug=name).update(rate_count=None, concurrency=at_once)
    fake = here.fakes[name]
    fake.fault = Fault.DROP_AFTER
    if hasattr(fake, "maximum_concurrent"):
        fake.maximum_concurrent = at_once
    job = here.place(SENTENCE * PIECES, name)
    here.work(seconds=120)
    job = settled(job)
    segments = Segment.objects.filter(job=job)
    # The provider's own count is ours: one task for each piece, none twice.
    assert fake.accepted == segments.count() * sendings == PIECES * sendings
    assert sorted(set(segments.values_list("attempts", flat=True))) == [sendings]
    done = segments.filter(state=SegmentState.DONE)
    assert done.exclude(upstream_id="").values("upstream_id").distinct().count() == done.count()


def test_rivya_is_asked_again_under_the_same_key(
    open_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = open_site("rivya")
    fake = here.fakes["rivya"]
    answer, seen = fake.answer, set()

    async def drops_the_first(request: Any) -> Any:
        """The repeat comes through, or nobody would ever hear anything."""
        key = request.headers.get("idempotency-key")
        fake.fault = Fault.DROP_AFTER if key and key not in seen else Fault.NONE
        seen.add(key)
        return await answer(request)

    monkeypatch.setattr(fake, "answer", drops_the_first)
    lose_everything(here, "rivya")
    assert not Segment.objects.exclude(state=SegmentState.DONE).exists()


def test_elevenlabs_is_searched_for_them(open_site: Callable[..., Site]) -> None:
    """The same sentence by the same voice, sixty times: each piece finds one of its own."""
    lose_everything(open_site("elevenlabs"), "elevenlabs")
    assert not Segment.objects.exclude(state=SegmentState.DONE).exists()


def test_kie_calls_back_for_them(
    open_site: Callable[..., Site], live_server: Any, settings: Any
) -> None:
    settings.SITE_URL, settings.ALLOW_PRIVATE_NETWORKS = live_server.url, True
    here = open_site("kie")
    here.fakes["kie"].delay = 0.1
    # The test server drops connections when more come at once.
    lose_everything(here, "kie", at_once=5)
    assert not Segment.objects.exclude(state=SegmentState.DONE).exists()


def test_minimax_has_no_way_back_and_the_credits_have(
    open_site: Callable[..., Site], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(settings, monkeypatch)
    settings.UNCLEAR_RESENDS = 0
    here = open_site("minimax")
    lose_everything(here, "minimax")
    segments = Segment.objects.all()
    assert {(one.failure_code, one.possible_cost) for one in segments} == {("unclear", True)}
    job = settled(segments[0].job)
    assert (job.state, job.charged) == (JobState.FAILED, 0)


def test_minimax_is_sent_once_more_at_the_operators_risk(open_site: Callable[..., Site]) -> None:
    here = open_site("minimax")
    fake = here.fakes["minimax"]
    fake.times = PIECES  # the first answer of each piece
    lose_everything(here, "minimax", sendings=2)
    segments = Segment.objects.all()
    assert {(one.state, one.resends, one.possible_cost) for one in segments} == {("done", 1, True)}
    job = settled(segments[0].job)
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)


def test_what_is_lost_twice_is_not_sent_a_third_time(open_site: Callable[..., Site]) -> None:
    here = open_site("minimax")
    lose_everything(here, "minimax", sendings=2)
    segments = Segment.objects.all()
    assert {(one.failure_code, one.possible_cost) for one in segments} == {("unclear", True)}


def test_what_elevenlabs_never_made_is_sent_again(
    open_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropped before they were taken: three empty looks into the history tell."""
    monkeypatch.setattr(lost, "LOOKS", (0.0, 0.1, 0.2))
    here = open_site("elevenlabs")
    fake = here.fakes["elevenlabs"]
    fake.fault, fake.times = Fault.DROP_BEFORE, 1
    job = here.place()
    here.work()
    piece = job.segments.get()
    assert settled(job).state == JobState.SUCCEEDED
    assert (fake.accepted, piece.attempts, piece.possible_cost) == (1, 2, False)


def test_a_whole_error_answer_is_tried_again_elsewhere_at_once(
    open_site: Callable[..., Site],
) -> None:
    here = open_site("elevenlabs", "kie")
    Channel.objects.filter(slug="kie").update(priority=50)
    here.fakes["elevenlabs"].fault = Fault.SERVER_ERROR
    job = here.place()
    begun = time.monotonic()
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert job.segments.get().channel.slug == "kie"  # type: ignore[union-attr]
    assert time.monotonic() - begun < 15


# --- when what is done -----------------------------------------------------------------------


class Untold(Adapter):
    name = "untold"


class Keeper(Adapter):
    """Keeps a history, in which this order is not."""

    name = "keeper"
    features = frozenset({Feature.FIND})

    async def find(self, *_: Any) -> None:
        return None


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = SpeechOrder(text="Hello.", voice="v", model="m", key="k")


def resolved(adapter: Adapter, order: SpeechOrder, seconds: float, **columns: Any) -> Outcome:
    """What comes of an order so many seconds after its answer was lost."""
    lost_at = NOW - timedelta(seconds=seconds)
    segment = Segment(
        state=SegmentState.UNKNOWN,
        attempts=columns.pop("attempts", 1),
        submitted_at=lost_at,
        lost_at=lost_at,
        deadline_at=lost_at + timedelta(seconds=120),
        due_at=NOW,
        **columns,
    )
    return asyncio.run(lost.resolve(adapter, order, segment, NOW, lookups=lost.Lookups()))


@pytest.mark.parametrize(("looks", "seconds"), [(0, 2), (0, 100), (1, 12), (2, 25)])
def test_fewer_looks_or_less_time_tell_nothing(looks: int, seconds: float) -> None:
    outcome = resolved(Keeper(), ORDER, seconds, looks=looks)
    assert isinstance(outcome, StillRunning)
    assert outcome.is_missing


def test_three_empty_looks_over_half_a_minute_mean_that_it_was_not_made() -> None:
    outcome = resolved(Keeper(), ORDER, 32, looks=2)
    assert isinstance(outcome, Postponed)
    assert (outcome.code, outcome.at_risk) == ("not_made", False)
    assert isinstance(resolved(Keeper(), ORDER, 32, looks=2, attempts=3), Refused)


def test_a_callback_is_waited_for_a_minute_where_one_was_asked_for() -> None:
    order = replace(ORDER, callback_url="https://here.example/hooks/kie/x/")
    outcome = resolved(Untold(), order, 10)
    assert isinstance(outcome, StillRunning)
    assert outcome.due_in == 50
    again = resolved(Untold(), order, 60)
    assert isinstance(again, Postponed)
    assert again.at_risk
    assert isinstance(resolved(Untold(), ORDER, 2), Postponed)


def test_nobody_waits_longer_than_two_minutes(settings: Any) -> None:
    order = replace(ORDER, callback_url="https://here.example/hooks/kie/x/")
    assert settings.UNCLEAR_DEADLINE_SECONDS <= 120
    for resends in (0, 1):
        settings.UNCLEAR_RESENDS = resends
        outcome = resolved(Untold(), order, 121, resends=resends)
        assert isinstance(outcome, Refused)
        assert outcome.possible_cost
    assert isinstance(resolved(Untold(), ORDER, 2, resends=1), Refused)
