"""MiniMax's words for what an order asks beside voice and sound. Pure translation.

Bounds are the order's business; here only the shape is checked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from speechsite.api.minimax.answers import INVALID, Refusal

# our word: theirs
NAMES = {
    "language": "language_boost",
    "pronunciations": "pronunciation_dict",
    "voice_modify": "voice_modify",
    "watermark": "aigc_watermark",
}
LANGUAGES = {
    "Chinese": "zh", "Chinese,Yue": "yue", "English": "en", "Arabic": "ar", "Russian": "ru",
    "Spanish": "es", "French": "fr", "Portuguese": "pt", "German": "de", "Turkish": "tr",
    "Dutch": "nl", "Ukrainian": "uk", "Vietnamese": "vi", "Indonesian": "id", "Japanese": "ja",
    "Italian": "it", "Korean": "ko", "Thai": "th", "Polish": "pl", "Romanian": "ro",
    "Greek": "el", "Czech": "cs", "Finnish": "fi", "Hindi": "hi", "Bulgarian": "bg",
    "Danish": "da", "Hebrew": "he", "Malay": "ms", "Persian": "fa", "Slovak": "sk",
    "Swedish": "sv", "Croatian": "hr", "Filipino": "fil", "Hungarian": "hu", "Norwegian": "no",
    "Slovenian": "sl", "Catalan": "ca", "Nynorsk": "nn", "Tamil": "ta", "Afrikaans": "af",
}  # fmt: skip
_BOOSTS = {name.lower(): tag for name, tag in LANGUAGES.items()}


def of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a request asks for, by our names. Raises Refusal."""
    return {
        "language": _language(given.get("language_boost")),
        "pronunciations": _pronunciations(given.get("pronunciation_dict")),
        "voice_modify": _object(given.get("voice_modify"), "voice_modify"),
        "watermark": given.get("aigc_watermark"),
    }


def named(options: Collection[str]) -> str:
    """Options as a header tells of them."""
    return ", ".join(theirs for ours, theirs in NAMES.items() if ours in options)


def _language(boost: Any) -> str:
    """A tag; nothing for "auto", which leaves it to the voice and the text."""
    if boost is None or boost in ("", "auto"):
        return ""
    tag = _BOOSTS.get(boost.lower()) if isinstance(boost, str) else None
    if tag is None:
        raise Refusal(INVALID, "invalid params, language_boost")
    return tag


def _pronunciations(given: Any) -> list[tuple[str, str]]:
    """Each entry is what is written, a stroke, and how it is spoken."""
    tone = _object(given, "pronunciation_dict").get("tone") or []
    is_list = isinstance(tone, list)
    if not is_list or not all(isinstance(entry, str) and "/" in entry for entry in tone):
        raise Refusal(INVALID, "invalid params, pronunciation_dict")
    pairs = [entry.partition("/") for entry in tone]
    return [(written, spoken) for written, _stroke, spoken in pairs]


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise Refusal(INVALID, f"invalid params, {name} must be an object")
    return value or {}
