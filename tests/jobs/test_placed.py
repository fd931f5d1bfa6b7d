"""What an order writes: every column of the job and of its pieces, for each kind of order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, models
from django_q.models import OrmQ

from jobs import lifecycle, placing
from jobs.errors import OrderError, SiteFull
from jobs.models import Job, JobEvent, Segment, Upload
from jobs.placing import Origin, Speaker
from jobs.states import JobState, SegmentState
from speechsite.accounts import keys
from speechsite.accounts.models import User
from speechsite.audio.wording import Wording
from speechsite.core.holders import LEASE
from speechsite.credits import prices
from speechsite.credits.errors import InsufficientCredits, RestrictedCredits
from speechsite.credits.models import LedgerEntry, Price, Wallet
from speechsite.upstreams.models import Channel, Offer
from voices.models import SpeechModel, Voice

NOW = datetime(2026, 5, 30, 12, tzinfo=UTC)
API = Job.Source.API
# What is spoken of it has another length than what was sent, and not all of that counts.
WORDING = Wording("Dr. No is here.", ((0, 3, "Doctor\u200b"),))
TEXT = "One sentence of words. " * 17


def given(row: models.Model) -> dict[str, Any]:
    """The columns that are not as by default, as they are written, without those that never are."""
    row = type(row)._base_manager.get(pk=row.pk)
    found = {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if getattr(row, field.attname) != field.get_default()
    }
    return {name: value for name, value in found.items() if name not in ("id", "token")}


def placed(order: Callable[[], Job]) -> Job:
    with time_machine.travel(NOW, tick=False):
        return order()


def told(job: Job) -> list[tuple[str, int | None, dict[str, Any]]]:
    return [(one.kind, one.segment_id, one.data) for one in job.events.order_by("pk")]


@pytest.fixture
def desk(ada: User, model: SpeechModel, voice: Voice, wallet: Wallet) -> Callable[..., Job]:
    """Takes an order for speech as the API gives it."""

    def order(text: str | Wording = "Hello.", user: User = ada, **more: Any) -> Job:
        extra = {name: more.pop(name) for name in ("title", "output_format") if name in more}
        kinds = {name: more.pop(name) for name in ("voice_settings", "options") if name in more}
        origin = Origin(**more)
        return lifecycle.place(
            user, model=model, voice=voice, text=text, origin=origin, **extra, **kinds
        )

    return order


# --- speech ----------------------------------------------------------------------------------


def test_all_that_was_ordered_is_written_down(
    desk: Callable[..., Job], ada: User, model: SpeechModel, voice: Voice, settings: Any
) -> None:
    settings.WAITING_DEADLINE_SECONDS = 1234
    Price.objects.update(millicredits_per_unit=3)
    key, _ = keys.issue_key(ada)
    job = placed(
        lambda: desk(
            WORDING, title="  Morning  ", output_format="flac_22050",
            voice_settings={"speed": 1.25}, options={"seed": 5}, source=API, api_key=key,
            idempotency_key="order-1", request_hash="h" * 64, asked={"model": "m"},
        )
    )  # fmt: skip
    assert given(job) == {
        "user_id": ada.pk, "api_key_id": key.pk, "source": "api", "title": "Morning",
        "text": "Dr. No is here.", "changes": [[0, 3, "Doctor\u200b"]], "characters": 18,
        "language": voice.language, "model_id": model.pk, "voice_id": voice.pk,
        "voice_settings": {"speed": 1.25}, "options": {"seed": 5}, "output_format": "flac_22050",
        "price_id": prices.price_of(model.slug).pk, "units": 18, "quoted": 54,
        "idempotency_key": "order-1", "request_hash": "h" * 64, "asked": {"model": "m"},
        "segment_count": 1, "created_at": NOW,
    }  # fmt: skip
    assert given(job.segments.get()) == {
        "job_id": job.pk, "user_id": ada.pk, "index": 0, "text": WORDING.spoken, "units": 18,
        "voice_id": voice.pk, "model_slug": model.slug, "due_at": NOW,
        "deadline_at": NOW + timedelta(seconds=1234),
    }  # fmt: skip
    assert told(job) == [("queued", None, {"segments": 1})]
    hold = LedgerEntry.objects.get(job_id=job.pk)
    assert (hold.key, hold.kind, hold.held_delta) == (f"hold:{job.pk}", "hold", 54)
    assert [row.task["func"] for row in OrmQ.objects.all()] == ["jobs.tasks.work"]


def test_what_is_said_of_an_order_may_be_said_without_an_origin(
    ada: User, model: SpeechModel, voice: Voice, wallet: Wallet
) -> None:
    key, _ = keys.issue_key(ada, mode="test")
    job = lifecycle.place(
        ada, model=model, voice=voice, text="Hello.", source=API, api_key=key, is_test=True,
        idempotency_key="order-1", reserve_seconds=30,
    )  # fmt: skip
    assert (job.source, job.api_key, job.is_test, job.idempotency_key) == (
        "api", key, True, "order-1",
    )  # fmt: skip
    assert job.segments.get().due_at > job.created_at + timedelta(seconds=29)


def test_the_pieces_of_an_order(desk: Callable[..., Job], voice: Voice) -> None:
    Offer.objects.update(max_characters=150)
    job = placed(lambda: desk(TEXT))
    pieces = list(job.segments.order_by("index"))
    texts = [piece.text for piece in pieces]
    assert "".join(texts) == TEXT
    assert [(one.index, one.start, one.units, one.voice_id) for one in pieces] == [
        (index, len("".join(texts[:index])), len(text), voice.pk)
        for index, text in enumerate(texts)
    ]
    assert told(job) == [("queued", None, {"segments": 3})]


@pytest.mark.parametrize(
    ("title", "kept"),
    [("", "Good morning."), (" \n", "Good morning."), (" Mine ", "Mine"), ("x" * 130, "x" * 120)],
)
def test_a_title(desk: Callable[..., Job], title: str, kept: str) -> None:
    assert placed(lambda: desk("Good morning.\nAll.", title=title)).title == kept


@pytest.mark.parametrize("source", list(Job.Source))
def test_only_a_program_may_order_a_rest(desk: Callable[..., Job], source: str) -> None:
    if source == API:
        job = desk("...", source=source)
        assert (job.units, job.quoted) == (0, 0)
    else:
        with pytest.raises(OrderError):
            desk("...", source=source)


def test_a_quote_counts_what_would_be_kept(model: SpeechModel) -> None:
    Price.objects.update(millicredits_per_unit=3)
    quote = lifecycle.quote_for(model, "a\0b\r\nc")
    assert (quote.units, quote.millicredits) == (4, 12)


# --- dialogues and recordings ----------------------------------------------------------------


def lines(voice: Voice, *texts: str) -> list[tuple[Voice | None, str | Wording]]:
    other = Voice.objects.exclude(pk=voice.pk).filter(family=voice.family).first()
    return [(voice if number % 2 == 0 else other, text) for number, text in enumerate(texts)]


def test_a_dialogue(ada: User, model: SpeechModel, voice: Voice, wallet: Wallet) -> None:
    said = lines(voice, "Ready?", "Yes!")
    origin = Origin(source=API, request_hash="h" * 64)
    job = placed(
        lambda: lifecycle.place_dialogue(
            ada, model=model, lines=said, voice_settings={"speed": 1.25}, options={"seed": 5},
            output_format="flac_22050", origin=origin,
        )
    )  # fmt: skip
    assert given(job) == {
        "user_id": ada.pk, "kind": "dialogue", "source": "api", "title": "Ready?",
        "text": "Ready?\nYes!", "characters": 11, "language": voice.language,
        "model_id": model.pk, "voice_id": voice.pk, "voice_settings": {"speed": 1.25},
        "options": {"seed": 5}, "output_format": "flac_22050",
        "price_id": prices.price_of(model.slug).pk, "units": 11, "quoted": 11,
        "request_hash": "h" * 64, "segment_count": 2, "created_at": NOW,
    }  # fmt: skip
    found = job.segments.order_by("index").values_list("text", "voice_id", "start")
    voices = [one.pk for one, _ in said if one is not None]
    assert list(found) == [("Ready?\n", voices[0], 0), ("Yes!", voices[1], 7)]


def test_a_dialogue_for_a_model_that_speaks_it_itself(
    ada: User, catalogue: None, wallet: Wallet
) -> None:
    model = SpeechModel.objects.get(slug="elevenlabs-dialogue-v3")
    liam = Voice.objects.create(family="elevenlabs", external_id="TX3L", name="L", language="en")
    said: list[tuple[Voice | None, str | Wording]] = [(liam, "Ready?"), (liam, "Yes!")]
    job = lifecycle.place_dialogue(ada, model=model, lines=said)
    piece = job.segments.get()
    assert (job.source, job.output_format) == ("portal", "mp3_44100_128")
    assert (piece.text, piece.model_slug, piece.units) == ("Ready?\nYes!", model.slug, job.units)
    assert piece.lines == [
        {"text": "Ready?", "voice": "TX3L"}, {"text": "Yes!", "voice": "TX3L"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "kept"), [("", "Ready?"), (" Ours ", "Ours"), ("x" * 130, "x" * 120)]
)
def test_the_title_of_a_dialogue(
    ada: User, model: SpeechModel, voice: Voice, wallet: Wallet, title: str, kept: str
) -> None:
    said = lines(voice, "Ready?")
    assert lifecycle.place_dialogue(ada, model=model, lines=said, title=title).title == kept


@pytest.mark.parametrize("source", list(Job.Source))
def test_only_a_program_may_order_a_dialogue_of_rests(
    ada: User, model: SpeechModel, voice: Voice, wallet: Wallet, source: str
) -> None:
    order = {"model": model, "lines": lines(voice, "...", "...")}
    if source == API:
        job = lifecycle.place_dialogue(ada, **order, origin=Origin(source=source))
        assert job.quoted == 0
    else:
        with pytest.raises(OrderError):
            lifecycle.place_dialogue(ada, **order, origin=Origin(source=source))


@pytest.fixture
def upload(ada: User) -> Upload:
    return Upload.objects.create(
        user=ada, file="uploads/a.wav", name="A walk.wav", media_type="audio/wav", size=1,
        duration_ms=2100, sha256="0" * 64,
    )  # fmt: skip


def test_a_cleaning(ada: User, catalogue: None, upload: Upload, wallet: Wallet) -> None:
    model = SpeechModel.objects.get(slug="builtin-cleaning")
    job = placed(
        lambda: lifecycle.place_cleaning(
            ada, model=model, upload=upload, output_format="flac_22050",
            origin=Origin(source=API, request_hash="h" * 64),
        )
    )  # fmt: skip
    assert given(job) == {
        "user_id": ada.pk, "kind": "isolation", "source": "api", "title": "A walk",
        "model_id": model.pk, "upload_id": upload.pk, "output_format": "flac_22050",
        "price_id": prices.price_of(model.slug).pk, "units": 3, "quoted": 30,
        "request_hash": "h" * 64, "segment_count": 1, "created_at": NOW,
    }  # fmt: skip
    piece = job.segments.get()
    assert (piece.text, piece.units, piece.model_slug) == ("", 3, model.slug)


@pytest.mark.parametrize(("title", "kept"), [(" Ours ", "Ours"), ("x" * 130, "x" * 120)])
def test_the_title_of_a_cleaning(
    ada: User, catalogue: None, upload: Upload, wallet: Wallet, title: str, kept: str
) -> None:
    model = SpeechModel.objects.get(slug="builtin-cleaning")
    job = lifecycle.place_cleaning(ada, model=model, upload=upload, title=title)
    assert (job.title, job.source, job.output_format) == (kept, "portal", "mp3_44100_128")


def test_a_cleaning_is_spoken_by_nobody(
    ada: User, catalogue: None, upload: Upload, wallet: Wallet
) -> None:
    model = SpeechModel.objects.get(slug="builtin-cleaning")
    origin = Origin(speaker=Speaker("we", lambda _offer: True))
    job = lifecycle.place_cleaning(ada, model=model, upload=upload, origin=origin)
    assert (job.state, job.segments.get().state) == (JobState.QUEUED, SegmentState.WAITING)


# --- what a wallet and a disk allow ----------------------------------------------------------


def test_what_an_account_never_opened_is_opened_by_its_first_order(
    desk: Callable[..., Job], eve: User, django_assert_num_queries: Any
) -> None:
    assert not Wallet.objects.filter(user=eve).exists()
    job = desk(user=eve)
    wallet = Wallet.objects.get(user=eve)
    assert wallet.held == job.quoted > 0


def test_an_order_knows_its_wallet(
    desk: Callable[..., Job], ada: User, django_assert_num_queries: Any
) -> None:
    fresh = User.objects.get(pk=ada.pk)
    desk(user=fresh)
    with django_assert_num_queries(0):
        assert fresh.wallet.user_id == ada.pk


def test_welcome_credits_buy_nothing_that_costs_somebody(
    eve: User, catalogue: None, settings: Any
) -> None:
    eve.emailaddress_set.all().delete()
    model = SpeechModel.objects.get(slug="elevenlabs-multilingual-v2")
    liam = Voice.objects.create(family="elevenlabs", external_id="TX3L", name="L", language="en")
    with pytest.raises(RestrictedCredits):
        lifecycle.place(eve, model=model, voice=liam, text="Hello.")
    assert not Job.objects.exists()
    assert lifecycle.place(eve, model=model, voice=liam, text="Hello.", is_test=True).quoted == 0


@pytest.mark.parametrize(("most", "is_taken"), [(None, True), (6, True), (5, False), (0, False)])
def test_no_more_is_held_than_was_shown(
    desk: Callable[..., Job], ada: User, most: int | None, is_taken: bool
) -> None:
    if is_taken:
        assert desk("Hello!", most=most).quoted == 6
        return
    with pytest.raises(OrderError) as refused:
        desk("Hello!", most=most)
    assert (refused.value.field, refused.value.code) == ("price", "price_changed")
    for model in (Job, Segment, JobEvent, OrmQ):
        assert not model.objects.exists()
    assert Wallet.objects.get(user=ada).held == 0


def test_a_limit_sees_the_hold_and_undoes_everything(desk: Callable[..., Job], ada: User) -> None:
    seen: list[tuple[Any, int]] = []

    def check(job: Job) -> None:
        seen.append((job.pk, Wallet.objects.get(user=ada).held))
        if len(seen) > 1:
            raise OrderError("limit", "Too much.", code="limit")

    job = desk("Hello!", check=check)
    with pytest.raises(OrderError):
        desk("Hello!", check=check)
    assert seen[0] == (job.pk, 6)
    assert seen[1][1] == 12
    assert list(Job.objects.all()) == [job]
    assert Wallet.objects.get(user=ada).held == 6


def test_a_full_disk_takes_no_order_but_knows_those_that_it_took(
    desk: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = desk(idempotency_key="order-1")
    monkeypatch.setattr(placing.disk, "is_short", lambda: True)
    again = desk(idempotency_key="order-1")
    assert (again.pk, again.is_replay) == (job.pk, True)
    for key in (None, "order-2"):
        with pytest.raises(SiteFull):
            desk(idempotency_key=key)
    assert Job.objects.count() == 1


# --- the same order twice --------------------------------------------------------------------


def test_an_order_that_is_sent_twice_is_one(desk: Callable[..., Job], ada: User) -> None:
    first = desk(idempotency_key="order-1")
    again = desk(idempotency_key="order-1")
    assert (first.is_replay, again.is_replay, again.pk) == (False, True, first.pk)
    assert Wallet.objects.get(user=ada).held == first.quoted


@pytest.mark.parametrize("key", [None, ""])
def test_orders_without_a_key_are_never_the_same(desk: Callable[..., Job], key: str | None) -> None:
    jobs = [desk(idempotency_key=key) for _ in range(2)]
    assert len({job.pk for job in jobs}) == 2
    assert {Job.objects.get(pk=job.pk).idempotency_key for job in jobs} == {None}


@pytest.mark.parametrize("key", [None, ""])
def test_a_refused_order_without_a_key_is_nobodys_replay(
    desk: Callable[..., Job], ada: User, model: SpeechModel, key: str | None
) -> None:
    desk()
    with pytest.raises(OrderError):
        desk("", idempotency_key=key)
    with pytest.raises(OrderError):
        lifecycle.place_dialogue(ada, model=model, lines=[], origin=Origin(idempotency_key=key))


def test_what_was_ordered_is_known_though_it_could_not_be_ordered_now(
    ada: User, model: SpeechModel, voice: Voice, upload: Upload, wallet: Wallet
) -> None:
    talk, walk = Origin(idempotency_key="talk"), Origin(idempotency_key="walk")
    cleaner = SpeechModel.objects.get(slug="builtin-cleaning")
    spoken = lifecycle.place_dialogue(ada, model=model, lines=lines(voice, "Ready?"), origin=talk)
    cleaned = lifecycle.place_cleaning(ada, model=cleaner, upload=upload, origin=walk)
    upload.deleted_at = NOW
    upload.save()
    again = [
        lifecycle.place_dialogue(ada, model=model, lines=[], origin=talk),
        lifecycle.place_cleaning(ada, model=cleaner, upload=upload, origin=walk),
    ]
    assert [job.pk for job in again] == [spoken.pk, cleaned.pk]
    assert all(job.is_replay for job in again)


def test_a_row_that_the_database_refuses_is_nobodys_replay(desk: Callable[..., Job]) -> None:
    def check(job: Job) -> None:
        raise IntegrityError("something else")

    with pytest.raises(IntegrityError, match="something else"):
        desk(check=check, idempotency_key="order-1")
    assert not Job.objects.exists()


def test_a_key_whose_order_cannot_be_paid_again_names_its_job(
    desk: Callable[..., Job], wallet: Wallet
) -> None:
    text = "x" * 60_000 + " end"
    job = desk(text, idempotency_key="order-1")
    assert desk(text, idempotency_key="order-1").pk == job.pk
    with pytest.raises(InsufficientCredits):
        desk(text)


# --- what begins at once ---------------------------------------------------------------------


def speaker(*slugs: str) -> Speaker:
    """One that can speak through these channels."""
    return Speaker("we", lambda offer: offer.channel.slug in slugs)


def builtin() -> Channel:
    return Channel.objects.get(adapter="builtin")


def test_who_speaks_an_order_has_its_first_piece(desk: Callable[..., Job]) -> None:
    Offer.objects.update(max_characters=150)
    channel = builtin()
    job = placed(lambda: desk(TEXT, speaker=speaker(channel.slug), reserve_seconds=30))
    first, *others = job.segments.order_by("index")
    row = given(job)
    assert (row["state"], row["started_at"]) == (JobState.PROCESSING, NOW)
    assert given(first) == {
        "job_id": job.pk, "user_id": job.user_id, "text": first.text, "units": first.units,
        "voice_id": job.voice_id, "model_slug": "builtin-speech", "index": 0,
        "deadline_at": first.deadline_at, "due_at": NOW + timedelta(seconds=30),
        "state": "submitting", "channel_id": channel.pk, "worker": "we", "attempts": 1,
        "submitted_at": NOW, "lease_until": NOW + LEASE,
    }  # fmt: skip
    for other in others:
        assert (other.state, other.worker, other.attempts) == (SegmentState.WAITING, "we", 0)
        assert other.due_at == NOW + timedelta(seconds=30)
    assert told(job) == [("queued", None, {"segments": 3}), ("started", None, {})]
    assert job.first_claim is not None
    claimed, offer = job.first_claim
    assert (claimed.pk, offer.channel) == (first.pk, channel)
    assert not OrmQ.objects.exists()  # nobody is to take the rest before


def test_what_is_not_kept_for_its_speaker_is_everybodys(desk: Callable[..., Job]) -> None:
    Offer.objects.update(max_characters=150)
    job = placed(lambda: desk(TEXT, speaker=speaker(builtin().slug)))
    first, *others = job.segments.order_by("index")
    assert (first.worker, {one.worker for one in others}) == ("we", {""})
    assert {one.due_at for one in others} == {NOW}
    assert OrmQ.objects.count() == 1


def test_what_is_kept_without_a_speaker_is_nobodys(desk: Callable[..., Job]) -> None:
    job = placed(lambda: desk(reserve_seconds=30))
    piece = job.segments.get()
    assert (piece.worker, piece.due_at) == ("", NOW + timedelta(seconds=30))
    assert (job.state, piece.state, OrmQ.objects.count()) == ("queued", "waiting", 0)


@pytest.mark.parametrize("why", ["no room", "not able", "another voice"])
def test_what_cannot_begin_at_once_waits(desk: Callable[..., Job], voice: Voice, why: str) -> None:
    able = speaker(builtin().slug)
    if why == "no room":
        Channel.objects.update(concurrency=0)
    if why == "not able":
        able = speaker()
    if why == "another voice":
        other = Channel.objects.create(slug="other", name="Other", adapter="kie", concurrency=5)
        Offer.objects.create(channel=other, model="builtin-speech", upstream_name="x")
        Voice.objects.filter(pk=voice.pk).update(listed_by=["kie"])
        voice.refresh_from_db()
        able = speaker("other")
    beside = desk("Beside it.")
    Job.objects.filter(pk=beside.pk).update(state=JobState.PROCESSING, started_at=NOW)
    job = placed(lambda: desk(speaker=able))
    piece = job.segments.get()
    for one in (job, Job.objects.get(pk=job.pk)):
        assert (one.state, one.started_at, one.first_claim) == (JobState.QUEUED, None, None)
    assert (piece.state, piece.worker, piece.channel_id) == (SegmentState.WAITING, "", None)
    assert told(job) == [("queued", None, {"segments": 1})]
    beside.refresh_from_db()
    assert (beside.state, beside.started_at) == (JobState.PROCESSING, NOW)


def test_a_voice_that_a_channel_has_begins_there(desk: Callable[..., Job], voice: Voice) -> None:
    other = Channel.objects.create(slug="other", name="Other", adapter="kie", concurrency=5)
    Offer.objects.create(channel=other, model="builtin-speech", upstream_name="x")
    Voice.objects.filter(pk=voice.pk).update(listed_by=["other"])
    voice.refresh_from_db()
    job = placed(lambda: desk(speaker=speaker("other")))
    assert job.segments.get().channel == other
