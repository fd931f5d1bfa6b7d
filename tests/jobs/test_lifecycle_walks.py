"""Random walks through the story of jobs, beside a model of a few lines of plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from jobs import claims, lifecycle, moves
from jobs.models import Job, Segment
from jobs.outcomes import Accepted, Delivered, Lost, Outcome, Postponed, Refused, StillRunning
from jobs.states import FINAL_JOB, FINAL_SEGMENT, SegmentState, job_can_move, segment_can_move
from speechsite.accounts.models import User
from speechsite.credits import ledger, prices
from speechsite.credits.models import LedgerEntry, Wallet
from speechsite.upstreams.models import Channel, Offer
from voices import library
from voices.models import SpeechModel, Voice

FUNDS = 5_000
PIECE = 150
S = SegmentState

# Which states an outcome may find, and where it leads; all but Delivered count only from the
# worker that holds the piece.
FINDS: dict[type[Outcome], frozenset[S]] = {
    Accepted: frozenset({S.SUBMITTING, S.UNKNOWN}),
    StillRunning: frozenset({S.RUNNING, S.UNKNOWN}),
    Delivered: frozenset({S.SUBMITTING, S.RUNNING, S.UNKNOWN}),
    Postponed: frozenset({S.SUBMITTING, S.RUNNING, S.UNKNOWN}),
    Lost: frozenset({S.SUBMITTING, S.RUNNING}),
    Refused: frozenset({S.WAITING, S.SUBMITTING, S.RUNNING, S.UNKNOWN}),
}
LEADS: dict[type[Outcome], S | None] = {
    Accepted: S.RUNNING,
    StillRunning: None,
    Delivered: S.DONE,
    Postponed: S.WAITING,
    Lost: S.UNKNOWN,
    Refused: S.FAILED,
}
OUTCOMES: Sequence[Outcome] = (
    Accepted("task", 0),
    StillRunning(0),
    Delivered("jobs/x.flac", "flac_22050", 500),
    Delivered("jobs/y.flac", "flac_22050", 900),
    # As it was ordered: where it is all of a job, the job ends with it.
    Delivered("jobs/z.mp3", "mp3_44100_128", 700, size=9),
    Postponed("no", due_in=0),
    Postponed("slow down", due_in=0, counts=False),
    Lost("the answer"),
    Refused("rejected", "no"),
    Refused("unclear", "no", possible_cost=True),
)


@dataclass
class Piece:
    """A segment as the model sees it."""

    job: Ordered
    units: int
    state: S = S.WAITING
    worker: str = ""
    attempts: int = 0

    @property
    def is_live(self) -> bool:
        return self.state not in FINAL_SEGMENT


@dataclass
class Ordered:
    """A job as the model sees it; `charged` is None while its hold stands."""

    pk: UUID
    quoted: int
    pieces: dict[int, Piece] = field(default_factory=dict)
    charged: int | None = None
    failed_joins: int = 0
    is_joinable: bool = False
    has_audio: bool = False
    is_deleted: bool = False
    ending: str = ""

    @property
    def delivered(self) -> int:
        return sum(piece.units for piece in self.pieces.values() if piece.state == S.DONE)

    @property
    def has_sound(self) -> bool:
        return any(piece.state == S.DONE for piece in self.pieces.values())

    def end(self, ending: str, charged: int) -> None:
        self.ending, self.charged = ending, charged
        for piece in self.pieces.values():
            piece.state = S.FAILED if piece.is_live else piece.state


@dataclass(frozen=True)
class Copy:
    """What a worker has in its hands; it may speak of it late, and twice."""

    row: Segment
    worker: str
    attempts: int


class JobWalk(RuleBasedStateMachine):
    """Does everything twice: in the database and in the model."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        library.load()
        prices.load_default_prices()
        Channel.objects.update(concurrency=50)
        Offer.objects.update(max_characters=PIECE)
        self.user = User.objects.create_user("walk@example.com")
        self.wallet = Wallet.objects.create(user=self.user)
        ledger.grant(self.wallet, FUNDS, key="funds")
        self.model = SpeechModel.objects.get(slug="builtin-speech")
        self.voice = Voice.objects.get(family="builtin", external_id="en-us")
        self.available = FUNDS
        self.jobs: list[Ordered] = []
        self.pieces: dict[int, Piece] = {}
        self.copies: list[Copy] = []
        self.joins: list[Job] = []
        self.before: dict[int, str] = {}
        self.job_before: dict[UUID, str] = {}
        self.workers = 0

    @initialize(sizes=st.lists(st.integers(1, 3), min_size=2, max_size=4))
    def begin(self, sizes: list[int]) -> None:
        for size in sizes:
            self.place(size, is_test=False, key=None)
        self.claim(limit=6)

    # --- what people do ----------------------------------------------------------------------

    @rule(pieces=st.integers(1, 4), is_test=st.booleans(), key=st.sampled_from((None, "a", "b")))
    def place(self, pieces: int, is_test: bool, key: str | None) -> None:
        text = "One sentence of words. " * (6 * pieces)
        order = {"model": self.model, "voice": self.voice, "text": text, "is_test": is_test}
        known = Job.objects.filter(idempotency_key=key).first() if key else None
        cost = 0 if is_test else len(text)
        if known is None and cost > self.available:
            with pytest.raises(ledger.InsufficientCredits):
                lifecycle.place(self.user, **order, idempotency_key=key)
            return
        job = lifecycle.place(self.user, **order, idempotency_key=key)
        if known is not None:
            assert job.pk == known.pk
            return
        ordered = Ordered(job.pk, cost)
        self.available -= cost
        for segment in job.segments.all():
            piece = Piece(ordered, 0 if is_test else segment.units)
            ordered.pieces[segment.pk] = self.pieces[segment.pk] = piece
        self.jobs.append(ordered)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.jobs:
            job = data.draw(st.sampled_from(self.jobs))
            lifecycle.cancel(Job.objects.get(pk=job.pk))
            self._canceled(job)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if self.jobs:
            job = data.draw(st.sampled_from(self.jobs))
            lifecycle.delete(Job.objects.get(pk=job.pk))
            self._canceled(job)
            job.is_deleted, job.is_joinable = True, False

    # --- what workers do ---------------------------------------------------------------------

    @rule(limit=st.integers(1, 8))
    def claim(self, limit: int) -> None:
        for claim in claims.claim_waiting(self._worker(), limit=limit):
            piece = self.pieces[claim.segment.pk]
            assert piece.state == S.WAITING
            piece.state = S.SUBMITTING
            self._hold(piece, claim.segment)
            piece.attempts += 1
            self.copies.append(Copy(claim.segment, piece.worker, piece.attempts))

    @rule()
    def ask(self) -> None:
        for segment in claims.claim_due(self._worker(), limit=8):
            piece = self.pieces[segment.pk]
            assert piece.state in (S.RUNNING, S.UNKNOWN)
            self._hold(piece, segment)
            self.copies.append(Copy(segment, piece.worker, piece.attempts))

    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES), twice=st.booleans())
    def hear(self, data: st.DataObject, outcome: Outcome, twice: bool) -> None:
        """From anybody who ever held a piece, however late."""
        if self.copies:
            copy = data.draw(st.sampled_from(self.copies[-12:]))
            for _ in range(1 + twice):
                assert lifecycle.record(copy.row, outcome) == self._heard(copy, outcome)

    @rule(outcome=st.sampled_from(OUTCOMES), share=st.integers(1, 3))
    def hear_from_many(self, outcome: Outcome, share: int) -> None:
        """The same news of every piece, or of every second or third."""
        for copy in self.copies[::share]:
            assert lifecycle.record(copy.row, outcome) == self._heard(copy, outcome)

    @rule()
    def go_well(self) -> None:
        """All that waits is claimed and spoken."""
        self.claim(limit=8)
        for copy in self.copies[-8:]:
            assert lifecycle.record(copy.row, OUTCOMES[2]) == self._heard(copy, OUTCOMES[2])

    @rule()
    def let_leases_run_out(self) -> None:
        past = timezone.now() - timedelta(seconds=1)
        Segment.objects.filter(lease_until__isnull=False).update(lease_until=past)
        Segment.objects.filter(state=S.UNKNOWN).update(due_at=past)
        for segment in claims.expired():
            piece = self.pieces[segment.pk]
            copy = Copy(segment, piece.worker, segment.attempts)
            outcome = Lost("interrupted")
            assert lifecycle.record(segment, outcome) == self._heard(copy, outcome)

    @rule()
    def let_waiting_run_out(self) -> None:
        overdue = Segment.objects.filter(state=S.WAITING).exclude(waiting_reason="")
        now = timezone.now()
        overdue.update(deadline_at=now, due_at=now + timedelta(seconds=9))
        gone = list(overdue.values_list("pk", flat=True))
        assert lifecycle.expire_waiting() == len(gone)
        for pk in gone:
            self.pieces[pk].state = S.FAILED
        for job in {id(self.pieces[pk].job): self.pieces[pk].job for pk in gone}.values():
            self._note_last(job)

    @rule()
    def take_joins(self) -> None:
        Job.objects.update(join_lease_until=None)
        taken = claims.claim_joins("joiner", limit=5)
        ready = {job.pk for job in self.jobs if job.is_joinable}
        assert {job.pk for job in taken} <= ready
        assert len(taken) == min(5, len(ready))
        self.joins += taken

    @rule(data=st.data(), works=st.booleans())
    def join(self, data: st.DataObject, works: bool) -> None:
        """By anybody who ever had the job to join, however late."""
        if not self.joins:
            return
        row = data.draw(st.sampled_from(self.joins[-5:]))
        job = next(job for job in self.jobs if job.pk == row.pk)
        if works:
            kept = lifecycle.finish(row, audio="jobs/a.mp3", size=9, duration_ms=9, peaks=[1])
            assert kept == self._joined(job)
            return
        lifecycle.give_up_joining(row, "DurationMismatch")
        job.failed_joins += 1
        if job.failed_joins >= lifecycle.JOIN_ATTEMPTS:
            job.is_joinable = False
            if job.charged is None:
                self._end(job, "failed", 0)

    # --- the model ---------------------------------------------------------------------------

    def _worker(self) -> str:
        self.workers += 1
        return f"w{self.workers}"

    def _hold(self, piece: Piece, segment: Segment) -> None:
        piece.worker = segment.worker
        assert piece.worker == f"w{self.workers}"

    def _heard(self, copy: Copy, outcome: Outcome) -> bool:
        piece = self.pieces[copy.row.pk]
        counts = isinstance(outcome, Postponed) and outcome.counts
        if counts and copy.attempts >= moves.MAX_ATTEMPTS:
            outcome = Refused("x", "y")
        is_his = piece.worker == copy.worker or isinstance(outcome, Delivered)
        if piece.state not in FINDS[type(outcome)] or not is_his:
            return False
        if isinstance(outcome, Postponed):
            piece.attempts = copy.attempts if outcome.counts else copy.attempts - 1
        piece.state, piece.worker = LEADS[type(outcome)] or piece.state, ""
        if isinstance(outcome, Delivered) and outcome.size and len(piece.job.pieces) == 1:
            assert self._joined(piece.job)
        elif not piece.is_live:
            self._note_last(piece.job)
        return True

    def _note_last(self, job: Ordered) -> None:
        if any(piece.is_live for piece in job.pieces.values()):
            return
        if job.has_sound:
            job.is_joinable = True
        elif job.charged is None:
            self._end(job, "failed", 0)

    def _canceled(self, job: Ordered) -> None:
        if job.charged is None:
            self._end(job, "canceled", job.delivered)
            job.is_joinable = job.has_sound

    def _joined(self, job: Ordered) -> bool:
        if job.has_audio or job.is_deleted or job.ending == "failed":
            return False
        job.has_audio, job.is_joinable = True, False
        if job.charged is None:
            self._end(job, "succeeded", job.delivered)
        return True

    def _end(self, job: Ordered, ending: str, charged: int) -> None:
        job.end(ending, charged)
        self.available += job.quoted - charged

    # --- what must hold after each step ------------------------------------------------------

    @invariant()
    def pieces_stand_where_the_model_says_and_move_as_the_table_allows(self) -> None:
        now: dict[int, Any] = dict(Segment.objects.values_list("pk", "state"))
        assert now == {pk: piece.state for pk, piece in self.pieces.items()}
        for pk, state in now.items():
            was = self.before.get(pk, S.WAITING)
            # One step may hold two moves: a lost answer is found again, a failure is the last.
            ways = [middle for middle in S if segment_can_move(was, middle)]
            assert was == state or any(
                state == way or segment_can_move(way, state) for way in ways
            ), (was, state)
        self.before = now

    @invariant()
    def jobs_stand_where_the_model_says_and_never_come_back(self) -> None:
        now = dict(Job.objects.values_list("pk", "state"))
        for job in self.jobs:
            was = self.job_before.get(job.pk, "queued")
            assert now[job.pk] == (job.ending or now[job.pk])
            assert (now[job.pk] in FINAL_JOB) == (job.charged is not None)
            assert was == now[job.pk] or job_can_move(was, now[job.pk]) or was == "queued"
        self.job_before = now

    @invariant()
    def credits_are_held_for_open_jobs_and_for_nothing_else(self) -> None:
        held = sum(job.quoted for job in self.jobs if job.charged is None)
        found = Wallet.objects.values_list("available", "held").get(pk=self.wallet.pk)
        assert found == (self.available, held)

    @invariant()
    def a_job_ends_once_and_is_charged_what_was_delivered(self) -> None:
        for job in self.jobs:
            entries = LedgerEntry.objects.filter(job_id=job.pk).exclude(kind="hold")
            kinds = list(entries.values_list("kind", flat=True))
            assert len(kinds) == len(set(kinds))
            assert bool(kinds) == (job.charged is not None)
            assert -sum(entries.values_list("held_delta", flat=True)) == (
                job.quoted if job.charged is not None else 0
            )
            charged = Job.objects.values_list("charged", flat=True).get(pk=job.pk)
            assert charged == (job.charged or 0)

    def teardown(self) -> None:
        differences = ledger.audit()
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)
        assert differences == []


def test_random_walks_end_each_job_once(db: None, tmp_path: Path) -> None:
    run_state_machine_as_test(
        JobWalk,
        settings=settings(
            max_examples=40,
            stateful_step_count=20,
            deadline=None,
            phases=[Phase.generate],  # shrinking a story of 20 steps takes minutes
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
