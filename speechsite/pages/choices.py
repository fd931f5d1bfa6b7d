"""The voice and settings that a person used last, kept in the account for every device."""

from __future__ import annotations

from typing import Any

from speechsite.accounts.models import User
from speechsite.pages.ordering import OrderForm

KEY = "studio"


def remember(user: User, form: OrderForm) -> None:
    """Keep what a form chose, its text left out; what is not valid is left out too."""
    if form.chosen_voice is None or form.chosen_model is None:
        return
    form.is_valid()
    chosen = {
        "voice": form.chosen_voice.pk,
        "model": form.chosen_model.slug,
        "output_format": form.cleaned_data.get("output_format", ""),
        "settings": form.voice_settings(),
    }
    if user.preferences.get(KEY) != chosen:
        user.preferences[KEY] = chosen
        user.save(update_fields=["preferences"])


def recalled(user: User) -> dict[str, Any]:
    """What was kept, as a form's initial values; empty where nothing was."""
    chosen = user.preferences.get(KEY) or {}
    return {
        "voice": chosen.get("voice"),
        "model": chosen.get("model", ""),
        "output_format": chosen.get("output_format", ""),
        **typed(chosen.get("settings", {})),
    }


def typed(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a job as the form's fields show them."""
    words = {True: "on", False: "off"}
    return {
        f"set_{name}": words[value] if isinstance(value, bool) else value
        for name, value in settings.items()
    }
