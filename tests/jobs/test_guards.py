"""Guards that only show when they are missing: each test dies without the one that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, OperationalError, connection, transaction

from jobs import batches, callbacks, lifecycle, outbound
from jobs.errors import OrderError
from jobs.models import Callback, Delivery, Job, Segment, Upload
from jobs.outcomes import Delivered, Refused
from jobs.placing import Origin
from jobs.states import JobState, SegmentState
from speechsite.accounts import keys
from speechsite.accounts.models import User
from speechsite.api import limits
from speechsite.api.auth import Caller
from speechsite.api.errors import CapReached, ConcurrencyLimited
from speechsite.credits.errors import NoHold
from speechsite.credits.models import LedgerEntry, Wallet
from speechsite.upstreams.models import Channel, Offer
from tests.fakes.tones import tone
from tests.jobs.conftest import claimed, delivered
from voices.models import SpeechModel, Voice

Place = Callable[..., Job]


def recording_of(user: User) -> Upload:
    return Upload.objects.create(
        user=user, file="uploads/a.wav", name="a.wav", media_type="audio/wav", size=1,
        duration_ms=2000, sha256="0" * 64,
    )  # fmt: skip


@dataclass
class Desk:
    """Places each kind of order, with what differs between two of them."""

    voice: Voice

    def speech(self, user: User, origin: Origin) -> Job:
        model = SpeechModel.objects.get(slug="builtin-speech")
        return lifecycle.place(user, model=model, voice=self.voice, text="Hello.", origin=origin)

    def dialogue(self, user: User, origin: Origin) -> Job:
        model = SpeechModel.objects.get(slug="elevenlabs-dialogue-v3")
        lines = [(self.voice, "Ready?"), (self.voice, "Ready!")]
        return lifecycle.place_dialogue(user, model=model, lines=lines, origin=origin)

    def cleaning(self, user: User, origin: Origin) -> Job:
        model = SpeechModel.objects.get(slug="elevenlabs-audio-isolation")
        upload = recording_of(user)
        return lifecycle.place_cleaning(user, model=model, upload=upload, origin=origin)

    def of(self, kind: str, user: User, origin: Origin) -> Job:
        made: Job = getattr(self, kind)(user, origin)
        return made


KINDS = ("speech", "dialogue", "cleaning")


@pytest.fixture
def desk(voice: Voice, wallet: Wallet) -> Desk:
    return Desk(voice)


# --- placing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_work_of_a_test_key_runs_on_the_built_in_engine(desk: Desk, ada: User, kind: str) -> None:
    job = desk.of(kind, ada, Origin(is_test=True))
    assert (job.quoted, job.is_test) == (0, True)
    for slug in job.segments.values_list("model_slug", flat=True):
        assert slug.startswith("builtin-")


def test_a_dialogue_of_a_live_key_is_spoken_by_its_own_model(
    desk: Desk, ada: User, wallet: Wallet
) -> None:
    model = SpeechModel.objects.get(slug="builtin-speech")
    lines = [(desk.voice, "Ready?"), (desk.voice, "Ready!")]
    job = lifecycle.place_dialogue(ada, model=model, lines=lines)
    assert set(job.segments.values_list("model_slug", flat=True)) == {"builtin-speech"}
    assert job.quoted > 0


@pytest.mark.parametrize("is_test", [True, False])
def test_nobody_cleans_the_recording_of_another(
    catalogue: None, ada: User, ben: User, is_test: bool
) -> None:
    model = SpeechModel.objects.get(slug="builtin-cleaning")
    origin = Origin(is_test=is_test)
    with pytest.raises(OrderError) as refused:
        lifecycle.place_cleaning(ada, model=model, upload=recording_of(ben), origin=origin)
    assert refused.value.code == "file_not_found"
    assert not Job.objects.exists()


def test_a_deleted_recording_is_not_cleaned(catalogue: None, ada: User) -> None:
    upload = recording_of(ada)
    upload.deleted_at = datetime(2026, 1, 1, tzinfo=UTC)
    upload.save()
    model = SpeechModel.objects.get(slug="builtin-cleaning")
    with pytest.raises(OrderError) as refused:
        lifecycle.place_cleaning(ada, model=model, upload=upload)
    assert refused.value.code == "file_not_found"


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_of_two_people_names_two_jobs(
    desk: Desk, ada: User, ben: User, kind: str
) -> None:
    origin = Origin(idempotency_key="order-1", is_test=True)
    first, other = desk.of(kind, ada, origin), desk.of(kind, ben, origin)
    assert (first.user, other.user) == (ada, ben)
    assert first.pk != other.pk
    assert not other.is_replay
    again = desk.of(kind, ben, origin)
    assert (again.pk, again.is_replay) == (other.pk, True)


def test_a_refused_order_is_not_answered_with_the_job_of_another(
    place: Place, ada: User, ben: User
) -> None:
    place(idempotency_key="order-1")
    with pytest.raises(OrderError):
        place("", user=ben, idempotency_key="order-1")
    assert place("", user=ada, idempotency_key="order-1").is_replay


# --- limits ----------------------------------------------------------------------------------


def test_a_monthly_cap_counts_the_month(place: Place, ada: User, wallet: Wallet) -> None:
    key, _ = keys.issue_key(ada, monthly_cap=100)
    caller = Caller(ada, key)
    with time_machine.travel(datetime(2026, 5, 31, 12, tzinfo=UTC), tick=False):
        place("x" * 90, api_key=key)
    with time_machine.travel(datetime(2026, 6, 3, 12, tzinfo=UTC), tick=False):
        limits.check_caps(caller, place("x" * 80, api_key=key))
    with time_machine.travel(datetime(2026, 6, 20, 12, tzinfo=UTC), tick=False):
        limits.check_caps(caller, place("x" * 20, api_key=key))
        with pytest.raises(CapReached) as reached:
            limits.check_caps(caller, place("x", api_key=key))
    assert reached.value.limit == "key_monthly_cap"


def test_only_ones_own_work_counts_against_the_jobs_at_once(
    place: Place, ada: User, ben: User, wallet: Wallet
) -> None:
    assert ada.plan is not None
    ada.plan.concurrent_jobs = 1
    ada.plan.save()
    caller = Caller(ada, keys.issue_key(ada)[0])
    place(user=ben, source=Job.Source.API)
    assert limits.check_concurrency(caller) == 0
    place(user=ada, source=Job.Source.API)
    assert limits.check_concurrency(caller) == 1
    place(user=ada, source=Job.Source.API)
    with pytest.raises(ConcurrencyLimited):
        limits.check_concurrency(caller)


# --- endings ---------------------------------------------------------------------------------


def without_hold(user: User, model: SpeechModel, state: str = JobState.PROCESSING) -> Segment:
    """A job whose end cannot be paid for: everything up to there has to be undone."""
    job = Job.objects.create(user=user, model=model, state=state, quoted=5, segment_count=1)
    return Segment.objects.create(
        job=job, user=user, index=0, model_slug=model.slug, state=SegmentState.SUBMITTING
    )


def as_ordered(segment: Segment) -> Delivered:
    return Delivered("jobs/x.mp3", segment.job.output_format, 500, size=100)


def fail(segment: Segment) -> None:
    lifecycle.fail(segment.job, code="x", message="y")


def cancel(segment: Segment) -> None:
    lifecycle.cancel(segment.job)


def refuse(segment: Segment) -> None:
    lifecycle.record(segment, Refused("x", "y"))


def deliver(segment: Segment) -> None:
    lifecycle.record(segment, as_ordered(segment))


def finish(segment: Segment) -> None:
    lifecycle.finish(segment.job, audio="jobs/a.mp3", size=1, duration_ms=500, peaks=[1])


def give_up(segment: Segment) -> None:
    Job.objects.filter(pk=segment.job_id).update(is_joinable=True, join_attempts=2)
    lifecycle.give_up_joining(segment.job, "no")


@pytest.mark.parametrize("end", [fail, cancel, refuse, deliver, finish, give_up])
def test_an_end_that_cannot_settle_is_no_end(
    ada: User, model: SpeechModel, end: Callable[[Segment], None]
) -> None:
    segment = without_hold(ada, model)
    with pytest.raises(NoHold):
        end(segment)
    job = Job.objects.get(pk=segment.job_id)
    assert (job.state, job.finished_at, job.audio) == (JobState.PROCESSING, None, "")
    assert (job.is_joinable, job.join_attempts) == ((True, 2) if end is give_up else (False, 0))
    segment.refresh_from_db()
    assert (segment.state, segment.audio) == (SegmentState.SUBMITTING, "")


@pytest.mark.parametrize("state", [JobState.CANCELED, JobState.FAILED, JobState.SUCCEEDED])
def test_a_piece_of_a_job_that_is_over_does_not_end_it_once_more(
    place: Place, wallet: Wallet, state: JobState
) -> None:
    job = place()
    segment = claimed(job.segments.get())
    Job.objects.filter(pk=job.pk).update(state=state)
    with pytest.raises(RuntimeError, match="is over"):
        lifecycle.record(segment, as_ordered(segment))
    segment.refresh_from_db()
    job.refresh_from_db()
    assert (segment.state, job.state, job.charged) == (SegmentState.SUBMITTING, state, 0)
    assert not LedgerEntry.objects.filter(kind=LedgerEntry.Kind.CAPTURE).exists()


@pytest.mark.parametrize(
    ("state", "origin", "expected"),
    [
        (SegmentState.SUBMITTING, Channel.Origin.ADMIN, True),
        (SegmentState.RUNNING, Channel.Origin.ADMIN, True),
        (SegmentState.UNKNOWN, Channel.Origin.ADMIN, True),
        (SegmentState.WAITING, Channel.Origin.ADMIN, False),
        (SegmentState.SUBMITTING, Channel.Origin.BUILTIN, False),
    ],
)
def test_what_a_provider_may_still_bill_is_marked_when_its_job_is_closed(
    place: Place, state: SegmentState, origin: str, expected: bool
) -> None:
    job = place()
    channel = Channel.objects.create(slug="x", name="X", adapter="kie", origin=origin)
    job.segments.update(state=state, channel=channel)
    lifecycle.cancel(job)
    segment = job.segments.get()
    assert (segment.state, segment.possible_cost) == (SegmentState.FAILED, expected)


def test_the_database_refuses_a_charge_above_the_quote(place: Place) -> None:
    job = place()
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(charged=job.quoted + 1)
    Job.objects.filter(pk=job.pk).update(charged=job.quoted)


# --- batches ---------------------------------------------------------------------------------


def stored(name: str = "jobs/late.flac") -> Delivered:
    return Delivered(
        default_storage.save(name, ContentFile(tone("flac_22050", 300))), "flac_22050", 300
    )


def unwritable(segment: Segment) -> Delivered:
    """Sound with word times that no database takes."""
    made = delivered(segment)
    return Delivered(made.audio, made.audio_format, made.duration_ms, words=[[object()]])  # type: ignore[list-item]


def test_an_outcome_that_cannot_be_written_fails_alone_and_its_sound_goes(
    place: Place, wallet: Wallet
) -> None:
    good, bad = claimed(place().segments.get()), claimed(place().segments.get())
    kept, lost = delivered(good), unwritable(bad)
    batches.record([(bad, lost), (good, kept)])
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.state, bad.state) == (SegmentState.DONE, SegmentState.FAILED)
    assert (bad.failure_code, bad.possible_cost) == ("internal_error", True)
    assert default_storage.exists(kept.audio)
    assert not default_storage.exists(lost.audio)


def test_a_batch_that_is_written_twice_keeps_its_sound(place: Place) -> None:
    segment = claimed(place().segments.get())
    batch = [(segment, delivered(segment))]
    batches.record(batch)
    batches.record(batch)
    segment.refresh_from_db()
    assert segment.audio == batch[0][1].audio
    assert default_storage.exists(segment.audio)


def test_a_sound_that_came_second_is_removed_and_the_first_stays(place: Place) -> None:
    segment = claimed(place().segments.get())
    first, second = delivered(segment), stored()
    batches.record([(segment, first)])
    batches.record([(segment, second)])
    assert default_storage.exists(first.audio)
    assert not default_storage.exists(second.audio)


def test_while_the_database_is_away_nothing_is_thrown_away(place: Place) -> None:
    segment = claimed(place().segments.get())
    sound = delivered(segment)

    def away(*args: Any) -> None:
        raise OperationalError("the server closed the connection")

    with connection.execute_wrapper(away), pytest.raises(OperationalError):
        batches.record([(segment, sound)])
    segment.refresh_from_db()
    assert segment.state == SegmentState.SUBMITTING
    assert default_storage.exists(sound.audio)


# --- telling ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_callback_is_not_sent_before_its_job_is_over(place: Place) -> None:
    job = place()
    callbacks.ask(job, url="https://127.0.0.1/x", style="kie", origin="http://testserver")
    callbacks.deliver(lambda: False)
    callback = Callback.objects.get()
    assert (callback.attempts, callback.finished_at, callback.lease_until) == (0, None, None)
    lifecycle.cancel(job)
    callbacks.deliver(lambda: False)
    callback.refresh_from_db()
    assert callback.attempts == 1  # an address of this machine: refused, but tried


def test_a_rotated_key_keeps_all_its_rights_and_bounds(ada: User) -> None:
    given = {
        "name": "laptop", "mode": "test", "scopes": ["models:read"], "ip_allow": ["10.0.0.0/8"],
        "daily_cap": 1, "monthly_cap": 2, "total_cap": 3,
        "expires_at": datetime.now(UTC) + timedelta(days=90),
    }  # fmt: skip
    old, _ = keys.issue_key(ada, **given)
    fresh, _ = keys.rotate(old)
    assert {name: getattr(fresh, name) for name in given} == given


# --- what is told of an end ------------------------------------------------------------------


def test_the_end_of_a_job_of_one_piece_is_told_to_its_webhook(
    place: Place, ada: User, wallet: Wallet
) -> None:
    outbound.add_endpoint(ada, url="https://8.8.8.8/hook")
    segment = claimed(place().segments.get())
    assert lifecycle.record(segment, as_ordered(segment))
    assert Delivery.objects.get().event_type == "generation.succeeded"


def test_outcomes_of_several_jobs_are_written_together(place: Place, wallet: Wallet) -> None:
    pieces = [claimed(place().segments.get()) for _ in range(3)]
    assert lifecycle.record_all([(piece, delivered(piece)) for piece in pieces]) == [True] * 3


def test_pieces_that_ended_and_what_was_charged_are_told(place: Place, wallet: Wallet) -> None:
    Offer.objects.update(max_characters=150)
    job = place("One sentence of words. " * 12)
    first, second = (claimed(one) for one in job.segments.order_by("index"))
    lifecycle.record(first, delivered(first))
    lifecycle.record(second, Refused("rejected", "no"))
    assert lifecycle.finish(job, audio="jobs/a.mp3", size=1, duration_ms=500, peaks=[1])
    told = [(event.kind, event.data) for event in job.events.order_by("id")]
    job.refresh_from_db()
    assert ("segment_done", {"index": 0}) in told
    assert ("segment_failed", {"index": 1, "code": "rejected", "message": "no"}) in told
    assert told[-1] == ("succeeded", {"charged": job.charged, "problems": 1})
    assert 0 < job.charged < job.quoted
