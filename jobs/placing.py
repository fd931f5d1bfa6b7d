"""Takes orders: one transaction holds the price, writes the job and wakes the worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import BigIntegerField
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import events, names, orders, room, spending
from jobs.errors import OrderError, SiteFull
from jobs.models import Job, Segment, Upload
from jobs.states import JobState, SegmentState
from speechsite.accounts.models import ApiKey, User
from speechsite.audio import markup
from speechsite.audio.wording import Wording
from speechsite.core import disk, queue, sql
from speechsite.core.holders import LEASE
from speechsite.credits import ledger, prices, welcome
from speechsite.credits.models import Wallet
from speechsite.upstreams import routing
from speechsite.upstreams.models import Offer
from voices.models import SpeechModel, Voice

WORK = "jobs.tasks.work"
DEFAULT_FORMAT = "mp3_44100_128"
_WALLET_OF_USER = Wallet._meta.get_field("user").remote_field
_WALLET = sql.Query(lambda user: Wallet.objects.filter(user_id=user), BigIntegerField())


@dataclass(frozen=True, slots=True)
class Speaker:
    """The process that speaks what it places: its name on leases, and what it can speak through."""

    name: str
    able: Callable[[Offer], bool]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who orders, how, and under which key; the same person's same key names the same job."""

    source: str = Job.Source.PORTAL
    api_key: ApiKey | None = None
    is_test: bool = False
    idempotency_key: str | None = None
    # The placing process speaks the pieces itself; workers leave them alone this long.
    reserve_seconds: float = 0.0
    # Somebody hears the beginning while the rest is made, so the first piece is a short one.
    is_heard: bool = True
    # It begins at once: the first piece is already taken when it is written.
    speaker: Speaker | None = None
    # Millicredits that were shown as the price: more is never held.
    most: int | None = None
    # Called inside the transaction, after the hold: the wallet's row is locked by then, so
    # limits on one person's orders are exact. Raising undoes everything.
    check: Callable[[Job], None] | None = None
    request_hash: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)


def place(
    user: User,
    *,
    model: SpeechModel,
    voice: Voice | None,
    text: str | Wording,
    voice_settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    title: str = "",
    output_format: str = DEFAULT_FORMAT,
    idempotency_key: str | None = None,
    source: str = Job.Source.PORTAL,
    api_key: ApiKey | None = None,
    is_test: bool = False,
    reserve_seconds: float = 0.0,
    origin: Origin | None = None,
) -> Job:
    """Take an order for speech.

    Raises OrderError or InsufficientCredits, and then nothing was written. The same
    person's same key returns the first job.
    """
    origin = origin or Origin(source, api_key, is_test, idempotency_key, reserve_seconds)
    try:
        prepared = orders.prepare(
            user,
            model=model,
            voice=voice,
            text=text,
            voice_settings=voice_settings or {},
            output_format=output_format,
            is_test=origin.is_test,
            may_be_silent=origin.source == Job.Source.API,
            options=options,
            is_heard=origin.is_heard,
        )
    except OrderError:
        # What could be ordered then may be refused now: its voice may be gone. Otherwise a
        # known key shows when the row is written; asking first would slow every order.
        if (first := _placed_before(user, origin)) is not None:
            return first
        raise
    job = _job(user, origin, prepared, model=model, voice=voice, output_format=output_format)
    job.title = (title.strip() or names.title_of(prepared.text.sent))[:120]
    return _write(job, prepared, origin)


def place_dialogue(
    user: User,
    *,
    model: SpeechModel,
    lines: Sequence[tuple[Voice | None, str | Wording]],
    voice_settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    title: str = "",
    output_format: str = DEFAULT_FORMAT,
    origin: Origin | None = None,
) -> Job:
    """Take an order for a dialogue: several voices, one job, one price."""
    origin = origin or Origin()
    if (first := _placed_before(user, origin)) is not None:
        return first
    prepared = orders.prepare_dialogue(
        user,
        model=model,
        lines=lines,
        voice_settings=voice_settings or {},
        output_format=output_format,
        is_test=origin.is_test,
        may_be_silent=origin.source == Job.Source.API,
        options=options,
    )
    voice = prepared.pieces[0].voice
    job = _job(user, origin, prepared, model=model, voice=voice, output_format=output_format)
    job.kind = Job.Kind.DIALOGUE
    job.title = (title.strip() or names.title_of(prepared.text.sent))[:120]
    return _write(job, prepared, origin)


def place_cleaning(
    user: User,
    *,
    model: SpeechModel,
    upload: Upload,
    title: str = "",
    output_format: str = DEFAULT_FORMAT,
    origin: Origin | None = None,
) -> Job:
    """Take an order to remove the noise from a recording, priced by its length."""
    origin = origin or Origin()
    if (first := _placed_before(user, origin)) is not None:
        return first
    prepared = orders.prepare_cleaning(
        user, model=model, upload=upload, output_format=output_format, is_test=origin.is_test
    )
    job = _job(user, origin, prepared, model=model, voice=None, output_format=output_format)
    job.kind = Job.Kind.ISOLATION
    job.upload = upload
    job.title = (title.strip() or PurePath(upload.name).stem)[:120]
    return _write(job, prepared, origin)


