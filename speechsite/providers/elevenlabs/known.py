"""The voices that every account at ElevenLabs is known to have, until it is asked."""

from __future__ import annotations

from speechsite.providers.types import VoiceInfo

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
    ("cgSgspJ2msm6clMCkdW9", "Jessica", "female", "american", "young"),
    ("BIvP0GN1cAtSRTxNHnWS", "Ellen", "female", "", ""),
    ("aMSt68OGf4xUZAnLpTU8", "Juniper", "female", "american", ""),
)

VOICES: tuple[VoiceInfo, ...] = tuple(
    VoiceInfo(id=id, name=name, languages=("en",), gender=gender, accent=accent, age=age)
    for id, name, gender, accent, age in _ROWS
)
