"""Voices of before can be searched, and those that were called by a language get a name."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from speechsite.accounts.models import User
from voices.models import Voice

pytestmark = pytest.mark.django_db

BASIC = {"engine": "espeak-ng", "language": "English"}


def of_then(external_id: str, name: str, **more: object) -> Voice:
    """A row as it stood before: nothing to be found by."""
    more = {"family": "builtin", "labels": BASIC, "accent": "UK", "language": "en-GB", **more}
    voice = Voice.objects.create(external_id=external_id, name=name, **more)
    Voice.objects.filter(pk=voice.pk).update(search="", engine="", is_recommended=False)
    return voice


def test_what_was_there_is_filled_in(ada: User) -> None:
    rows = {
        "plain": of_then("en-gb", "English (UK)"),
        "a person": of_then("en-gb-emily", "English (UK) · Emily"),
        "renamed": of_then("en-gb-grace", "My favourite"),
        "natural": of_then("heart", "Heart", labels={"engine": "hibari"}, accent="American"),
        "a provider's": of_then("rachel", "Rachel", family="elevenlabs", labels={}),
        "somebody's": of_then("own", "English (UK)", owner=ada),
    }
    import_module("voices.migrations.0009_fill_library").fill(apps, None)
    for row in rows.values():
        row.refresh_from_db()
    assert {name: row.name for name, row in rows.items()} == {
        "plain": "James",
        "a person": "Emily",
        "renamed": "My favourite",
        "natural": "Heart",
        "a provider's": "Rachel",
        "somebody's": "English (UK)",
    }
    assert [name for name, row in rows.items() if row.is_recommended] == ["natural"]
    assert rows["plain"].engine == "espeak-ng"
    assert all("british" in row.search for row in rows.values())
