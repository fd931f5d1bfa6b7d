"""The voices that ElevenLabs' own examples name, for test keys on a site without them.

Facts about them that clients show; the built-in engine speaks in their place.
"""

from __future__ import annotations

from speechsite.api.elevenlabs.wire.voices import Seen
from speechsite.providers.elevenlabs.known import VOICES as KNOWN

VOICES: tuple[Seen, ...] = tuple(
    Seen(
        id=one.id,
        name=one.name,
        labels={"gender": one.gender, "accent": one.accent, "age": one.age, "language": "en"},
        description="Spoken by the built-in engine for test keys.",
        languages=one.languages,
        model_ids=("eleven_multilingual_v2",),
    )
    for one in KNOWN
)
