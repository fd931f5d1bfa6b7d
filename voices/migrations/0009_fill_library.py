"""What voices are found by, and people's names for the built-in ones that had a language's."""

from __future__ import annotations

from typing import Any

from django.db import migrations

from speechsite.providers.builtin.espeak.voices import VOICES
from voices import findable


def fill(apps: Any, _schema: Any) -> None:
    """Names that an administrator gave stay."""
    named = {voice.id: voice.name for voice in VOICES}
    rows = apps.get_model("voices", "Voice").objects
    for voice in rows.iterator(chunk_size=500):
        voice.engine = str(voice.labels.get("engine", ""))[:20]
        if voice.family == "builtin" and voice.owner_id is None:
            voice.is_recommended = voice.engine != "espeak-ng"
            if voice.name.partition(" · ")[0] == _former_name(voice):
                voice.name = named.get(voice.external_id, voice.name)
        voice.search = findable.text_of(voice)
        voice.save(update_fields=["engine", "search", "is_recommended", "name"])


def _former_name(voice: Any) -> str:
    language = voice.labels.get("language", "")
    return f"{language} ({voice.accent})" if voice.accent else language


class Migration(migrations.Migration):
    dependencies = [("voices", "0008_library")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
