"""What can be bought: models of all families, and what each provider offers of them.

Plain tables. `load()` writes the channels and offers; the models and voices are
written one floor up, by `voices.library`. Figures are defaults: an administrator
may change every row, and a later load leaves changed rows alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from speechsite.providers.types import ModelInfo
from speechsite.upstreams import channels
from speechsite.upstreams.models import Channel, Offer

MULTILINGUAL_V2 = tuple(
    "en ja zh de hi fr ko pt it es id nl tr fil pl sv bg ro ar cs el fi hr ms sk da ta uk ru".split()
)
V2_5 = (*MULTILINGUAL_V2, "hu", "no", "vi")
V3 = (
    *V2_5,
    *(
        "af as az be bn bs ca ceb cy et fa ga gl gu ha he hy is jv ka kk kn ky lb ln lt lv mk ml "
        "mr ne ny pa ps sd sl so sr sw te th ur"
    ).split(),
)
MINIMAX = tuple(
    "zh yue en ar ru es fr pt de tr nl uk vi id ja it ko th pl ro el cs fi hi bg da he ms fa sk "
    "sv hr fil hu no sl ca nn ta af".split()
)

# What older clients ask for unless they are told otherwise; their successor speaks instead.
FORMER_MULTILINGUAL = (
    "eleven_monolingual_v1",
    "eleven_multilingual_v1",
    "eleven_english_sts_v2",
    "eleven_multilingual_sts_v2",
)

ELEVENLABS_CONTROLS: dict[str, Any] = {
    "stability": {"minimum": 0, "maximum": 1},
    "similarity": {"minimum": 0, "maximum": 1},
    "style": {"minimum": 0, "maximum": 1},
    "speed": {"minimum": 0.7, "maximum": 1.2},
    "speaker_boost": {},
}
# Tasks sold through kie.ai and Rivya have no speaker boost.
RESOLD_CONTROLS = {
    name: ELEVENLABS_CONTROLS[name] for name in ("stability", "similarity", "style", "speed")
}
MINIMAX_CONTROLS: dict[str, Any] = {
    "speed": {"minimum": 0.5, "maximum": 2},
    "pitch": {"minimum": -12, "maximum": 12},
    "volume": {"minimum": 0.1, "maximum": 10},
    "emotion": {},
}
BUILTIN_CONTROLS: dict[str, Any] = {
    "speed": {"minimum": 0.5, "maximum": 2},
    "pitch": {"minimum": -12, "maximum": 12},
}


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the catalogue; aliases are the names that others call it by."""

    slug: str
    family: str
    name: str
    kind: str = "speech"
    description: str = ""
    aliases: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    controls: dict[str, Any] = field(default_factory=dict)


def _minimax(version: str, grade: str) -> ModelEntry:
    name = f"speech-{version}-{grade}"
    return ModelEntry(
        f"minimax-{name}",
        "minimax",
        f"MiniMax Speech {version} {grade.upper() if grade == 'hd' else grade.title()}",
        aliases=(name,),
        languages=MINIMAX,
        controls=MINIMAX_CONTROLS,
    )


MODELS: tuple[ModelEntry, ...] = (
    ModelEntry(
        "builtin-natural",
        "builtin",
        "Natural voices",
        description="Pleasant to listen to, spoken on this machine: needs no key and no network.",
        languages=("en",),
        controls=BUILTIN_CONTROLS,
    ),
    ModelEntry(
        "builtin-speech",
        "builtin",
        "Basic voices",
        description="Nearly every language, quick and plainly a machine: no key and no network.",
        aliases=("builtin",),
        controls=BUILTIN_CONTROLS,
    ),
    ModelEntry(
        "elevenlabs-multilingual-v2",
        "elevenlabs",
        "ElevenLabs Multilingual v2",
        aliases=(
            "eleven_multilingual_v2",
            "elevenlabs/text-to-speech-multilingual-v2",
            *FORMER_MULTILINGUAL,
        ),
        languages=MULTILINGUAL_V2,
        controls=ELEVENLABS_CONTROLS,
    ),
    ModelEntry(
        "elevenlabs-turbo-2-5",
        "elevenlabs",
        "ElevenLabs Turbo 2.5",
        aliases=(
            "eleven_turbo_v2_5",
            "elevenlabs-turbo-v2-5",
            "elevenlabs/text-to-speech-turbo-2-5",
            "eleven_turbo_v2",
        ),
        languages=V2_5,
        controls=ELEVENLABS_CONTROLS,
    ),
    ModelEntry(
        "elevenlabs-flash-2-5",
        "elevenlabs",
        "ElevenLabs Flash 2.5",
        aliases=("eleven_flash_v2_5", "elevenlabs-flash-v2-5", "eleven_flash_v2"),
        languages=V2_5,
        controls=ELEVENLABS_CONTROLS,
    ),
    ModelEntry(
        "elevenlabs-v3",
        "elevenlabs",
        "ElevenLabs v3",
        aliases=("eleven_v3",),
        languages=V3,
        controls={"stability": {"minimum": 0, "maximum": 1}},
    ),
    ModelEntry(
        "elevenlabs-dialogue-v3",
        "elevenlabs",
        "ElevenLabs Dialogue v3",
        kind="dialogue",
        aliases=("elevenlabs/text-to-dialogue-v3",),
        languages=V3,
        controls={"stability": {"minimum": 0, "maximum": 1}},
    ),
    *(
        _minimax(version, grade)
        for version in ("2.8", "2.6", "02", "01")
        for grade in ("hd", "turbo")
    ),
    ModelEntry(
        "builtin-cleaning",
        "builtin",
        "Built-in cleaning",
        kind="isolation",
        description="Removes noise behind a voice, on this machine.",
    ),
    ModelEntry(
        "elevenlabs-audio-isolation",
        "elevenlabs",
        "ElevenLabs Audio Isolation",
        kind="isolation",
        aliases=("elevenlabs/audio-isolation",),
    ),
)


