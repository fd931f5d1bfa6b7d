"""Items of the history of speech, and of the history of cleaned recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from speechsite.api.elevenlabs.schema import Field
from speechsite.api.elevenlabs.wire.speech import SETTINGS
from speechsite.api.elevenlabs.wire.voices import DEFAULT_SETTINGS

LIST_QUERY = {
    "page_size": Field("integer", default=None),
    "pageSize": Field("integer", default=None),
    "start_after_history_item_id": Field(),
    "voice_id": Field(),
    "model_id": Field(),
    "date_before_unix": Field("integer"),
    "date_after_unix": Field("integer"),
    "sort_direction": Field(),
    "search": Field(),
    "source": Field(),
}
DOWNLOAD = {
    "history_item_ids": Field("list", is_required=True, item=Field()),
    "output_format": Field(),
}
CLEANED_QUERY = {
    "page_size": Field("integer", default=100, minimum=1, maximum=1000),
    "page": Field("integer", default=1, minimum=1),
    "search": Field(),
}
_THEIR_SETTINGS = {ours: theirs for theirs, ours in SETTINGS.items()}


@dataclass(frozen=True, slots=True)
class Item:
    """A finished piece of speech as the history tells of it."""

    id: str
    voice_id: str | None
    voice_name: str | None
    voice_category: str | None
    model_id: str
    text: str
    date_unix: int
    characters: int
    content_type: str
    output_format: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def item(one: Item) -> dict[str, Any]:
    """One item, with the seed's keys beside the real ones."""
    return {
        "history_item_id": one.id,
        "request_id": one.id,
        "voice_id": one.voice_id,
        "voice_name": one.voice_name,
        "voice_category": one.voice_category,
        "model_id": one.model_id,
        "text": one.text,
        "date_unix": one.date_unix,
        "character_count_change_from": 0,
        "character_count_change_to": one.characters,
        "character_count_from_request": one.characters,
        "content_type": one.content_type,
        "state": "complete",
        "settings": _settings(one),
        "feedback": None,
        "share_link_id": None,
        "source": "TTS",
        "output_format": one.output_format,
    }


def _settings(one: Item) -> dict[str, Any]:
    """What was asked for; the two that older clients insist on are always there."""
    asked = {
        _THEIR_SETTINGS[name]: value
        for name, value in one.settings.items()
        if name in _THEIR_SETTINGS
    }
    return {name: DEFAULT_SETTINGS[name] for name in ("stability", "similarity_boost")} | asked


def page(items: Sequence[Item], *, has_more: bool) -> dict[str, Any]:
    """One page of the history."""
    return {
        "history": [item(one) for one in items],
        "last_history_item_id": items[-1].id if items else None,
        "has_more": has_more,
        "scanned_until": items[-1].date_unix if items else None,
    }


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A cleaned recording."""

    id: str
    created_unix: int
    format: str
    title: str
    duration_ms: int
    is_processing: bool
    url: str | None


def cleaned(one: Cleaned) -> dict[str, Any]:
    """One item of the history of cleaned recordings."""
    return {
        "id": one.id,
        "created_at_unix": one.created_unix,
        "format": one.format,
        "title": one.title,
        "duration_seconds": one.duration_ms / 1000,
        "download_url": one.url,
        "icon_url": None,
        "source_video_url": None,
        "preview_b64": None,
        "supports_video": False,
        "processing": one.is_processing,
        "video_processing_failed": False,
    }
