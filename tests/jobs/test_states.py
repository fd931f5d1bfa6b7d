"""Every allowed and every refused move, as full tables."""

import itertools

import pytest

from jobs import states
from jobs.states import JobState, SegmentState, job_can_move, segment_can_move

J, S = JobState, SegmentState

JOB_TABLE = {
    (J.QUEUED, J.PROCESSING), (J.QUEUED, J.FAILED), (J.QUEUED, J.CANCELED),
    (J.PROCESSING, J.SUCCEEDED), (J.PROCESSING, J.FAILED), (J.PROCESSING, J.CANCELED),
}  # fmt: skip
SEGMENT_TABLE = {
    (S.WAITING, S.SUBMITTING), (S.WAITING, S.FAILED),
    (S.SUBMITTING, S.WAITING), (S.SUBMITTING, S.RUNNING), (S.SUBMITTING, S.UNKNOWN),
    (S.SUBMITTING, S.DONE), (S.SUBMITTING, S.FAILED),
    (S.RUNNING, S.WAITING), (S.RUNNING, S.UNKNOWN), (S.RUNNING, S.DONE), (S.RUNNING, S.FAILED),
    (S.UNKNOWN, S.WAITING), (S.UNKNOWN, S.RUNNING), (S.UNKNOWN, S.DONE), (S.UNKNOWN, S.FAILED),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), [*itertools.product(JobState, JobState)])
def test_a_job_moves_as_the_table_says(before: JobState, after: JobState) -> None:
    assert job_can_move(before, after) == ((before, after) in JOB_TABLE)


@pytest.mark.parametrize(("before", "after"), [*itertools.product(SegmentState, SegmentState)])
def test_a_segment_moves_as_the_table_says(before: SegmentState, after: SegmentState) -> None:
    assert segment_can_move(before, after) == ((before, after) in SEGMENT_TABLE)


def test_what_is_final_never_moves_again_and_all_else_is_live() -> None:
    assert {J.SUCCEEDED, J.FAILED, J.CANCELED} == states.FINAL_JOB
    assert {J.QUEUED, J.PROCESSING} == states.LIVE_JOB
    assert {S.DONE, S.FAILED} == states.FINAL_SEGMENT
    assert {S.WAITING, S.SUBMITTING, S.RUNNING, S.UNKNOWN} == states.LIVE_SEGMENT
