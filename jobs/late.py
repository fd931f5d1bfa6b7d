"""A result that comes after its segment was given up: what it cost is written down.

The credits went back when the segment failed, so there is nothing left to charge, and
what is over stays over. Only the administrator's books learn from it.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from jobs.models import Segment
from jobs.states import SegmentState
from speechsite.core import queue
from speechsite.providers.errors import ProviderError
from speechsite.providers.types import UpstreamEvent, UpstreamState
from speechsite.upstreams import channels, secrets
from speechsite.upstreams.models import Channel

logger = logging.getLogger(__name__)

ASK = "jobs.late.ask"
PAUSE = timedelta(minutes=1)  # however many copies of a callback come


def notice(pk: int) -> None:
    """A callback came for a segment: if it was given up, see to it that the provider is asked."""
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    if _given_up(pk).filter(free).update(lease_until=now + PAUSE):
        queue.enqueue(ASK, pk)


def ask(pk: int) -> None:
    """Ask what became of the task, and write down what it cost. Safe to repeat."""
    segment = _given_up(pk).select_related("channel").first()
    if segment is None or segment.channel is None:
        return
    try:
        event = asyncio.run(_asked(segment.channel, segment.upstream_id))
    except (ProviderError, secrets.SealBroken) as error:
        logger.warning("segment %s: a late result could not be asked about: %s", pk, error)
        return
    if event.state == UpstreamState.FAILED:
        _given_up(pk).update(possible_cost=False)
    elif event.state == UpstreamState.SUCCEEDED and event.cost is not None:
        _given_up(pk).update(upstream_cost=event.cost, possible_cost=False)


def _given_up(pk: int) -> QuerySet[Segment]:
    """The segment, if it failed while a provider may have gone on and its cost is not known."""
    rows = Segment.objects.filter(pk=pk, state=SegmentState.FAILED, possible_cost=True)
    return rows.filter(upstream_cost__isnull=True).exclude(upstream_id="")


async def _asked(channel: Channel, upstream_id: str) -> UpstreamEvent:
    async with channels.open_adapter(channel) as adapter:
        return await adapter.check(upstream_id)
