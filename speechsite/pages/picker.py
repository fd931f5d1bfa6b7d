"""The voice picker: one list for the Studio and the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page

from speechsite.accounts.models import User
from voices import library, samples
from voices.languages import language_name
from voices.models import Voice


@dataclass(frozen=True, slots=True)
class Picker:
    """What was searched for, what was found, and what is chosen."""

    query: str
    language: str
    gender: str
    family: str
    page: Page[Voice]
    languages: list[tuple[str, str, int]]
    families: list[str]
    chosen: Voice | None

    @property
    def is_filtered(self) -> bool:
        return bool(self.query or self.language or self.gender or self.family)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The chosen voice first, always, so that a search never unchooses it."""
        found = list(self.page)
        if self.chosen is not None and self.chosen.is_usable:
            found = [self.chosen, *(voice for voice in found if voice.pk != self.chosen.pk)]
        return [card(voice, is_chosen=voice == self.chosen) for voice in found]


def picker(user: User, told: Mapping[str, str], chosen: Voice | None = None) -> Picker:
    """Search the library with a form's words (`voice_q`, `voice_language`, ...)."""
    query = told.get("voice_q", "").strip()[:80]
    language = told.get("voice_language", "")[:20]
    gender = told.get("voice_gender", "")[:10]
    family = told.get("voice_family", "")[:40]
    page = told.get("page", "1")
    found = library.search(
        user,
        query=query,
        language=language,
        gender=gender,
        family=family,
        page=int(page) if page.isdecimal() else 1,
    )
    return Picker(
        query=query,
        language=language,
        gender=gender,
        family=family,
        page=found,
        languages=library.languages(user),
        families=library.spoken_families(),
        chosen=chosen,
    )


def card(voice: Voice, *, is_chosen: bool = False) -> dict[str, Any]:
    """A voice as the lists show it."""
    return {
        "voice": voice,
        # Many names tell the accent already.
        "accent": "" if voice.accent in voice.name else voice.accent,
        "language": language_name(voice.language) if voice.language else "",
        "is_chosen": is_chosen,
        "has_preview": samples.has_preview(voice),
    }
