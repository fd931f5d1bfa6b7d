"""Asks every channel which voices it has, and brings the library in line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from speechsite.providers.errors import ProviderError
from speechsite.providers.types import Feature, VoiceInfo
from speechsite.upstreams import catalogue, channels, secrets
from speechsite.upstreams.models import Channel
from voices import library

# Whose voices a provider lists; kie.ai and Rivya sell ElevenLabs'.
FAMILIES = {
    "builtin": "builtin",
    "elevenlabs": "elevenlabs",
    "kie": "elevenlabs",
    "rivya": "elevenlabs",
    "minimax": "minimax",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What syncing one channel came to."""

    channel: str
    difference: library.Difference = field(default_factory=library.Difference)
    error: str = ""


def sync_all() -> list[Report]:
    """Sync every enabled channel; one that cannot be asked changes nothing."""
    library.load()
    return [sync(channel) for channel in Channel.objects.filter(is_enabled=True)]


def sync(channel: Channel) -> Report:
    """Sync the offers and voices of one channel."""
    catalogue.load_offers(channel)
    if Feature.VOICES not in channels.features_of(channel):
        return Report(channel.slug)
    try:
        infos = asyncio.run(_listed(channel))
    except (ProviderError, secrets.SealBroken) as error:
        return Report(channel.slug, error=str(error))
    if not infos:
        # An empty list is far more often a fault than the end of all voices.
        return Report(channel.slug, error="the provider listed no voices")
    return Report(channel.slug, library.store(channel.slug, FAMILIES[channel.adapter], infos))


async def _listed(channel: Channel) -> Sequence[VoiceInfo]:
    async with channels.open_adapter(channel) as adapter:
        return await adapter.list_voices()
