"""Which voices somebody sees, in which order, and which of them were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from speechsite.api import worlds
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import ids
from speechsite.api.elevenlabs.models import public_name
from speechsite.api.elevenlabs.wire import voices as wire
from speechsite.api.elevenlabs.wire.famous import VOICES as FAMOUS
from speechsite.api.elevenlabs.wire.voices import Seen
from speechsite.api.errors import Invalid, NotFound
from voices import known, library
from voices.models import SpeechModel, Voice, VoiceQuerySet

LARGEST_PAGE = 100
OWN = ("personal", "workspace", "non-default", "saved")


def all_seen(caller: Caller) -> list[Seen]:
    """Every voice that this caller can name; with a test key also the famous ones."""
    models = _models()
    rows = _visible(caller).prefetch_related("samples")
    seen = [_seen(voice, caller, _speaking(models, voice)) for voice in rows]
    if not caller.is_test:
        return seen
    have = {one.id for one in seen}
    famous = [one for one in FAMOUS if one.id not in have]
    return [*famous, *seen, *_known(have | {one.id for one in famous}, models)]


def seen_by_id(caller: Caller, voice_id: str) -> Seen:
    """One voice. Raises NotFound."""
    voice = _visible(caller).filter(external_id=voice_id).first()
    if voice is not None:
        return _seen(voice, caller, _speaking(_models(), voice))
    famous = next((one for one in (*FAMOUS, *_known(set(), [])) if one.id == voice_id), None)
    if famous is None or not caller.is_test:
        raise NotFound(
            _("There is no voice with the id %s here.") % voice_id,
            code="voice_not_found",
            field="voice",
        )
    return famous


def _known(have: set[str], models: Sequence[SpeechModel]) -> list[Seen]:
    """What else a test key may name, without what is listed anyhow."""
    return [
        Seen(id=one.external_id, name=one.name, model_ids=_speaking(models, one))
        for one in known.voices()
        if one.external_id not in have
    ]


def chosen(voices: Sequence[Seen], query: Mapping[str, Any]) -> list[Seen]:
    """Those that the query asks for, in its order."""
    found = [one for one in voices if _fits(one, query)]
    if query["sort"] == "name":
        found.sort(key=lambda one: one.name.casefold())
    elif query["sort"] == "created_at_unix":
        found.sort(key=lambda one: one.created_unix or 0)
    elif query["sort"]:
        raise Invalid(_("Sort by created_at_unix or name."), code="invalid_parameters")
    if query["sort"] and (query["sort_direction"] or "asc").lower() == "desc":
        found.reverse()
    return found


def start_of(query: Mapping[str, Any]) -> int:
    """Where the page begins."""
    token = query["next_page_token"]
    if not token:
        return 0
    if not (token.isascii() and token.isdigit() and len(token) < 9):
        raise Invalid(_("This page token did not come from here."), code="invalid_cursor")
    return int(token)


def size_of(query: Mapping[str, Any]) -> int:
    """How long the page is at most."""
    size = query["page_size"]
    if not 1 <= size <= LARGEST_PAGE:
        raise Invalid(_("A page has 1 to 100 voices."), code="invalid_page_size", field="page_size")
    return size


def _visible(caller: Caller) -> VoiceQuerySet:
    return worlds.choosable_voices(caller)


def _fits(one: Seen, query: Mapping[str, Any]) -> bool:
    return (
        _fits_search(one, query["search"])
        and _fits_type(one, query["voice_type"])
        and (not query["category"] or one.category == query["category"])
        and (not query["voice_ids"] or one.id in query["voice_ids"])
        and (not query["language"] or _speaks(one, query["language"]))
        and (not query["use_cases"] or one.labels.get("use_case") in query["use_cases"])
        and all(
            not query[name] or one.labels.get(name, "").casefold() == query[name].casefold()
            for name in ("gender", "age", "accent")
        )
        and not query["fine_tuning_state"]
        and not query["collection_id"]
    )


def _fits_search(one: Seen, search: str | None) -> bool:
    if not search:
        return True
    words = " ".join((one.name, one.description, one.category, *one.labels.values())).casefold()
    return search.strip().casefold() in words or search.strip() == one.id


def _fits_type(one: Seen, kind: str | None) -> bool:
    if not kind:
        return True
    if kind in OWN:
        return one.is_owner
    return kind in ("default", "non-community") and not one.is_owner


def _speaks(one: Seen, codes: Sequence[str]) -> bool:
    spoken = {tag.partition("-")[0].lower() for tag in one.languages}
    return any(code.partition("-")[0].lower() in spoken for code in codes)


def _models() -> list[SpeechModel]:
    return list(SpeechModel.objects.filter(is_enabled=True, kind=SpeechModel.Kind.SPEECH))


def _speaking(models: Sequence[SpeechModel], voice: Voice) -> list[str]:
    """Names of the models that speak with a voice, the first one first."""
    return [public_name(model) for model in models if library.can_speak(model, voice)]


def _seen(voice: Voice, caller: Caller, model_ids: Sequence[str]) -> Seen:
    labels = {
        **{str(name): str(value) for name, value in voice.labels.items()},
        "gender": voice.gender,
        "accent": voice.accent,
        "age": voice.age,
        "use_case": voice.use_case,
        "language": voice.language.partition("-")[0],
    }
    is_owner = voice.owner_id == caller.user.pk
    return Seen(
        id=voice.external_id,
        name=voice.name,
        category=voice.category,
        labels=labels,
        description=voice.description,
        preview_url=voice.preview_url or None,
        languages=voice.languages or ([voice.language] if voice.language else []),
        model_ids=model_ids,
        samples=[_sample(sample) for sample in voice.samples.all()] if is_owner else (),
        created_unix=int(voice.created_at.timestamp()),
        is_owner=is_owner,
    )


def _sample(sample: Any) -> dict[str, Any]:
    return wire.sample(
        id=ids.public(sample.pk),
        name=sample.name,
        media_type=sample.media_type,
        size=sample.size,
        sha256=sample.sha256,
        duration_ms=sample.duration_ms,
    )
