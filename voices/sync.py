"""Asks every channel which voices it has, and brings the library in line.

It is a duty of each channel, so that nothing waits for a provider: asked for when the site
starts, when a channel is made or changed, and each night. Until it is done the voices that
the provider is known for can be ordered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from speechsite.core import loops
from speechsite.duties import outbox
from speechsite.providers.errors import Garbled, ProviderError, Unavailable
from speechsite.providers.types import Feature, ModelInfo, VoiceInfo
from speechsite.upstreams import catalogue, channels, secrets
from speechsite.upstreams.models import Channel
from voices import library, listing, served

# Whose voices a provider lists; kie.ai and Rivya sell ElevenLabs'.
FAMILIES = {
    "builtin": "builtin",
    "elevenlabs": "elevenlabs",
    "kie": "elevenlabs",
    "rivya": "elevenlabs",
    "minimax": "minimax",
    "openai": catalogue.SERVED,
}
PATIENCE = 20.0  # seconds for a whole list, of which each page has less
LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class Report:
    """What syncing one channel came to."""

    channel: str
    difference: listing.Difference = field(default_factory=listing.Difference)
    error: str = ""


def sync_all() -> list[Report]:
    """Sync every enabled channel; one that cannot be asked changes nothing."""
    library.load()
    return [sync(channel) for channel in Channel.objects.filter(is_enabled=True)]


def sync(channel: Channel) -> Report:
    """Sync the offers and voices of one channel, and note on it how that went."""
    catalogue.load_offers(channel)
    if Feature.VOICES not in channels.features_of(channel):
        return Report(channel.slug)
    try:
        infos, models = loops.run(_listed(channel))
    except (ProviderError, secrets.SealBroken) as error:
        _note(channel, error)
        return Report(channel.slug, error=str(error))
    with transaction.atomic():
        served.store(channel, models)
        found = listing.store(channel.slug, FAMILIES[channel.adapter], infos)
    _note(channel)
    return Report(channel.slug, found)


def begin(chosen: Iterable[Channel]) -> None:
    """Let what these channels are known for be ordered, and have their voices synced soon."""
    outside = [one for one in chosen if one.is_enabled and one.adapter != "builtin"]
    for channel in outside:
        if channel.voices_at is None:
            known = channels.adapter_class(channel.adapter).known_voices
            listing.expect(channel.slug, FAMILIES[channel.adapter], known)
    for channel in outside:
        outbox.add(duty_of(channel.adapter), [str(channel.pk)])


def begin_all() -> None:
    """The same for every enabled channel: at the start, and each night."""
    begin(Channel.objects.filter(is_enabled=True))


def duty_of(adapter: str) -> str:
    """The kind of duty that syncs the channels of a provider: one does not wait for another."""
    return f"voices {adapter}"


def do(key: str, _data: dict[str, Any]) -> None:
    """The duty. Raises ProviderError where it has to be done again later."""
    channel = Channel.objects.filter(pk=key, is_enabled=True).first()
    report = sync(channel) if channel is not None else None
    if report is not None and report.error:
        raise Unavailable(report.error)


async def _listed(channel: Channel) -> tuple[Sequence[VoiceInfo], Sequence[ModelInfo]]:
    """The voices, and the models of a provider that only says itself which it has."""
    models: Sequence[ModelInfo] = ()
    try:
        async with asyncio.timeout(PATIENCE), channels.open_adapter(channel) as adapter:
            infos = await adapter.list_voices()
            if Feature.MODELS in adapter.features:
                models = await adapter.list_models()
    except TimeoutError as error:
        raise Unavailable(f"no list of voices within {PATIENCE:.0f} seconds") from error
    if not infos:
        # An empty list is far more often a fault than the end of all voices.
        raise Garbled("the provider listed no voices")
    return infos, models


def _note(channel: Channel, error: Exception | None = None) -> None:
    """Only these columns: others may be changed meanwhile."""
    told = (
        {"voices_problem": "", "voices_error": "", "voices_at": timezone.now()}
        if error is None
        else {
            "voices_problem": type(error).__name__[:30],
            "voices_error": str(error)[:LONGEST_ERROR].replace("\x00", ""),
        }
    )
    Channel.objects.filter(pk=channel.pk).update(**told)
