"""A person's own settings for a voice, kept with the account's preferences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from speechsite.accounts.models import User
from speechsite.api.auth import Caller

KEYS = {False: "voice_settings", True: "voice_settings_of_tests"}  # by `is_test`
MOST = 200  # voices; the oldest is forgotten


def settings_of(caller: Caller, voice_id: str) -> Mapping[str, Any] | None:
    """What somebody set for a voice, by ElevenLabs' names; None when nothing was."""
    return caller.user.preferences.get(KEYS[caller.is_test], {}).get(voice_id)


def keep_settings(caller: Caller, voice_id: str, changed: Mapping[str, Any]) -> None:
    """Change some settings of a voice for somebody; the others stay."""
    with transaction.atomic():
        owner = User.objects.select_for_update().get(pk=caller.user.pk)
        kept: dict[str, Any] = owner.preferences.setdefault(KEYS[caller.is_test], {})
        kept[voice_id] = {**kept.pop(voice_id, {}), **changed}
        while len(kept) > MOST:
            del kept[next(iter(kept))]
        owner.save(update_fields=["preferences"])
