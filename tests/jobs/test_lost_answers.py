"""Class K: every provider takes the order and drops the answer, again and again.

A few hundred here; `python -m tests.bench.bench_lost_answers` does a thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs.models import Segment
from jobs.states import JobState, SegmentState
from speechsite.upstreams.models import Channel, Offer
from tests.fakes.upstream import Fault
from tests.jobs.upstream_site import Site, hurry, settled

pytestmark = pytest.mark.django_db(transaction=True)
SENTENCE = "The harbour was quiet that morning, and a few gulls were about. "
PIECES = 60


def lose_everything(here: Site, name: str, at_once: int = 30) -> None:
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
    assert fake.accepted == segments.count() == PIECES
    assert sorted(set(segments.values_list("attempts", flat=True))) == [1]
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
    here = open_site("minimax")
    lose_everything(here, "minimax")
    segments = Segment.objects.all()
    assert {(one.failure_code, one.possible_cost) for one in segments} == {("unclear", True)}
    job = settled(segments[0].job)
    assert (job.state, job.charged) == (JobState.FAILED, 0)
