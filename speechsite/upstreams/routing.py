"""Which channel takes a piece of work: by priority, weight, health and room."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import partial

from django.db.models import CharField, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from speechsite.core import sql
from speechsite.upstreams import health
from speechsite.upstreams.models import Channel, Offer


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a model cannot be taken now; being busy passes by itself."""

    text: str
    is_busy: bool = False


class NoChannel(Exception):
    """Nobody can take it now; `reason` is for people."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason.text
        self.is_busy = reason.is_busy


@dataclass(frozen=True, slots=True)
class Need:
    """What one piece asks of a channel beside its model."""

    characters: int = 0
    # Channels that have the voice; empty where all of its family do.
    listed_by: Collection[str] = ()

    def is_met_by(self, offer: Offer) -> bool:
        """Whether the piece is short enough and its voice is there."""
        if self.characters > offer.max_characters:
            return False
        # The built-in engine lends its own voices to test orders.
        is_lent = offer.channel.adapter == "builtin"
        return is_lent or not self.listed_by or offer.channel.slug in self.listed_by


ANY = Need()


def _on_sale() -> QuerySet[Offer]:
    return Offer.objects.filter(is_enabled=True, channel__is_enabled=True).select_related("channel")


_SOLD = sql.Query(_on_sale)
_SOLD_OF = sql.Query(lambda model: _on_sale().filter(model=model), CharField())


@dataclass(slots=True)
class Board:
    """A snapshot of all offers with the room left on each channel, for one round of claims.

    `take` uses the room up, so one round never claims past a channel's limits.
    """

    offers: Mapping[str, list[Offer]]
    room: MutableMapping[int, int]
    choice: random.Random = field(default_factory=random.SystemRandom)  # seeding takes longer

    def why_not(
        self, model: str, *, excluded: Collection[int] = (), need: Need = ANY
    ) -> Reason | None:
        """Why nobody can take a model now; None when somebody can."""
        sold = self.offers.get(model, [])
        if not sold:
            return Reason(_("No provider offers this model."))
        offers = [offer for offer in sold if need.is_met_by(offer)]
        if not offers:
            return Reason(_("No provider of this model has the voice or takes so long a text."))
        fresh = [offer for offer in offers if offer.channel_id not in excluded]
        if not fresh:
            return Reason(_("Every provider of this model has failed."))
        healthy = [offer for offer in fresh if _is_healthy(offer.channel)]
        if not healthy:
            return Reason(_("The providers of this model are resting after failures."))
        if not any(self.room.get(offer.channel_id, 0) > 0 for offer in healthy):
            return Reason(_("The providers of this model are busy."), is_busy=True)
        return None

    def take(self, model: str, *, excluded: Collection[int] = (), need: Need = ANY) -> Offer:
        """The offer to use now. Raises NoChannel with the reason for waiting."""
        reason = self.why_not(model, excluded=excluded, need=need)
        if reason is not None:
            raise NoChannel(reason)
        free = [
            offer
            for offer in self.offers[model]
            if offer.channel_id not in excluded
            and need.is_met_by(offer)
            and _is_healthy(offer.channel)
            and self.room.get(offer.channel_id, 0) > 0
        ]
        best = min(offer.channel.priority for offer in free)
        first = [offer for offer in free if offer.channel.priority == best]
        taken = self.choice.choices(first, [max(offer.channel.weight, 1) for offer in first])[0]
        self.room[taken.channel_id] -= 1
        return taken


def sold(model: str | None = None) -> list[Offer]:
    """The offers of enabled channels, of one model or of all, with their channels."""
    ask = _SOLD if model is None else partial(_SOLD_OF, model)
    offers = ask()
    if any(health.is_rested(offer.channel) for offer in offers):
        health.half_open_rested()
        offers = ask()
    return offers


def board(sold: Iterable[Offer], busy: Mapping[int, int], recent: Mapping[int, int]) -> Board:
    """Lay the offers out; `busy` counts calls in flight, `recent` calls inside the rate window."""
    offers: dict[str, list[Offer]] = {}
    room: dict[int, int] = {}
    for offer in sold:
        offers.setdefault(offer.model, []).append(offer)
        channel = offer.channel
        if channel.pk in room:
            continue
        room[channel.pk] = _room(channel, busy.get(channel.pk, 0), recent.get(channel.pk, 0))
    return Board(offers, room)


def text_limit(offers: Iterable[Offer]) -> int | None:
    """The characters that every one of these offers takes in one call; None without any.

    The smallest limit, so that a piece can move to any of them.
    """
    return min((offer.max_characters for offer in offers), default=None)


def _room(channel: Channel, busy: int, recent: int) -> int:
    most = channel.concurrency
    if channel.observed_concurrency is not None:
        most = min(most, channel.observed_concurrency)
    room = most - busy
    if channel.rate_count is not None:
        room = min(room, channel.rate_count - recent)
    if channel.breaker == Channel.Breaker.HALF_OPEN:
        room = min(room, 1 - busy)
    return max(room, 0)


def _is_healthy(channel: Channel) -> bool:
    if channel.breaker == Channel.Breaker.OPEN:
        return False
    return channel.resting_until is None or channel.resting_until <= timezone.now()
