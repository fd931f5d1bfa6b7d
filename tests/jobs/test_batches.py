"""What came of many calls at once: written together, or one by one; and said of the channels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import InterfaceError, OperationalError

from jobs import batches, lifecycle
from jobs.models import Job, Segment
from jobs.outcomes import Accepted, Delivered, Lost, Outcome, Postponed, Refused
from jobs.states import SegmentState
from speechsite.upstreams.models import Channel, Offer
from tests.jobs.conftest import claimed, delivered

Place = Callable[..., Job]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is said of channels."""
    said: list[tuple[Any, ...]] = []
    monkeypatch.setattr(batches.health, "note_success", lambda *words: said.append(words))
    monkeypatch.setattr(batches.health, "note_postponed", lambda *words: said.append(words))
    return said


@pytest.fixture
def pieces(place: Place) -> list[Segment]:
    """Of one job, in the hands of a worker and of two channels."""
    Offer.objects.update(max_characters=150)
    job = place("One sentence is here. " * 60)
    builtin = Channel.objects.first()
    other = Channel.objects.create(slug="other", name="Other", adapter="kie")
    found = [claimed(segment) for segment in job.segments.all()[:4]]
    for segment, channel in zip(found, (builtin, builtin, other, None), strict=True):
        segment.channel = channel
        segment.save(update_fields=["channel"])
    return found


def breaks(monkeypatch: pytest.MonkeyPatch, name: str, *errors: Exception | None) -> list[Any]:
    """Let calls of a verb raise, one error after another; what it was called with."""
    real, calls, left = getattr(lifecycle, name), [], list(errors)

    def called(*given: Any) -> Any:
        calls.append(given)
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        return real(*given)

    monkeypatch.setattr(lifecycle, name, called)
    return calls


def states(pieces: list[Segment]) -> list[str]:
    return [Segment.objects.get(pk=one.pk).state for one in pieces]


def test_each_channel_that_works_is_told_once(
    pieces: list[Segment], told: list[tuple[Any, ...]]
) -> None:
    first, second, third, fourth = pieces
    batch: list[tuple[Segment, Outcome]] = [
        (first, delivered(first)), (second, Accepted("task", 1)), (third, Accepted("task", 1)),
        (fourth, Accepted("task", 1)),
    ]  # fmt: skip
    batches.record(batch)
    assert sorted(one.pk for (one,) in told) == sorted({first.channel_id, third.channel_id})
    assert states(pieces) == ["done", "running", "running", "running"]


def test_a_channel_that_puts_work_off_is_told_why(
    pieces: list[Segment], told: list[tuple[Any, ...]]
) -> None:
    first, second, third, fourth = pieces
    batches.record([
        (first, Refused("x", "no")), (second, Lost("gone")),
        (fourth, Postponed("Nobody.", "away", 9)), (third, Postponed("Slowly.", "slow", 7)),
    ])  # fmt: skip
    assert told == [(third.channel, "slow", "Slowly.", 7)]


def test_what_fails_together_is_written_one_by_one(
    pieces: list[Segment],
    told: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second, *_ = pieces
    calls = breaks(monkeypatch, "record", ValueError("cannot be written"))
    breaks(monkeypatch, "record_all", ValueError("together"))
    bad, good = delivered(first), delivered(second)
    with caplog.at_level(logging.ERROR):
        batches.record([(first, bad), (second, good)])
    assert states([first, second]) == [SegmentState.FAILED, SegmentState.DONE]
    assert [given[1] for given in calls] == [
        bad, Refused("internal_error", "The result could not be recorded.", possible_cost=True),
        good,
    ]  # fmt: skip
    assert not default_storage.exists(bad.audio)
    assert default_storage.exists(good.audio)
    assert "a batch of 2 outcomes is recorded one by one" in caplog.text
    assert f"segment {first.pk}: the outcome could not be recorded" in caplog.text
    assert [one.pk for (one,) in told] == [first.channel_id]


@pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("away")])
@pytest.mark.parametrize("when", ["together", "one by one"])
def test_a_database_that_is_away_is_told_to_the_caller(
    pieces: list[Segment],
    told: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    when: str,
    error: Exception,
) -> None:
    first = pieces[0]
    sound = delivered(first)
    calls = breaks(monkeypatch, "record", error)
    breaks(monkeypatch, "record_all", error if when == "together" else ValueError("together"))
    with pytest.raises(type(error), match="away"):
        batches.record([(first, sound)])
    assert len(calls) == (when == "one by one")
    assert default_storage.exists(sound.audio)
    assert told == []


def test_sound_that_changed_nothing_goes_and_other_outcomes_have_none(
    pieces: list[Segment], told: list[tuple[Any, ...]]
) -> None:
    first, second, third, _ = pieces
    lifecycle.record(first, Refused("x", "over"))
    lifecycle.record(second, Refused("x", "over"))
    late, kept = delivered(first), delivered(third)
    batches.record([(first, late), (second, Postponed("late")), (third, kept)])
    assert not default_storage.exists(late.audio)
    assert default_storage.exists(kept.audio)


def test_sound_that_another_piece_has_is_removed_here(
    pieces: list[Segment], told: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a file is kept is asked of the piece that it was made for."""
    first, second, *_ = pieces
    gone: list[str] = []
    monkeypatch.setattr(batches.intake, "discard", gone.append)
    sound = Delivered("jobs/shared.flac", "flac_22050", 5)
    lifecycle.record(second, sound)
    lifecycle.record(first, Refused("x", "over"))
    batches.record([(first, sound), (second, sound)])
    assert gone == ["jobs/shared.flac"]
