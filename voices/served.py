"""Models that speech servers bring: rows of the library that the catalogue does not know.

Several servers may have the same model and share its work. A row stays when the last of them
is gone, like every other model that nobody sells.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from speechsite.providers.types import ModelInfo
from speechsite.upstreams import catalogue
from speechsite.upstreams.models import Channel
from voices.models import SpeechModel

POSITION = 1000  # behind those of the catalogue
CONTROLS = {"speed": {"minimum": 0.5, "maximum": 2}}


@transaction.atomic
def store(channel: Channel, infos: Sequence[ModelInfo]) -> None:
    """Write down which models a channel has. Nothing for those that the catalogue knows."""
    if not infos:
        return
    rows = {catalogue.served_slug(info.id): _row(info) for info in reversed(infos)}
    SpeechModel.objects.bulk_create(rows.values(), ignore_conflicts=True)
    catalogue.offer_served(channel, infos)


def named(name: str) -> str | None:
    """The slug of the model that its servers call by this name, if there is one."""
    slug = catalogue.served_slug(name)
    called = SpeechModel.objects.filter(slug=slug, family=catalogue.SERVED).first()
    return slug if called is not None and name in called.aliases else None


def _row(info: ModelInfo) -> SpeechModel:
    return SpeechModel(
        slug=catalogue.served_slug(info.id),
        family=catalogue.SERVED,
        name=info.name,
        aliases=[info.id],
        controls=CONTROLS,
        position=POSITION,
    )
