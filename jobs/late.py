"""A result that comes after its segment was given up: its cost is written down, its sound given.

The credits went back when the segment failed, so there is nothing left to charge, and
what is over stays over. The person gets the sound for nothing.

A segment that failed and has a lease was asked about a moment ago.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from jobs import briefs, intake, lifecycle
from jobs.models import Segment
from jobs.outcomes import Delivered
from jobs.states import JobState, SegmentState
from speechsite.duties import leases, outbox
from speechsite.providers.base import Adapter
from speechsite.providers.errors import ProviderError, RateLimited, Unavailable, Unclear
from speechsite.providers.types import Order, UpstreamEvent, UpstreamState
from speechsite.upstreams import channels, secrets
from speechsite.upstreams.models import Channel

logger = logging.getLogger(__name__)

LOOK = "late look"  # the kind of duty
PAUSE = timedelta(minutes=1)  # however many copies of a callback come
PATIENCE = timedelta(days=1)  # providers keep results about as long
PASSING = (RateLimited, Unavailable, Unclear)


def notice(pk: int) -> None:
    """A callback came for a segment: if it was given up, see to it that the provider is asked."""
    now = timezone.now()
    with transaction.atomic():
        if _given_up(pk).filter(leases.free()).update(lease_until=now + PAUSE):
            outbox.add(LOOK, [str(pk)])


def look(key: str, _data: object = None) -> None:
    """Ask what became of the task; write down its cost and keep its sound. Safe to repeat.

    Raises ProviderError or SealBroken when it could not be had and is to be asked for again.
    """
    rows = _given_up(int(key))
    segment = rows.select_related("channel", "job", "job__model", "job__upload", "voice").first()
    if segment is None or segment.channel is None:
        return
    try:
        event, sound = asyncio.run(_asked(segment, segment.channel, _order(segment)))
    except (ProviderError, secrets.SealBroken) as error:
        if _has_time(segment):
            raise
        logger.warning("segment %s: a late result could not be had: %s", key, error)
        rows.update(lease_until=None)
        return
    if sound is not None and not lifecycle.deliver_late(segment, sound):
        intake.discard(sound.audio)
    _write_down(segment, event)


def _write_down(segment: Segment, event: UpstreamEvent) -> None:
    """What is known now of a piece that nobody got; of an order before it nothing is known."""
    known: dict[str, Any] = {"lease_until": None}
    if event.state == UpstreamState.FAILED:
        known |= {"possible_cost": segment.resends > 0}
    elif event.state == UpstreamState.SUCCEEDED and event.cost is not None:
        known |= {"upstream_cost": event.cost, "possible_cost": segment.resends > 0}
    _given_up(segment.pk).update(**known)


def _given_up(pk: int) -> QuerySet[Segment]:
    """The segment, if it failed while a provider may have gone on and its end is not known."""
    rows = Segment.objects.filter(pk=pk, state=SegmentState.FAILED, possible_cost=True)
    return rows.filter(upstream_cost__isnull=True, audio="").exclude(upstream_id="")


def _has_time(segment: Segment) -> bool:
    return segment.finished_at is None or timezone.now() - segment.finished_at < PATIENCE


def _order(segment: Segment) -> Order | None:
    """What the adapter is told when it fetches; None when nobody is to have the sound."""
    job = segment.job
    offer = briefs.offers_of([segment]).get(segment.pk)
    if offer is None or job.deleted_at is not None or job.state == JobState.CANCELED:
        return None
    return briefs.brief(segment, offer)


async def _asked(
    segment: Segment, channel: Channel, order: Order | None
) -> tuple[UpstreamEvent, Delivered | None]:
    async with channels.open_adapter(channel) as adapter:
        event = await adapter.check(segment.upstream_id)
        if event.state != UpstreamState.SUCCEEDED or order is None:
            return event, None
        return event, await _fetched(adapter, event, order, segment)


async def _fetched(
    adapter: Adapter, event: UpstreamEvent, order: Order, segment: Segment
) -> Delivered | None:
    """The sound, checked and stored; None when it is damaged or gone for good."""
    try:
        return await intake.receive(
            adapter.fetch(event, order), segment, cost=event.cost, upstream_id=event.upstream_id
        )
    except ProviderError as error:
        if isinstance(error, PASSING) and _has_time(segment):
            raise
        logger.warning("segment %s: the late audio cannot be used: %s", segment.pk, error)
        return None
