"""The library: loading the catalogue, finding voices and the models that speak them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import CharField, Q

from speechsite.accounts.models import User
from speechsite.core import sql
from speechsite.upstreams import catalogue
from speechsite.upstreams.models import Offer
from voices import listing, served
from voices.models import SpeechModel, Voice, VoiceQuerySet

_ENABLED = sql.Query(
    lambda slug: SpeechModel.objects.filter(slug=slug, is_enabled=True).order_by(), CharField()
)
_OF_ID = sql.Query(lambda name: Voice.objects.filter(external_id=name).order_by("pk"), CharField())
DEFAULT_VOICE = {"en": "heart", "zh-hans": "zh-cn", "zh-hant": "zh-cn"}


class NoVoice(Exception):
    """The library holds no voice that could be used."""


def load() -> None:
    """Channels, offers, models and the built-in voices. Safe to repeat on every start."""
    catalogue.load()
    for position, entry in enumerate(catalogue.MODELS):
        SpeechModel.objects.update_or_create(
            slug=entry.slug,
            defaults={
                "family": entry.family,
                "kind": entry.kind,
                "name": entry.name,
                "description": entry.description,
                "aliases": list(entry.aliases),
                "languages": list(entry.languages),
                "controls": entry.controls,
                "position": position,
            },
        )
    from speechsite.providers.builtin import engines

    listing.store("builtin", "builtin", engines.voices(settings.VOICES_DIR))


def found(
    voices: VoiceQuerySet,
    *,
    query: str = "",
    language: str = "",
    gender: str = "",
    family: str = "",
) -> VoiceQuerySet:
    """Those among voices that fit each word of a query and the rest of what is wanted."""
    voices = voices.saying(query)
    if language:
        voices = voices.filter(Q(language=language) | Q(language__startswith=f"{language}-"))
    if gender:
        voices = voices.filter(gender=gender)
    if family:
        voices = voices.filter(family=family)
    return voices


def choosable(user: User) -> VoiceQuerySet:
    """Voices of families that some enabled channel can speak."""
    return Voice.objects.usable().visible_to(user).filter(family__in=spoken_families())


def spoken_families() -> models.QuerySet[SpeechModel, str]:
    """Families with at least one enabled speech model that is on offer."""
    offered = Offer.objects.filter(is_enabled=True, channel__is_enabled=True).values("model")
    speaking = SpeechModel.objects.filter(is_enabled=True, slug__in=offered).order_by()
    families = speaking.exclude(kind=SpeechModel.Kind.ISOLATION)
    return families.values_list("family", flat=True).distinct()


def offered_models() -> set[str]:
    """Slugs of the models that some enabled channel sells."""
    offers = Offer.objects.filter(is_enabled=True, channel__is_enabled=True)
    return set(offers.values_list("model", flat=True))


def is_on_offer(model: SpeechModel) -> bool:
    """Whether some enabled channel sells this model."""
    return bool(model.offers)


def voice_of_id(external_id: str, user: User) -> Voice | None:
    """The voice of an id, in any family, that a person may use; a retired one comes last."""
    seen = [one for one in _OF_ID(external_id) if one.is_for(user)]
    return min(seen, key=lambda one: (not one.is_usable, one.pk), default=None)


def default_voice(user: User) -> Voice:
    """The voice a person last spoke with, else one in the language of the interface."""
    from django.utils.translation import get_language

    voices = choosable(user)
    wanted = DEFAULT_VOICE.get(get_language() or "en", "heart")
    voice = voices.filter(family="builtin", external_id=wanted).first() or voices.first()
    if voice is None:
        raise NoVoice("no enabled channel has a voice: see Channels in the administration")
    return voice


def models_for(voice: Voice, *, kind: str = SpeechModel.Kind.SPEECH) -> list[SpeechModel]:
    """The enabled models that can speak with a voice and are on offer somewhere.

    Of the built-in voices the model that is named after their engine, of a speech server's those
    of the servers that have the voice.
    """
    offers = Offer.objects.filter(is_enabled=True, channel__is_enabled=True)
    if voice.family == catalogue.SERVED and voice.listed_by:
        offers = offers.filter(channel__slug__in=voice.listed_by)
    models = SpeechModel.objects.filter(
        family=voice.family, kind=kind, is_enabled=True, slug__in=offers.values("model")
    )
    if voice.family == "builtin":
        models = models.filter(slug=catalogue.model_of_engine(voice.labels.get("engine", "")))
    return list(models)


def can_speak(model: SpeechModel, voice: Voice) -> bool:
    """Whether a model speaks with a voice: each of its family, but natural ones need their own.

    `builtin-speech` is also what programs call the built-in voices as such, so it takes all.
    """
    if voice.family != model.family:
        return False
    if model.family == catalogue.SERVED and voice.listed_by and model.offers:
        return any(offer.channel.slug in voice.listed_by for offer in model.offers)
    is_natural = model.slug == "builtin-natural"
    return not is_natural or catalogue.model_of_engine(voice.labels.get("engine", "")) == model.slug


def models_of(kind: str) -> list[SpeechModel]:
    """The enabled models of a kind that are on offer somewhere."""
    offered = Offer.objects.filter(is_enabled=True, channel__is_enabled=True).values("model")
    return list(SpeechModel.objects.filter(kind=kind, is_enabled=True, slug__in=offered))


def model_named(name: str) -> SpeechModel | None:
    """The model that somebody calls by its slug or any alias."""
    slug = catalogue.canonical(name) or _served(name)
    if slug is None:
        return None
    return _ENABLED.first(slug)


def _served(name: str) -> str | None:
    return name if catalogue.is_served(name) else served.named(name)
