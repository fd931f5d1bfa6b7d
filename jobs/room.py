"""What room the channels have, for whoever gives work to them; one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet

from jobs.models import Segment
from jobs.states import SegmentState
from speechsite.upstreams import routing
from speechsite.upstreams.models import Channel, Offer

IN_FLIGHT = (SegmentState.SUBMITTING, SegmentState.RUNNING)
RATE_MARGIN = timedelta(seconds=0.5)  # between our clock and the provider's


def board(offers: Iterable[Offer], now: datetime) -> routing.Board:
    """The offers with the room that is left on their channels.

    Belongs in a transaction, which has the board for itself until it ends: two would both
    see the last free place of a channel.
    """
    offers = list(offers)
    channels = {offer.channel_id: offer.channel for offer in offers}
    lock(Channel.objects.filter(is_enabled=True).order_by("pk"), no_key=True)
    return routing.board(offers, _busy(channels), _recent(channels.values(), now))


def lock(rows: QuerySet[Any], *, no_key: bool = False) -> None:
    """Hold rows until the transaction ends; SQLite's transactions are alone anyway."""
    if connection.features.has_select_for_update:
        list(rows.select_for_update(no_key=no_key).values_list("pk", flat=True))


def _busy(channels: Iterable[int]) -> dict[int, int]:
    rows = Segment.objects.filter(state__in=IN_FLIGHT, channel__in=list(channels)).order_by()
    return dict(rows.values_list("channel_id").annotate(Count("pk")))


def _recent(channels: Iterable[Channel], now: datetime) -> dict[int, int]:
    """Calls begun inside each limited channel's window."""
    counts: dict[int, int] = {}
    for channel in channels:
        if channel.rate_count is None:
            continue
        since = now - timedelta(seconds=channel.rate_seconds) - RATE_MARGIN
        # A call that is being made may reach the provider at any moment from now on.
        begun = Q(submitted_at__gt=since) | Q(state=SegmentState.SUBMITTING)
        counts[channel.pk] = Segment.objects.filter(begun, channel=channel).count()
    return counts
