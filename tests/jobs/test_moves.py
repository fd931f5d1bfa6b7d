"""What each outcome writes into a segment's row: every column, and in which states it may."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from jobs import moves
from jobs.models import Job, Segment
from jobs.outcomes import Accepted, Delivered, Lost, Outcome, Postponed, Refused, StillRunning
from jobs.states import SegmentState
from speechsite.upstreams.models import Channel

Place = Callable[..., Job]
S = SegmentState
NOW = datetime(2026, 5, 30, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=9)
COLUMNS = [field.attname for field in Segment._meta.concrete_fields]
LONG = "y" * 400


@pytest.fixture
def piece(place: Place) -> Segment:
    """One in whose row nothing is as it is by default."""
    segment = place().segments.get()
    Segment.objects.filter(pk=segment.pk).update(
        state=S.RUNNING, channel=Channel.objects.first(), excluded_channels=[77],
        upstream_id="task-1", attempts=3, polls=4, fetches=2, worker="w1", lease_until=BEFORE,
        due_at=BEFORE, deadline_at=BEFORE, submitted_at=BEFORE, lost_at=BEFORE, looks=2,
        resends=1, waiting_reason="Why.", audio="", possible_cost=False, failure_code="",
    )  # fmt: skip
    segment.refresh_from_db()
    return segment


def set_to(segment: Segment, **columns: Any) -> Segment:
    Segment.objects.filter(pk=segment.pk).update(**columns)
    segment.refresh_from_db()
    return segment


def changed(segment: Segment, outcome: Outcome) -> dict[str, Any] | None:
    """The columns that an outcome gave another value; None where it was refused."""
    before = {name: getattr(segment, name) for name in COLUMNS}
    with time_machine.travel(NOW, tick=False):
        kept = moves.apply(segment, outcome)
    row = Segment.objects.get(pk=segment.pk)
    after = {name: getattr(row, name) for name in COLUMNS}
    found = {name: after[name] for name in COLUMNS if after[name] != before[name]}
    assert kept is bool(found)
    return found if kept else None


def in_seconds(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_accepted(piece: Segment) -> None:
    set_to(piece, state=S.SUBMITTING, submitted_at=None)
    assert changed(piece, Accepted("task\0-2" + LONG, 7)) == {
        "state": "running", "upstream_id": ("task-2" + LONG)[:200], "submitted_at": NOW,
        "due_at": in_seconds(7), "lease_until": None, "worker": "", "waiting_reason": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "more"),
    [
        (StillRunning(5), {}),
        (StillRunning(5, fetch_failed=True), {"fetches": 3}),
        (StillRunning(5, is_missing=True), {"looks": 3}),
    ],
)
def test_still_running(piece: Segment, outcome: Outcome, more: dict[str, int]) -> None:
    assert changed(piece, outcome) == {
        "due_at": in_seconds(5), "polls": 5, "lease_until": None, "worker": "", **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("resends", "upstream_id", "expected"), [(1, "", "task-1"), (0, LONG, LONG[:200])]
)
def test_delivered(piece: Segment, resends: int, upstream_id: str, expected: str) -> None:
    set_to(piece, resends=resends, possible_cost=not resends)
    sound = Delivered(
        "jobs/a.flac", "flac_22050", 500, words=((0, 4, 0, 500),), words_are_exact=True,
        cost=Decimal("1.5"), upstream_id=upstream_id,
    )  # fmt: skip
    found = changed(piece, sound)
    assert found is not None
    assert found.pop("upstream_id", piece.upstream_id) == expected
    assert found == {
        "state": "done", "audio": "jobs/a.flac", "audio_format": "flac_22050",
        "duration_ms": 500, "words": [[0, 4, 0, 500]], "words_are_exact": True,
        "upstream_cost": Decimal("1.5"), "possible_cost": resends > 0, "lease_until": None,
        "finished_at": NOW, "worker": "", "waiting_reason": "",
    }  # fmt: skip


def waiting(**more: Any) -> dict[str, Any]:
    """What a piece that is put off has, whatever put it off."""
    return {
        "state": "waiting", "upstream_id": "", "due_at": in_seconds(3), "lease_until": None,
        "worker": "", "waiting_reason": "Later.", **more,
    }  # fmt: skip


def test_postponed(piece: Segment) -> None:
    set_to(piece, lost_at=None, resends=0)
    assert changed(piece, Postponed("Lat\0er.", due_in=3)) == waiting()


def test_postponed_says_at_most_so_much(piece: Segment) -> None:
    found = changed(piece, Postponed(LONG))
    assert found is not None
    assert found["waiting_reason"] == LONG[:200]


def test_postponed_here(piece: Segment) -> None:
    set_to(piece, lost_at=None, resends=0)
    found = changed(piece, Postponed("Later.", due_in=3, leave_out=True))
    assert found == waiting(excluded_channels=[77, piece.channel_id])


def test_postponed_where_no_channel_is_known(piece: Segment) -> None:
    set_to(piece, lost_at=None, resends=0, channel=None)
    assert changed(piece, Postponed("Later.", due_in=3, leave_out=True)) == waiting()


@pytest.mark.parametrize(("attempts", "left"), [(3, 2), (1, 0), (0, 0)])
def test_postponed_without_an_attempt(piece: Segment, attempts: int, left: int) -> None:
    set_to(piece, lost_at=None, resends=0, attempts=attempts)
    changed(piece, Postponed("Later.", due_in=3, counts=False))
    assert Segment.objects.get(pk=piece.pk).attempts == left


@pytest.mark.parametrize(
    ("resends", "at_risk", "after"), [(0, False, 0), (0, True, 1), (1, False, 1), (1, True, 2)]
)
def test_an_order_at_risk_is_counted_and_may_cost(
    piece: Segment, resends: int, at_risk: bool, after: int
) -> None:
    set_to(piece, resends=resends, possible_cost=False)
    changed(piece, Postponed("Later.", at_risk=at_risk))
    row = Segment.objects.get(pk=piece.pk)
    assert (row.resends, row.possible_cost) == (after, after > 0)


def test_the_time_for_a_provider_begins_where_a_lost_answer_is_given_up(
    piece: Segment, settings: Any
) -> None:
    settings.WAITING_DEADLINE_SECONDS = 1234
    set_to(piece, resends=0)
    assert changed(piece, Postponed("Later.", due_in=3)) == waiting(
        lost_at=None, looks=0, deadline_at=in_seconds(1234)
    )


@pytest.mark.parametrize(("resends", "patience"), [(0, 100), (1, 50), (2, 50)])
def test_lost(piece: Segment, settings: Any, resends: int, patience: int) -> None:
    settings.UNCLEAR_DEADLINE_SECONDS = 100
    set_to(piece, resends=resends)
    assert changed(piece, Lost("Go\0ne. " + LONG)) == {
        "state": "unknown", "lost_at": NOW, "looks": 0, "due_at": in_seconds(2),
        "deadline_at": in_seconds(patience), "lease_until": None, "worker": "",
        "possible_cost": True, "waiting_reason": ("Gone. " + LONG)[:200],
    }  # fmt: skip


def test_lost_before_anything_was_heard(piece: Segment) -> None:
    set_to(piece, submitted_at=None)
    found = changed(piece, Lost("Gone."))
    assert found is not None
    assert found["submitted_at"] == NOW


@pytest.mark.parametrize("possible_cost", [True, False])
def test_refused(piece: Segment, possible_cost: bool) -> None:
    more = {"possible_cost": True} if possible_cost else {}
    refused = Refused("c" * 60, "N\0o. " + LONG, possible_cost=possible_cost)
    assert changed(piece, refused) == {
        "state": "failed", "failure_code": "c" * 40, "failure_message": ("No. " + LONG)[:300],
        "finished_at": NOW, "lease_until": None, "worker": "", "waiting_reason": "", **more,
    }  # fmt: skip


def test_a_refusal_forgets_no_cost_that_was_possible_before(piece: Segment) -> None:
    changed(set_to(piece, possible_cost=True), Refused("x", "no"))
    assert Segment.objects.get(pk=piece.pk).possible_cost


# --- what may find what ----------------------------------------------------------------------

FINDS: list[tuple[Outcome, set[S]]] = [
    (Accepted("task", 1), {S.SUBMITTING, S.UNKNOWN}),
    (StillRunning(1), {S.RUNNING, S.UNKNOWN}),
    (Delivered("jobs/x.flac", "flac_22050", 5), {S.SUBMITTING, S.RUNNING, S.UNKNOWN}),
    (Postponed("no"), {S.SUBMITTING, S.RUNNING, S.UNKNOWN}),
    (Lost("no"), {S.SUBMITTING, S.RUNNING}),
    (Refused("x", "no"), {S.WAITING, S.SUBMITTING, S.RUNNING, S.UNKNOWN}),
]


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize(("outcome", "states"), FINDS, ids=lambda one: type(one).__name__)
def test_an_outcome_finds_a_piece_where_it_may(
    piece: Segment, outcome: Outcome, states: set[S], state: S
) -> None:
    assert (changed(set_to(piece, state=state), outcome) is not None) == (state in states)


@pytest.mark.parametrize(("outcome", "states"), FINDS, ids=lambda one: type(one).__name__)
def test_only_its_holder_speaks_for_a_piece_and_anybody_brings_its_sound(
    piece: Segment, outcome: Outcome, states: set[S]
) -> None:
    set_to(piece, state=sorted(states)[0])
    piece.worker = "another"
    assert moves.apply(piece, outcome) is isinstance(outcome, Delivered)


def test_no_other_piece_is_moved(place: Place, piece: Segment) -> None:
    other = set_to(place().segments.get(), state=S.RUNNING, worker="w1")
    for outcome, states in FINDS:
        for one in (piece, other):
            set_to(one, state=sorted(states)[0], worker="w1")
        untouched = Segment.objects.filter(pk=other.pk).values().get()
        assert moves.apply(piece, outcome)
        assert Segment.objects.filter(pk=other.pk).values().get() == untouched


# --- bounds ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "counts", "is_over"), [(5, True, False), (6, True, True), (6, False, False)]
)
def test_a_piece_is_tried_six_times(
    piece: Segment, attempts: int, counts: bool, is_over: bool
) -> None:
    piece.attempts = attempts
    told = Postponed("Down.", code="away", counts=counts, raw={"a": 1})
    found = moves.worn_out(piece, told)
    assert found == (Refused("away", "Down.", {"a": 1}) if is_over else told)


def test_only_what_is_put_off_wears_out(piece: Segment) -> None:
    piece.attempts = 99
    assert moves.worn_out(piece, Lost("gone")) == Lost("gone")


@pytest.mark.parametrize(
    ("asked", "waits"),
    [(0, 0), (0.5, 0.5), (-3, 0), (3600, 3600), (3601, 3600), (math.inf, 3600), (math.nan, 3600)],
)
def test_a_wait_is_within_reason(piece: Segment, asked: float, waits: float) -> None:
    changed(piece, StillRunning(asked))
    assert Segment.objects.get(pk=piece.pk).due_at == in_seconds(waits)


@pytest.mark.parametrize(
    ("cost", "kept"),
    [
        (None, None),
        ("0", "0"),
        ("-0.01", None),
        ("999999999999.99", "999999999999.99"),
        ("1000000000000", None),
        ("NaN", None),
        ("Infinity", None),
    ],
)
def test_a_bill_is_written_down_where_it_can_be(
    piece: Segment, cost: str | None, kept: str | None
) -> None:
    told = Decimal(cost) if cost is not None else None
    changed(piece, Delivered("jobs/a.flac", "flac_22050", 5, cost=told))
    found = Segment.objects.get(pk=piece.pk).upstream_cost
    assert found == (Decimal(kept) if kept is not None else None)


def test_what_a_database_refuses_is_left_out() -> None:
    assert moves.printable("a\0b\ud800c") == "ab?c"
