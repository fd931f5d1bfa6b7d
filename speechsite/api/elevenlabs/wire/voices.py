"""Voices, their settings and samples, and models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from speechsite.api.elevenlabs.schema import Field
from speechsite.api.elevenlabs.wire.speech import VOICE_SETTINGS

DEFAULT_SETTINGS: dict[str, Any] = {
    "stability": 0.5,
    "similarity_boost": 0.75,
    "style": 0.0,
    "use_speaker_boost": True,
    "speed": 1.0,
}
SETTINGS_BODY = VOICE_SETTINGS
LIST_QUERY = {
    "next_page_token": Field(),
    "page_size": Field("integer", default=10),
    "search": Field(),
    "sort": Field(),
    "sort_direction": Field(),
    "voice_type": Field(),
    "category": Field(),
    "fine_tuning_state": Field(),
    "collection_id": Field(),
    "gender": Field(),
    "age": Field(),
    "accent": Field(),
    "language": Field("list", item=Field()),
    "use_cases": Field("list", item=Field()),
    "voice_ids": Field("list", item=Field(), maximum=100),
    "include_total_count": Field("boolean", default=True),
}
FORM = {
    "name": Field(is_required=True),
    "description": Field(),
    "labels": Field(),
    "remove_background_noise": Field("boolean", default=False),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A voice as its readers know it."""

    id: str
    name: str
    category: str = "premade"
    labels: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    preview_url: str | None = None
    languages: Sequence[str] = ()
    model_ids: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    samples: Sequence[dict[str, Any]] = ()
    created_unix: int | None = None
    is_owner: bool = False


def voice(seen: Seen, *, with_settings: bool = False) -> dict[str, Any]:
    """One voice."""
    return {
        "voice_id": seen.id,
        "name": seen.name,
        "samples": list(seen.samples),
        "category": seen.category,
        "fine_tuning": {"is_allowed_to_fine_tune": False, "state": {}},
        "labels": {name: str(value) for name, value in seen.labels.items() if value},
        "description": seen.description or None,
        "preview_url": seen.preview_url,
        "available_for_tiers": [],
        "settings": settings(seen.settings) if with_settings else None,
        "sharing": None,
        "high_quality_base_model_ids": list(seen.model_ids),
        "verified_languages": _verified(seen),
        "voice_verification": {
            "requires_verification": False,
            "is_verified": False,
            "verification_failures": [],
            "verification_attempts_count": 0,
        },
        "permission_on_resource": "admin" if seen.is_owner else None,
        "is_owner": seen.is_owner,
        "is_legacy": False,
        "is_mixed": False,
        "created_at_unix": seen.created_unix,
    }


def settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A voice's settings, whole: what was never set has its default."""
    known = {name: value for name, value in stored.items() if name in DEFAULT_SETTINGS}
    return {**DEFAULT_SETTINGS, **known}


def sample(
    *, id: str, name: str, media_type: str, size: int, sha256: str, duration_ms: int
) -> dict[str, Any]:
    """One reference recording of a voice."""
    return {
        "sample_id": id,
        "file_name": name,
        "mime_type": media_type,
        "size_bytes": size,
        "hash": sha256[:32],
        "duration_secs": duration_ms / 1000,
        "remove_background_noise": False,
        "has_isolated_audio": False,
        "has_isolated_audio_preview": False,
        "speaker_separation": None,
        "trim_start": 0,
        "trim_end": 0,
    }


def _verified(seen: Seen) -> list[dict[str, Any]]:
    model = seen.model_ids[0] if seen.model_ids else ""
    return [
        {
            "language": tag.partition("-")[0],
            "model_id": model,
            "accent": seen.labels.get("accent") or None,
            "locale": tag if "-" in tag else None,
            "preview_url": None,
        }
        for tag in seen.languages
        if model
    ]


@dataclass(frozen=True, slots=True)
class SeenModel:
    """A model as its readers know it; the rate compares its price with the default model's."""

    id: str
    name: str
    description: str
    takes: Iterable[str]
    languages: Sequence[tuple[str, str]]
    longest_text: int
    rate: float = 1.0
    speaks: bool = True


def model(seen: SeenModel) -> dict[str, Any]:
    """One entry of the list of models."""
    takes = frozenset(seen.takes)
    return {
        "model_id": seen.id,
        "name": seen.name,
        "can_be_finetuned": False,
        "can_do_text_to_speech": seen.speaks,
        "can_do_voice_conversion": False,
        "can_use_style": "style" in takes,
        "can_use_speaker_boost": "speaker_boost" in takes,
        "serves_pro_voices": False,
        # The seed's name for the key above.
        "serves_provided_models": None,
        "token_cost_factor": seen.rate,
        "description": seen.description,
        "requires_alpha_access": False,
        "max_characters_request_free_user": seen.longest_text,
        "max_characters_request_subscribed_user": seen.longest_text,
        "maximum_text_length_per_request": seen.longest_text,
        "languages": [{"language_id": code, "name": name} for code, name in seen.languages],
        "model_rates": {"character_cost_multiplier": seen.rate, "cost_discount_multiplier": 1.0},
        "concurrency_group": "standard",
    }