@dataclass(frozen=True, slots=True)
class OfferEntry:
    """A model at one provider; the cost is in millionths of our credit for one unit."""

    model: str
    upstream_name: str
    max_characters: int = 5000
    microcredits_per_unit: int = 0


OFFERS: dict[str, tuple[OfferEntry, ...]] = {
    "builtin": (
        # A natural voice takes a second for as much, and others wait for it meanwhile.
        OfferEntry("builtin-natural", "hibari", 1000),
        OfferEntry("builtin-speech", "espeak", 4000),
        OfferEntry("builtin-cleaning", "rnnoise"),
    ),
    "elevenlabs": (
        OfferEntry("elevenlabs-multilingual-v2", "eleven_multilingual_v2", 10_000, 10_000),
        OfferEntry("elevenlabs-turbo-2-5", "eleven_turbo_v2_5", 40_000, 5000),
        OfferEntry("elevenlabs-flash-2-5", "eleven_flash_v2_5", 40_000, 5000),
        OfferEntry("elevenlabs-v3", "eleven_v3", 3000, 10_000),
        OfferEntry("elevenlabs-dialogue-v3", "eleven_v3", 2000, 10_000),
        OfferEntry("elevenlabs-audio-isolation", "audio_isolation", 5000, 80_000),
    ),
    "kie": (
        OfferEntry(
            "elevenlabs-multilingual-v2", "elevenlabs/text-to-speech-multilingual-v2", 5000, 9000
        ),
        OfferEntry("elevenlabs-turbo-2-5", "elevenlabs/text-to-speech-turbo-2-5", 5000, 4500),
        OfferEntry("elevenlabs-dialogue-v3", "elevenlabs/text-to-dialogue-v3", 5000, 10_500),
        OfferEntry("elevenlabs-audio-isolation", "elevenlabs/audio-isolation", 5000, 75_000),
    ),
    "rivya": (
        OfferEntry("elevenlabs-multilingual-v2", "elevenlabs-multilingual-v2", 5000, 10_000),
        OfferEntry("elevenlabs-turbo-2-5", "elevenlabs-turbo-2-5", 5000, 5000),
        OfferEntry("elevenlabs-dialogue-v3", "elevenlabs-dialogue-v3", 5000, 12_000),
        OfferEntry("elevenlabs-audio-isolation", "elevenlabs-audio-isolation", 5000, 80_000),
    ),
    "minimax": tuple(
        OfferEntry(
            f"minimax-speech-{version}-{grade}",
            f"speech-{version}-{grade}",
            50_000,
            16_000 if grade == "hd" else 10_000,
        )
        for version in ("2.8", "2.6", "02", "01")
        for grade in ("hd", "turbo")
    ),
}


# Models that speech servers bring with them have no entry above: their rows are made of what
# the servers list, under names that begin with their family's.
SERVED = "openai"
SERVED_CHARACTERS = 2000  # OpenAI takes 4,096; shorter pieces are shared better
LONGEST_SLUG = 80


def load() -> None:
    """Make the channels and offers that are missing; leave the others as they are."""
    channels.ensure_builtin()
    channels.sync_from_environment()
    for channel in Channel.objects.all():
        load_offers(channel)


def load_offers(channel: Channel) -> None:
    """Give a channel the offers its provider is known for."""
    have = set(channel.offers.values_list("model", flat=True))
    Offer.objects.bulk_create(
        [
            Offer(
                channel=channel,
                model=entry.model,
                upstream_name=entry.upstream_name,
                max_characters=entry.max_characters,
                microcredits_per_unit=entry.microcredits_per_unit,
            )
            for entry in OFFERS.get(channel.adapter, ())
            if entry.model not in have
        ],
        ignore_conflicts=True,
    )


def offer_served(channel: Channel, infos: Sequence[ModelInfo]) -> None:
    """Let a channel sell the models that its server lists, and no others."""
    listed = {served_slug(info.id): info for info in reversed(infos)}
    Offer.objects.bulk_create(
        [
            Offer(
                channel=channel,
                model=slug,
                upstream_name=info.id,
                max_characters=SERVED_CHARACTERS,
                microcredits_per_unit=info.cost,
            )
            for slug, info in listed.items()
        ],
        ignore_conflicts=True,
    )
    channel.offers.exclude(model__in=listed).delete()


def served_slug(name: str) -> str:
    """What a speech server's model is called here: the same at each that has it."""
    plain = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
    return f"{SERVED}-{plain}"[:LONGEST_SLUG]


def is_served(slug: str) -> bool:
    """Whether a model is one that a speech server brought."""
    return slug.startswith(f"{SERVED}-")


def model_of_engine(engine: str) -> str:
    """The model of the built-in voices that an engine speaks."""
    return "builtin-speech" if engine == "espeak-ng" else "builtin-natural"


def canonical(name: str) -> str | None:
    """The slug of the model that somebody calls by any of its names."""
    return _NAMES.get(name)


_NAMES = {name: entry.slug for entry in MODELS for name in (entry.slug, *entry.aliases)}
