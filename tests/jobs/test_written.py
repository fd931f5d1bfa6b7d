"""What each verb writes: every column of a job and of its pieces, and all that is told of it.

Beside the job lies another that looks the same, and none of it may change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
import time_machine
from django_q.models import OrmQ

from jobs import files, lifecycle, outbound, spending
from jobs.models import Delivery, Job, JobEvent, Segment, Upload
from jobs.outcomes import Accepted, Delivered, Refused
from jobs.states import FINAL_JOB, LIVE_JOB, JobState, SegmentState
from speechsite.accounts import keys
from speechsite.accounts.models import User
from speechsite.credits.models import LedgerEntry, Price, Wallet
from speechsite.duties.models import Duty
from speechsite.upstreams.models import Channel, Offer
from tests.jobs.conftest import claimed

Place = Callable[..., Job]
S = SegmentState
NOW = datetime(2026, 5, 30, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=9)
TEXT = "One sentence of words. " * 17  # three pieces
LONG = "y" * 400
RESULT: dict[str, Any] = {"audio": "jobs/new.mp3", "size": 9, "duration_ms": 700, "peaks": [1, 2]}
KEPT: dict[str, Any] = {
    "audio": "jobs/new.mp3", "audio_bytes": 9, "duration_ms": 700, "peaks": [1, 2],
}  # fmt: skip
SOUND = Delivered("jobs/x.flac", "flac_22050", 500)
BAD = Refused("rejected", "N\0o.")


@dataclass
class Written:
    """What differs after a step. Pieces go by their index."""

    job: dict[str, Any] = field(default_factory=dict)
    pieces: dict[int, dict[str, Any]] = field(default_factory=dict)
    told: list[tuple[str, int | None, dict[str, Any]]] = field(default_factory=list)
    webhooks: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)  # to be removed
    wakes: int = 0


def rows(model: Any) -> dict[Any, dict[str, Any]]:
    return {row["id"]: row for row in model.objects.order_by("pk").values()}


def changes(before: dict[Any, dict[str, Any]], model: Any) -> dict[Any, dict[str, Any]]:
    after = rows(model)
    assert after.keys() == before.keys()
    found = {
        pk: {name: value for name, value in row.items() if value != before[pk][name]}
        for pk, row in after.items()
    }
    return {pk: row for pk, row in found.items() if row}


def written(job: Job, step: Callable[[], object]) -> Written:
    """Do it, at one moment, and see to it that it is done to this job alone."""
    jobs, pieces, wakes = rows(Job), rows(Segment), OrmQ.objects.count()
    events, sent, gone = (
        set(model.objects.values_list("pk", flat=True)) for model in (JobEvent, Delivery, Duty)
    )
    with time_machine.travel(NOW, tick=False):
        step()
    changed = changes(jobs, Job)
    assert changed.keys() <= {job.pk}
    indexes = dict(job.segments.values_list("pk", "index"))
    moved = {indexes[pk]: row for pk, row in changes(pieces, Segment).items()}
    told = JobEvent.objects.exclude(pk__in=events).order_by("pk")
    assert {one.job_id for one in told} <= {job.pk}
    deliveries = Delivery.objects.exclude(pk__in=sent)
    assert {one.job_id for one in deliveries} <= {job.pk}
    duties = Duty.objects.exclude(pk__in=gone)
    assert {one.kind for one in duties} <= {files.FILE}
    return Written(
        job=changed.get(job.pk, {}),
        pieces=moved,
        told=[(one.kind, indexes.get(one.segment_id), one.data) for one in told],
        webhooks=[one.event_type for one in deliveries],
        files=sorted(one.key for one in duties),
        wakes=OrmQ.objects.count() - wakes,
    )


@pytest.fixture
def job(place: Place, ada: User, wallet: Wallet) -> Job:
    """Of three pieces, with another like it beside it, and somebody who listens."""
    Offer.objects.update(max_characters=150)
    outbound.add_endpoint(ada, url="https://8.8.8.8/hook")
    placed, _beside = place(TEXT), place(TEXT)
    assert placed.segment_count == 3
    return placed


@pytest.fixture
def short(place: Place, ada: User, wallet: Wallet) -> Job:
    """Of one piece, with another beside it."""
    outbound.add_endpoint(ada, url="https://8.8.8.8/hook")
    placed, _beside = place(), place()
    return placed


def set_all(model: Any, **columns: Any) -> None:
    """Of the job and of what lies beside it."""
    model.objects.update(**columns)


def set_piece(job: Job, index: int, **columns: Any) -> Segment:
    job.segments.filter(index=index).update(**columns)
    return job.segments.get(index=index)


def held(job: Job, index: int = 0) -> Segment:
    return claimed(job.segments.get(index=index))


def as_ordered(job: Job) -> Delivered:
    return Delivered("jobs/x.mp3", job.output_format, 500, size=77)


def in_seconds(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


# --- start -----------------------------------------------------------------------------------


def test_start(job: Job) -> None:
    assert written(job, lambda: lifecycle.start([job.pk])) == Written(
        job={"state": "processing", "started_at": NOW}, told=[("started", None, {})]
    )


@pytest.mark.parametrize("state", [state for state in JobState if state != JobState.QUEUED])
def test_what_is_under_way_or_over_is_not_started(job: Job, state: JobState) -> None:
    Job.objects.filter(pk=job.pk).update(state=state)
    assert written(job, lambda: lifecycle.start([job.pk])) == Written()


# --- record ----------------------------------------------------------------------------------


def test_the_first_piece_starts_its_job(job: Job) -> None:
    piece = held(job)
    found = written(job, lambda: lifecycle.record(piece, SOUND))
    assert found.job == {"state": "processing", "started_at": NOW}
    assert found.told == [("started", None, {}), ("segment_done", 0, {"index": 0})]
    assert found.pieces.keys() == {0}
    assert (found.webhooks, found.wakes) == ([], 0)


def test_what_is_under_way_is_not_told_and_starts_nothing(job: Job) -> None:
    piece = held(job)
    found = written(job, lambda: lifecycle.record(piece, Accepted("task", 1)))
    assert (found.job, found.told) == ({}, [])


def test_what_comes_late_is_not_told(job: Job) -> None:
    piece = held(job)
    lifecycle.record(piece, SOUND)
    assert written(job, lambda: lifecycle.record(piece, BAD)) == Written()


def test_pieces_that_end_together_are_told_in_their_order(job: Job) -> None:
    batch = [(held(job, 2), SOUND), (held(job, 0), BAD), (held(job, 1), SOUND)]
    found = written(job, lambda: lifecycle.record_all(batch))
    refused = {"index": 0, "code": "rejected", "message": "No."}
    assert found.told == [
        ("started", None, {}), ("segment_done", 2, {"index": 2}), ("segment_failed", 0, refused),
        ("segment_done", 1, {"index": 1}),
    ]  # fmt: skip
    assert found.job == {
        "state": "processing", "started_at": NOW, "is_joinable": True, "join_turn": in_seconds(3),
    }  # fmt: skip
    assert (found.webhooks, found.wakes) == ([], 0)


def test_a_job_whose_last_piece_is_refused_is_joined_from_the_others(job: Job) -> None:
    set_all(Job, state=JobState.PROCESSING)
    set_piece(job, 0, state=S.DONE, audio="jobs/a.flac")
    set_piece(job, 1, state=S.FAILED)
    last = held(job, 2)
    found = written(job, lambda: lifecycle.record(last, BAD))
    assert found.job == {"is_joinable": True, "join_turn": in_seconds(3)}
    assert [kind for kind, *_ in found.told] == ["segment_failed"]


def test_a_job_without_any_piece_fails_with_the_last_reason(job: Job) -> None:
    batch = [(held(job, index), Refused(f"c{index}", LONG)) for index in range(3)]
    found = written(job, lambda: lifecycle.record_all(batch))
    assert found.job == {
        "state": "failed", "started_at": NOW, "finished_at": NOW, "failure_code": "c2",
        "failure_message": LONG[:300],
    }  # fmt: skip
    failed = {"code": "c2", "message": LONG[:300]}
    assert found.told == [
        ("started", None, {}),
        *(("segment_failed", index, failed | {"index": index, "code": f"c{index}"})
          for index in range(3)),
        ("failed", None, failed),
    ]  # fmt: skip
    assert found.webhooks == ["generation.failed"]


def test_a_failed_job_is_joined_from_what_came_late(job: Job) -> None:
    set_all(Job, state=JobState.PROCESSING)
    set_piece(job, 0, state=S.FAILED, audio="jobs/late.flac")
    set_piece(job, 1, state=S.FAILED)
    last = held(job, 2)
    found = written(job, lambda: lifecycle.record(last, BAD))
    assert found.job == {
        "state": "failed", "finished_at": NOW, "failure_code": "rejected",
        "failure_message": "No.", "is_joinable": True, "join_turn": in_seconds(3),
    }  # fmt: skip


@pytest.mark.parametrize("state", sorted(LIVE_JOB))
def test_a_piece_that_is_all_of_its_job_ends_it(short: Job, state: str) -> None:
    set_all(Job, state=state)
    piece = held(short)
    found = written(short, lambda: lifecycle.record(piece, as_ordered(short)))
    is_first = state == JobState.QUEUED
    assert found.job == {
        "state": "succeeded", "finished_at": NOW, "audio": "jobs/x.mp3", "audio_bytes": 77,
        "duration_ms": 500, "charged": short.quoted, **({"started_at": NOW} if is_first else {}),
    }  # fmt: skip
    assert found.told == [
        *([("started", None, {})] if is_first else []), ("segment_done", 0, {"index": 0}),
        ("succeeded", None, {"charged": short.quoted, "problems": 0}),
    ]  # fmt: skip
    assert (found.webhooks, found.wakes) == (["generation.succeeded"], 0)


def test_accounts_and_jobs_are_met_in_one_order(place: Place, ada: User, ben: User) -> None:
    """Two workers that met them in different orders would wait for each other in a circle."""
    placed = [place(user=user) for user in (ben, ada, ben, ada)]
    batch = [(held(job), as_ordered(job)) for job in reversed(placed)]
    lifecycle.record_all(batch)
    expected = sorted(placed, key=lambda job: (job.user_id, job.pk))
    assert [job for job, _ in batch] != expected
    ends = LedgerEntry.objects.exclude(job_id=None).exclude(kind=LedgerEntry.Kind.HOLD)
    assert list(ends.order_by("pk").values_list("job_id", flat=True)) == [
        job.pk for job in expected
    ]


@pytest.mark.parametrize(
    ("pieces", "sound", "expected"),
    [
        (1, {}, True),
        (2, {}, False),
        (1, {"size": 0}, False),
        (1, {"size": 1}, True),
        (1, {"audio_format": "flac_22050"}, False),
        (1, {"duration_ms": 120_000}, True),
        (1, {"duration_ms": 120_001}, False),
    ],
)
def test_which_piece_is_a_result(pieces: int, sound: dict[str, Any], expected: bool) -> None:
    job = Job(segment_count=pieces, output_format="mp3_44100_128")
    assert lifecycle.is_result(job, replace(as_ordered(job), **sound)) is expected


# --- late ------------------------------------------------------------------------------------


def given_up(job: Job, state: str, **columns: Any) -> Segment:
    """The middle piece is lost, as all pieces beside it are."""
    set_all(Job, state=state, join_attempts=2, **columns)
    set_all(Segment, state=S.FAILED, possible_cost=True)
    return job.segments.get(index=1)


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.SUCCEEDED])
def test_a_late_piece_of_a_job_that_is_over(job: Job, state: str) -> None:
    piece = given_up(job, state)
    sound = Delivered("jobs/l.flac", "flac_22050", 400, upstream_id="task")
    assert written(job, lambda: lifecycle.deliver_late(piece, sound)) == Written(
        job={"is_joinable": True, "join_turn": in_seconds(3), "join_attempts": 0},
        pieces={1: {
            "audio": "jobs/l.flac", "audio_format": "flac_22050", "duration_ms": 400,
            "upstream_id": "task", "possible_cost": False,
        }},
        told=[("audio_late", 1, {"index": 1})],
        wakes=1,
    )  # fmt: skip


@pytest.mark.parametrize("state", sorted(LIVE_JOB))
def test_a_late_piece_of_a_job_under_way(job: Job, state: str) -> None:
    piece = given_up(job, state)
    found = written(job, lambda: lifecycle.deliver_late(piece, SOUND))
    assert (found.job, found.wakes, found.pieces[1]["audio"]) == ({}, 0, "jobs/x.flac")


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.PROCESSING])
def test_a_late_piece_says_so_where_it_was_kept(job: Job, state: str) -> None:
    piece = given_up(job, state)
    assert lifecycle.deliver_late(piece, SOUND) is True


@pytest.mark.parametrize("columns", [
    {"state": JobState.CANCELED}, {"state": JobState.FAILED, "deleted_at": BEFORE},
])  # fmt: skip
def test_nobody_gets_what_nobody_is_to_have(job: Job, columns: dict[str, Any]) -> None:
    piece = given_up(job, **columns)
    said: list[bool] = []
    found = written(job, lambda: said.append(lifecycle.deliver_late(piece, SOUND)))
    assert (found, said) == (Written(), [False])


@pytest.mark.parametrize(
    ("state", "audio"),
    [(S.FAILED, "jobs/there.flac"), *((state, "") for state in S if state != S.FAILED)],
)
def test_only_a_lost_piece_comes_late(job: Job, state: str, audio: str) -> None:
    given_up(job, JobState.FAILED)
    piece = set_piece(job, 1, state=state, audio=audio)
    said: list[bool] = []
    found = written(job, lambda: said.append(lifecycle.deliver_late(piece, SOUND)))
    assert (found, said) == (Written(), [False])


# --- finish ----------------------------------------------------------------------------------


def spoken(job: Job, **columns: Any) -> None:
    """Two of three pieces can be heard; so it is beside it."""
    set_all(Job, state=JobState.PROCESSING, is_joinable=True, join_lease_until=BEFORE, **columns)
    set_all(Segment, state=S.DONE, audio="jobs/p.flac")
    set_piece(job, 1, state=S.FAILED, audio="")


def test_finish(job: Job) -> None:
    spoken(job)
    charged = job.quoted - job.segments.get(index=1).units
    found = written(job, lambda: lifecycle.finish(job, **RESULT))
    assert found == Written(
        job=KEPT | {
            "state": "succeeded", "finished_at": NOW, "charged": charged, "is_joinable": False,
            "join_lease_until": None,
        },
        told=[("succeeded", None, {"charged": charged, "problems": 1})],
        webhooks=["generation.succeeded"],
    )  # fmt: skip


def test_a_piece_that_came_late_is_no_problem_any_more_and_is_not_charged(job: Job) -> None:
    spoken(job)
    late = set_piece(job, 0, state=S.FAILED, audio="jobs/late.flac")
    found = written(job, lambda: lifecycle.finish(job, **RESULT))
    charged = job.quoted - late.units - job.segments.get(index=1).units
    assert found.told == [("succeeded", None, {"charged": charged, "problems": 1})]


def test_a_result_of_a_job_that_is_over_is_kept_and_charges_nothing(job: Job) -> None:
    spoken(job, charged=7)
    Job.objects.filter(pk=job.pk).update(state=JobState.CANCELED)
    found = written(job, lambda: lifecycle.finish(job, **RESULT))
    assert found == Written(
        job=KEPT | {"is_joinable": False, "join_lease_until": None},
        told=[("audio_ready", None, {})],
    )


@pytest.mark.parametrize(
    ("earlier", "gone"),
    [("", []), ("jobs/old.mp3", ["jobs/old.mp3"]), ("jobs/p.flac", [])],
)
def test_an_earlier_result_goes_unless_a_piece_is_it(
    job: Job, earlier: str, gone: list[str]
) -> None:
    set_all(Job, audio="jobs/beside.mp3")
    spoken(job)
    set_piece(job, 1, audio="jobs/q.flac")
    Job.objects.filter(pk=job.pk).update(audio=earlier)
    assert written(job, lambda: lifecycle.finish(job, **RESULT)).files == gone


@pytest.mark.parametrize(("joined", "again"), [(None, False), (2, False), (1, True), (3, True)])
def test_a_piece_that_came_meanwhile_has_it_joined_again(
    job: Job, joined: int | None, again: bool
) -> None:
    spoken(job)
    job.joined_pieces = joined
    found = written(job, lambda: lifecycle.finish(job, **RESULT)).job
    later = in_seconds(2) if again else None
    assert (found.get("is_joinable", True), found["join_lease_until"]) == (again, later)


@pytest.mark.parametrize("state", list(JobState))
def test_what_may_be_finished(short: Job, state: JobState) -> None:
    for audio, is_joinable, deleted in product(("", "jobs/a.mp3"), (True, False), (None, BEFORE)):
        Job.objects.filter(pk=short.pk).update(
            state=state, audio=audio, is_joinable=is_joinable, deleted_at=deleted
        )
        lacks = not audio and state != JobState.FAILED
        expected = deleted is None and (lacks or is_joinable)
        assert lifecycle.finish(short, **RESULT) is expected, (audio, is_joinable, deleted)


# --- fail, cancel and delete -----------------------------------------------------------------


def under_way(job: Job, state: str = JobState.PROCESSING) -> None:
    """One piece done, one refused, one at a provider that may bill it."""
    channel = Channel.objects.create(slug="x", name="X", adapter="kie")
    set_all(Job, state=state)
    set_all(
        Segment, state=S.RUNNING, channel=channel, lease_until=BEFORE, waiting_reason="Why.",
        worker="w",
    )  # fmt: skip
    set_piece(job, 0, state=S.DONE, audio="jobs/a.flac", waiting_reason="")
    set_piece(job, 1, state=S.FAILED, waiting_reason="")


CLOSED: dict[str, Any] = {
    "state": "failed", "finished_at": NOW, "possible_cost": True, "lease_until": None,
    "waiting_reason": "",
}  # fmt: skip


@pytest.mark.parametrize("state", sorted(LIVE_JOB))
def test_fail(job: Job, state: str) -> None:
    under_way(job, state)
    set_all(Job, is_joinable=True)
    code, message = "c" * 60, "N\0o. " + LONG
    short_message = ("No. " + LONG)[:300]
    said: list[bool] = []
    found = written(job, lambda: said.append(lifecycle.fail(job, code=code, message=message)))
    assert said == [True]
    assert found == Written(
        job={
            "state": "failed", "finished_at": NOW, "failure_code": "c" * 40,
            "failure_message": short_message, "is_joinable": False,
        },
        pieces={2: CLOSED | {"failure_code": "c" * 40, "failure_message": short_message}},
        told=[("failed", None, {"code": code, "message": short_message})],
        webhooks=["generation.failed"],
    )  # fmt: skip


@pytest.mark.parametrize("state", sorted(LIVE_JOB))
def test_cancel(job: Job, state: str) -> None:
    under_way(job, state)
    charged = job.segments.get(index=0).units
    found = written(job, lambda: lifecycle.cancel(job))
    assert found == Written(
        job={
            "state": "canceled", "finished_at": NOW, "charged": charged, "is_joinable": True,
            "join_turn": in_seconds(3),
        },
        pieces={2: CLOSED | {"failure_code": "canceled", "failure_message": "Canceled."}},
        told=[("canceled", None, {"charged": charged})],
        webhooks=["generation.canceled"],
        wakes=1,
    )  # fmt: skip
    assert (job.state, job.charged) == (JobState.CANCELED, charged)  # also in our hands


def test_cancel_what_cannot_be_heard(job: Job) -> None:
    found = written(job, lambda: lifecycle.cancel(job))
    assert found.job == {"state": "canceled", "finished_at": NOW}
    assert found.told == [("canceled", None, {"charged": 0})]


@pytest.mark.parametrize("state", sorted(FINAL_JOB))
def test_what_is_over_is_neither_failed_nor_canceled(job: Job, state: str) -> None:
    Job.objects.filter(pk=job.pk).update(state=state)
    said: list[bool] = []
    found = written(job, lambda: said.append(lifecycle.fail(job, code="x", message="y")))
    assert (found, said) == (Written(), [False])
    assert written(job, lambda: lifecycle.cancel(job)) == Written()


@pytest.mark.parametrize("source", list(Job.Source))
def test_delete(job: Job, ada: User, source: str) -> None:
    upload = Upload.objects.create(
        user=ada, file="uploads/a.wav", name="a.wav", media_type="audio/wav", size=1,
        duration_ms=2000, sha256="0" * 64,
    )  # fmt: skip
    Job.objects.filter(pk=job.pk).update(upload=upload, source=source)
    set_all(
        Job, state=JobState.SUCCEEDED, audio="jobs/whole.mp3", peaks=[1], changes=[[0, 1, "x"]],
        is_joinable=True,
    )  # fmt: skip
    set_all(Segment, state=S.DONE, audio="jobs/p.flac", words=[[0, 1, 0, 5]], lines=[{"a": 1}])
    set_piece(job, 1, state=S.FAILED, audio="")
    job.refresh_from_db()
    emptied = {"audio": "", "text": "", "words": [], "lines": []}
    whose = ["uploads/a.wav"] if source == Job.Source.PORTAL else []
    assert written(job, lambda: lifecycle.delete(job)) == Written(
        job={
            "deleted_at": NOW, "text": "", "changes": [], "audio": "", "peaks": [],
            "is_joinable": False,
        },
        pieces={
            0: emptied, 1: {name: emptied[name] for name in ("text", "words", "lines")},
            2: emptied,
        },
        files=["jobs/p.flac", "jobs/whole.mp3", *whose],
    )  # fmt: skip
    upload.refresh_from_db()
    assert (upload.deleted_at is not None) == (source == Job.Source.PORTAL)


def test_what_was_deleted_is_deleted_since_then(job: Job) -> None:
    lifecycle.delete(job)
    assert written(job, lambda: lifecycle.delete(job)) == Written()


# --- what did not come to anything ------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1])
def test_a_join_that_fails_is_tried_again(job: Job, before: int) -> None:
    spoken(job, join_attempts=before)
    assert written(job, lambda: lifecycle.give_up_joining(job, "no")) == Written(
        job={"join_attempts": before + 1, "join_lease_until": None}
    )


def test_the_third_join_that_fails_is_the_last(job: Job) -> None:
    spoken(job, join_attempts=2)
    found = written(job, lambda: lifecycle.give_up_joining(job, "Mismatch"))
    message = "The audio could not be put together: Mismatch"
    assert found == Written(
        job={
            "state": "failed", "finished_at": NOW, "failure_code": "joining_failed",
            "failure_message": message, "is_joinable": False, "join_attempts": 3,
            "join_lease_until": None,
        },
        told=[("failed", None, {"code": "joining_failed", "message": message})],
        webhooks=["generation.failed"],
    )  # fmt: skip


def test_what_is_over_is_not_joined_for_ever(job: Job) -> None:
    spoken(job, join_attempts=2)
    set_all(Job, state=JobState.CANCELED)
    assert written(job, lambda: lifecycle.give_up_joining(job, "no")) == Written(
        job={"is_joinable": False, "join_attempts": 3, "join_lease_until": None}
    )


def overdue(piece: Segment, **columns: Any) -> None:
    """It waits, says why, and its time is over; when it is due does not make it urgent."""
    usual: dict[str, Any] = {
        "state": S.WAITING, "waiting_reason": "Resting.", "deadline_at": NOW,
        "due_at": in_seconds(1),
    }  # fmt: skip
    Segment.objects.filter(pk=piece.pk).update(**usual | columns)


def expired() -> int:
    with time_machine.travel(NOW, tick=False):
        return lifecycle.expire_waiting()


def test_what_no_provider_took_is_refused(job: Job) -> None:
    set_all(Job, state=JobState.PROCESSING)
    first, second, _ = job.segments.order_by("index")
    overdue(first)
    overdue(second)
    found = written(job, expired)
    message = "No provider could take the work in time: Resting."
    assert found.job == {}
    assert found.pieces.keys() == {0, 1}
    assert found.pieces[1]["failure_code"] == "no_provider"
    assert found.told == [
        ("segment_failed", index, {"index": index, "code": "no_provider", "message": message})
        for index in (0, 1)
    ]


def test_how_many_were_refused_is_told(job: Job) -> None:
    for piece in job.segments.all():
        overdue(piece)
    assert (expired(), expired()) == (3, 0)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, 1),
        ({"deadline_at": in_seconds(-1)}, 1),
        ({"deadline_at": in_seconds(1)}, 0),
        ({"deadline_at": None}, 0),
        ({"waiting_reason": ""}, 0),
        *(({"state": state}, 0) for state in S if state != S.WAITING),
        # What is due may be taken at any moment now.
        ({"due_at": NOW}, 0),
        ({"due_at": in_seconds(-1)}, 0),
        ({"due_at": NOW, "model_slug": "nobody-sells-it"}, 1),
        ({"due_at": NOW, "deadline_at": in_seconds(1), "model_slug": "nobody-sells-it"}, 0),
    ],
)
def test_what_is_given_up(short: Job, columns: dict[str, Any], expected: int) -> None:
    overdue(short.segments.get(), **columns)
    assert expired() == expected


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ({}, 0),
        ({"concurrency": 0}, 0),  # busy, which passes by itself
        ({"breaker": Channel.Breaker.OPEN}, 1),
        ({"resting_until": in_seconds(1)}, 1),
        ({"is_enabled": False}, 1),
    ],
)
def test_what_some_provider_may_take_soon_is_not_given_up(
    short: Job, channel: dict[str, Any], expected: int
) -> None:
    Channel.objects.update(**channel)
    overdue(short.segments.get(), due_at=NOW)
    assert expired() == expected


def test_a_provider_of_one_model_does_not_keep_another_waiting(place: Place) -> None:
    sold, other = place().segments.get(), place().segments.get()
    overdue(sold, due_at=NOW)
    overdue(other, due_at=NOW, model_slug="nobody-sells-it")
    assert expired() == 1
    assert Segment.objects.get(pk=sold.pk).state == S.WAITING


def test_what_is_not_due_before_its_time_is_over_is_given_up(place: Place) -> None:
    """Also beside what is tried once more: a provider asked to be left alone that long."""
    due, later = place().segments.get(), place().segments.get()
    overdue(due, due_at=NOW)
    overdue(later)
    assert expired() == 1
    assert Segment.objects.get(pk=due.pk).state == S.WAITING


# --- turns and charges ------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "seconds"), [(1, 1), (59, 59), (60, 60), (61, 60), (9000, 60)])
def test_short_jobs_are_joined_before_long_ones_for_a_minute(
    job: Job, count: int, seconds: int
) -> None:
    piece = given_up(job, JobState.FAILED)
    set_all(Job, segment_count=count)
    found = written(job, lambda: lifecycle.deliver_late(piece, SOUND))
    assert found.job["join_turn"] == in_seconds(seconds)


def charges(job: Job) -> Sequence[tuple[str, int]]:
    ends = LedgerEntry.objects.filter(job_id=job.pk).exclude(kind=LedgerEntry.Kind.HOLD)
    return list(ends.order_by("pk").values_list("kind", "held_delta"))


@pytest.mark.parametrize("ends_with", ["piece", "join"])
def test_where_no_price_was_agreed_on_nothing_is_owed(short: Job, ends_with: str) -> None:
    Job.objects.filter(pk=short.pk).update(price=None)
    lifecycle.record(held(short), as_ordered(short) if ends_with == "piece" else SOUND)
    if ends_with == "join":
        lifecycle.finish(Job.objects.get(pk=short.pk), **RESULT)
    short.refresh_from_db()
    assert (short.state, short.charged) == (JobState.SUCCEEDED, 0)
    assert charges(short) == [("release", -short.quoted)]


def test_the_delivered_share_is_charged_as_it_was_quoted(place: Place, wallet: Wallet) -> None:
    Offer.objects.update(max_characters=150)
    Price.objects.update(millicredits_per_unit=3)
    job = place(TEXT)
    Price.objects.update(millicredits_per_unit=999)
    spoken(job)
    missing = 3 * job.segments.get(index=1).units
    assert lifecycle.finish(job, **RESULT)
    assert charges(job) == [("capture", missing - job.quoted), ("release", -missing)]


@pytest.mark.parametrize("end", ["fail", "cancel", "finish"])
def test_what_a_key_is_taken_to_have_spent_is_what_was_charged(
    place: Place, ada: User, wallet: Wallet, end: str
) -> None:
    key, _ = keys.issue_key(ada)
    Offer.objects.update(max_characters=150)
    job = place(TEXT, api_key=key)
    lifecycle.record(held(job), SOUND)
    if end == "fail":
        lifecycle.fail(job, code="x", message="y")
    elif end == "cancel":
        lifecycle.cancel(job)
    else:
        lifecycle.finish(job, **RESULT)
    charged = 0 if end == "fail" else job.segments.get(index=0).units
    assert spending.of_key(key).in_all == charged
