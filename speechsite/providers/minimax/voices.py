"""MiniMax's voice lists in our words; neither language nor gender is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from speechsite.providers.types import MADE_HERE, VoiceInfo

OURS = "speechsite-"  # how the ids of voices begin that such a site made
KINDS = {"system_voice": "premade", "voice_cloning": "cloned", "voice_generation": "generated"}

# System voices begin with the language that they are at home in.
LANGUAGES = {
    "Chinese": "zh", "Cantonese": "yue", "English": "en", "Japanese": "ja", "Korean": "ko",
    "Spanish": "es", "Portuguese": "pt", "French": "fr", "German": "de", "Italian": "it",
    "Russian": "ru", "Arabic": "ar", "Turkish": "tr", "Dutch": "nl", "Ukrainian": "uk",
    "Vietnamese": "vi", "Indonesian": "id", "Thai": "th", "Polish": "pl", "Romanian": "ro",
    "Greek": "el", "Czech": "cs", "Finnish": "fi", "Hindi": "hi",
}  # fmt: skip
_BY_WORD = {word.lower(): tag for word, tag in LANGUAGES.items()}


def read(lists: Mapping[str, Any]) -> Iterator[VoiceInfo]:
    """Every voice of the account; a list may be missing or null."""
    for kind, category in KINDS.items():
        for voice in lists.get(kind) or ():
            if isinstance(voice, Mapping) and voice.get("voice_id"):
                yield _voice(voice, category)


def _voice(voice: Mapping[str, Any], category: str) -> VoiceInfo:
    voice_id = str(voice["voice_id"])
    described = voice.get("description") or ()
    lines = [described] if isinstance(described, str) else [str(line) for line in described]
    home, mark, _ = voice_id.partition("_")
    language = _BY_WORD.get(home.partition(" ")[0].lower()) if mark else None
    return VoiceInfo(
        id=voice_id,
        name=str(voice.get("voice_name") or voice_id),
        languages=(language,) if language else (),
        description=" ".join(line for line in lines if line),
        category=category,
        labels=MADE_HERE if voice_id.startswith(OURS) else {},
    )
