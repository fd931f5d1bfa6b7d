"""ElevenLabs' voice objects in our words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from speechsite.providers.types import VoiceInfo

GENDERS = {"female": "female", "male": "male", "neutral": "neutral", "non-binary": "neutral"}
_OWN_FIELDS = frozenset({"gender", "accent", "age", "language", "use_case"})


def read(voice: Mapping[str, Any]) -> VoiceInfo:
    """One voice as listed; everything but its id may be missing or null."""
    labels = _texts(voice.get("labels"))
    return VoiceInfo(
        id=str(voice["voice_id"]),
        name=str(voice.get("name") or voice["voice_id"]),
        languages=_languages(labels, voice.get("verified_languages")),
        gender=GENDERS.get(labels.get("gender", "").lower(), ""),
        accent=labels.get("accent", ""),
        age=labels.get("age", "").replace("_", " "),
        description=str(voice.get("description") or labels.get("description") or ""),
        use_case=labels.get("use_case", "").replace("_", " "),
        category=str(voice.get("category") or "premade"),
        preview_url=str(voice.get("preview_url") or ""),
        labels={key: text for key, text in labels.items() if key not in _OWN_FIELDS},
    )


def _languages(labels: Mapping[str, str], verified: Any) -> tuple[str, ...]:
    spoken = [entry for entry in verified or () if isinstance(entry, Mapping)]
    tags: Iterable[object] = (
        labels.get("language"),
        *(entry.get("locale") or entry.get("language") for entry in spoken),
    )
    return tuple(dict.fromkeys(str(tag) for tag in tags if tag))


def _texts(labels: Any) -> dict[str, str]:
    if not isinstance(labels, Mapping):
        return {}
    return {str(key): str(value) for key, value in labels.items() if value is not None}
