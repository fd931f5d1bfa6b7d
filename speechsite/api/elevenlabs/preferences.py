"""A person's own settings for a voice, kept with the account's preferences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from speechsite.accounts.models import User

KEY = "voice_settings"
MOST = 200  # voices; the oldest is forgotten


def settings_of(user: User, voice_id: str) -> Mapping[str, Any] | None:
    """What somebody set for a voice, by ElevenLabs' names; None when nothing was."""
    return user.preferences.get(KEY, {}).get(voice_id)


def keep_settings(user: User, voice_id: str, changed: Mapping[str, Any]) -> None:
    """Change some settings of a voice for somebody; the others stay."""
    with transaction.atomic():
        owner = User.objects.select_for_update().get(pk=user.pk)
        kept: dict[str, Any] = owner.preferences.setdefault(KEY, {})
        kept[voice_id] = {**kept.pop(voice_id, {}), **changed}
        while len(kept) > MOST:
            del kept[next(iter(kept))]
        owner.save(update_fields=["preferences"])
