"""The voices that ElevenLabs' own examples name, for test keys on a site without them.

Facts about them that clients show; the built-in engine speaks in their place.
"""

from __future__ import annotations

from speechsite.api.elevenlabs.wire.voices import Seen

# id, name, gender, accent, age
_ROWS = (
    ("JBFqnCBsd6RMkjVDRZzb", "George", "male", "british", "middle_aged"),
    ("21m00Tcm4TlvDq8ikWAM", "Rachel", "female", "american", "young"),
    ("EXAVITQu4vr4xnSDxMaL", "Sarah", "female", "american", "young"),
    ("TX3LPaxmHKxFdv7VOQHJ", "Liam", "male", "american", "young"),
    ("pNInz6obpgDQGcFmaJgB", "Adam", "male", "american", "middle_aged"),
    ("XB0fDUnXU5powFXDhCwa", "Charlotte", "female", "swedish", "young"),
    ("9BWtsMINqrJLrRacOk9x", "Aria", "female", "american", "middle_aged"),
    ("CwhRBWXzGAHq8TQ4Fs17", "Roger", "male", "american", "middle_aged"),
)

VOICES: tuple[Seen, ...] = tuple(
    Seen(
        id=id,
        name=name,
        labels={"gender": gender, "accent": accent, "age": age, "language": "en"},
        description="Spoken by the built-in engine for test keys.",
        languages=("en",),
        model_ids=("eleven_multilingual_v2",),
    )
    for id, name, gender, accent, age in _ROWS
)
