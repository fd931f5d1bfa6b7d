"""What room the channels have, for whoever gives work to them; one at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from jobs.models import Segment
from jobs.states import SegmentState
from speechsite.core import sql
from speechsite.upstreams import routing
from speechsite.upstreams.models import Channel, Offer

IN_FLIGHT = (SegmentState.SUBMITTING, SegmentState.RUNNING)
RATE_MARGIN = timedelta(seconds=0.5)  # between our clock and the provider's

_ENABLED = Channel.objects.filter(is_enabled=True).order_by("pk")
_BUSY = """
    SELECT channel_id, COUNT(*) FROM jobs_segment
    WHERE state IN (%s, %s) AND channel_id IN ({}) AND id NOT IN ({}) GROUP BY channel_id
"""


def board(offers: Iterable[Offer], now: datetime, over: Collection[int] = ()) -> routing.Board:
    """The offers with the room that is left on their channels.

    `over` are pieces whose calls have ended, though that is not yet written.

    Belongs in a transaction, which has the board for itself until it ends: two would both
    see the last free place of a channel.
    """
    offers = list(offers)
    channels = {offer.channel_id: offer.channel for offer in offers}
    lock(_ENABLED, no_key=True)
    return routing.board(offers, _busy(channels, over), _recent(channels.values(), now))


def lock(rows: QuerySet[Any], *, no_key: bool = False) -> None:
    """Hold rows until the transaction ends; SQLite's transactions are alone anyway."""
    if connection.features.has_select_for_update:
        list(rows.select_for_update(no_key=no_key).values_list("pk", flat=True))


def _busy(channels: Collection[int], over: Collection[int]) -> dict[int, int]:
    if not channels:
        return {}
    over = over or (0,)  # nobody's number: a list must not be empty
    statement = _BUSY.format(sql.marks(len(channels)), sql.marks(len(over)))
    return dict(sql.rows(statement, (*IN_FLIGHT, *channels, *over)))


def _recent(channels: Iterable[Channel], now: datetime) -> dict[int, int]:
    """Calls begun inside each limited channel's window."""
    counts: dict[int, int] = {}
    for channel in channels:
        if channel.rate_count is None:
            continue
        since = now - timedelta(seconds=channel.rate_seconds) - RATE_MARGIN
        of_channel = Segment.objects.filter(channel=channel)
        # A call that is being made may reach the provider at any moment from now on. Two
        # questions: for one with "or" the database would read all that the channel ever did.
        late = of_channel.filter(state=SegmentState.SUBMITTING).exclude(submitted_at__gt=since)
        counts[channel.pk] = of_channel.filter(submitted_at__gt=since).count() + late.count()
    return counts