def quote_for(model: SpeechModel, text: str) -> prices.Quote:
    """What speaking a text would hold."""
    return orders.quoted(prices.price_of(model.slug), orders.normal(text))


def _placed_before(user: User, origin: Origin) -> Job | None:
    if not origin.idempotency_key:
        return None
    first = Job.objects.filter(user=user, idempotency_key=origin.idempotency_key).first()
    if first is not None:
        first.is_replay = True
    return first


def _job(
    user: User,
    origin: Origin,
    prepared: orders.Prepared,
    *,
    model: SpeechModel,
    voice: Voice | None,
    output_format: str,
) -> Job:
    return Job(
        user=user,
        api_key=origin.api_key,
        source=origin.source,
        is_test=origin.is_test,
        text=prepared.text.sent,
        changes=list(prepared.text.changes),
        characters=len(markup.countable(prepared.text.spoken)),
        language=voice.language if voice else "",
        model=model,
        voice=voice,
        voice_settings=prepared.voice_settings,
        options=prepared.options,
        output_format=output_format,
        price=prepared.quote.price,
        units=prepared.quote.units,
        quoted=0 if origin.is_test else prepared.quote.millicredits,
        idempotency_key=origin.idempotency_key or None,
        request_hash=origin.request_hash,
        asked=dict(origin.asked),
        segment_count=len(prepared.pieces),
    )


def _write(job: Job, prepared: orders.Prepared, origin: Origin) -> Job:
    if disk.is_short():
        return _only_again(job.user, origin)
    wallet = _wallet_of(job.user)
    welcome.check_buys(wallet, family=job.model.family, millicredits=job.quoted)
    try:
        with transaction.atomic():
            # The row goes in before the hold: a second copy of the same order stops at the
            # unique key instead of asking the wallet for credits it may not have twice.
            if origin.speaker is not None:
                job.state, job.started_at = JobState.PROCESSING, timezone.now()
            sql.insert(job)
            _check_price(job, origin)
            ledger.hold(wallet, job.quoted, key=f"hold:{job.pk}", job_id=job.pk)
            spending.held(job)
            if origin.check is not None:
                origin.check(job)
            segments = _segments(job, prepared, origin)
            told: list[events.Told] = [("queued", None, {"segments": job.segment_count})]
            if origin.speaker is not None:
                told += _begun(job, segments[0], prepared, origin.speaker)
            if len(segments) == 1:
                sql.insert(segments[0])
            else:
                Segment.objects.bulk_create(segments)
            events.tell_all(job, told)
            if not origin.reserve_seconds:
                queue.enqueue(WORK)
    except IntegrityError:
        first = _placed_before(job.user, origin)
        if first is None:
            raise
        return first
    return job


def _only_again(user: User, origin: Origin) -> Job:
    first = _placed_before(user, origin)
    if first is None:
        raise SiteFull
    return first


def _check_price(job: Job, origin: Origin) -> None:
    if origin.most is not None and job.quoted > origin.most:
        message = _("The price is higher than what was shown. Look at it and send the form again.")
        raise OrderError("price", message, code="price_changed")


def _begun(
    job: Job, first: Segment, prepared: orders.Prepared, speaker: Speaker
) -> list[events.Told]:
    """Take the first piece in the same breath, if some channel has room for it now."""
    now = timezone.now()
    board = room.board([offer for offer in prepared.offers if speaker.able(offer)], now)
    need = routing.Need(len(first.text), first.voice.listed_by if first.voice else ())
    try:
        offer = board.take(first.model_slug, need=need)
    except routing.NoChannel:
        job.state, job.started_at = JobState.QUEUED, None
        Job.objects.filter(pk=job.pk).update(state=job.state, started_at=None)
        return []
    first.state, first.channel, first.worker = SegmentState.SUBMITTING, offer.channel, speaker.name
    first.attempts, first.submitted_at, first.lease_until = 1, now, now + LEASE
    job.first_claim = first, offer
    return [("started", None, {})]


def _wallet_of(user: User) -> Wallet:
    """The wallet only by its key: what it holds is asked by the hold itself."""
    wallet = _WALLET.first(user.pk)
    if wallet is None:
        return ledger.open_wallet(user)
    # Not the other way round as well: two that know each other stay until somebody looks for
    # circles.
    _WALLET_OF_USER.set_cached_value(user, wallet)
    return wallet


def _segments(job: Job, prepared: orders.Prepared, origin: Origin) -> list[Segment]:
    now = timezone.now()
    deadline = now + timedelta(seconds=settings.WAITING_DEADLINE_SECONDS)
    return [
        Segment(
            job=job,
            user_id=job.user_id,
            index=index,
            text=piece.text,
            start=piece.start,
            voice=piece.voice,
            lines=piece.lines,
            units=piece.units,
            model_slug=prepared.model_slug,
            deadline_at=deadline,
            due_at=now + timedelta(seconds=origin.reserve_seconds),
            # Whose it is until then: should that process die, workers have it at once.
            worker=origin.speaker.name if origin.speaker and origin.reserve_seconds else "",
        )
        for index, piece in enumerate(prepared.pieces)
    ]
