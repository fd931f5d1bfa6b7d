"""The lists of speech servers in our words: voices and models, in any of their forms.

Voices come as `{"voices": [...]}` (Kokoro, LocalAI, Speaches, vLLM, our own dialect), as
`{"data": [...]}` or bare, each a name or an object. Models come in OpenAI's shape; Speaches
says what each is for, elsewhere its name has to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from speechsite.providers.errors import Garbled
from speechsite.providers.types import ModelInfo, VoiceInfo

MOST_VOICES, MOST_MODELS = 2000, 500
LONGEST_ID, LONGEST_NAME = 200, 120
GENDERS = {"female": "female", "male": "male", "neutral": "neutral", "f": "female", "m": "male"}
# Kokoro's voices carry language and sex in front: `zf_xiaobei`.
KOKORO = re.compile(r"([abefhijpz])([fm])_([a-z0-9_]+)")
KOKORO_LANGUAGES = {
    "a": "en-US", "b": "en-GB", "e": "es", "f": "fr-FR", "h": "hi", "i": "it", "j": "ja",
    "p": "pt-BR", "z": "zh",
}  # fmt: skip
SPEAKS = "text-to-speech"
SPEAKING = re.compile(
    r"(?<![a-z])(tts|kokoro|piper|orpheus|chatterbox|bark|vits|xtts|fish|voxtral|dia|"
    r"cosyvoice|higgs|parler|speech)(?![a-z])",
    re.I,
)
# Names that hold one of those words and mean the other way round.
HEARING = re.compile(r"whisper|transcri|realtime|asr|stt|speech-to-text", re.I)
TAG = re.compile(r"([a-z]{2,3})(?:[-_]([a-z0-9]{2,8}))*", re.I)


def names(option: Any) -> list[str]:
    """The names in a setting, by commas."""
    return [name for name in (part.strip() for part in str(option or "").split(",")) if name]


def voices(listed: Any, language: str = "") -> Sequence[VoiceInfo]:
    """All voices of a list. Raises Garbled for what is no list, or one without an end."""
    rows = _rows(listed, ("voices", "data"), MOST_VOICES)
    found: dict[str, VoiceInfo] = {}
    for row in rows:
        info = _voice(row, language)
        if info is not None:
            found.setdefault(info.id, info)
    if not found:
        raise Garbled("the server lists no voices")
    return tuple(found.values())


def speaking(listed: Any) -> Sequence[ModelInfo]:
    """The models of a list that speak; a server with a single model has it for that."""
    rows = _rows(listed, ("data", "models"), MOST_MODELS)
    tasks = [row.get("task") for row in rows if isinstance(row, Mapping)]
    if any(tasks):
        rows = [row for row in rows if isinstance(row, Mapping) and row.get("task") == SPEAKS]
    elif len(rows) > 1:
        rows = [row for row in rows if _sounds_like_speech(_id(row))]
    return models(rows)


def models(rows: Sequence[Any]) -> Sequence[ModelInfo]:
    """These models, each once."""
    found: dict[str, ModelInfo] = {}
    for row in rows:
        if name := _id(row):
            found.setdefault(name, ModelInfo(id=name, name=name[:80]))
    if not found:
        raise Garbled("the server lists no model that speaks: name it in the setting")
    return tuple(found.values())


def _sounds_like_speech(name: str) -> bool:
    return bool(SPEAKING.search(name)) and not HEARING.search(name)


def _rows(listed: Any, keys: Sequence[str], most: int) -> list[Any]:
    if isinstance(listed, Mapping):
        listed = next((listed[key] for key in keys if isinstance(listed.get(key), list)), None)
    if not isinstance(listed, list):
        raise Garbled("the answer is no list")
    if len(listed) > most:
        raise Garbled(f"the server lists {len(listed)}, and more than {most} cannot be meant")
    return listed


def _id(row: Any) -> str:
    """How the server wants to be asked for it; empty for what cannot be asked for."""
    if isinstance(row, Mapping):
        row = next((row[key] for key in ("id", "voice_id", "name") if row.get(key)), None)
    if not isinstance(row, str) or not row.isprintable() or len(row) > LONGEST_ID:
        return ""
    return row.strip()


def _voice(row: Any, language: str) -> VoiceInfo | None:
    name = _id(row)
    if not name:
        return None
    told = row if isinstance(row, Mapping) else {}
    kokoro = KOKORO.fullmatch(name)
    tags = _languages(told.get("language") or told.get("languages") or told.get("locale"))
    gender = GENDERS.get(str(told.get("gender") or "").lower(), "")
    if kokoro is not None:
        tags = tags or (KOKORO_LANGUAGES[kokoro[1]],)
        gender = gender or GENDERS[kokoro[2]]
    return VoiceInfo(
        id=name,
        name=_shown(told.get("name"), name, kokoro),
        languages=tags or _languages(language),
        gender=gender,
        description=_text(told.get("description"))[:400],
    )


def _shown(told: Any, name: str, kokoro: re.Match[str] | None) -> str:
    shown = _text(told)
    if shown in ("", name):
        shown = (kokoro[3] if kokoro else name).replace("_", " ")
        shown = shown.title() if shown.islower() else shown
    return shown[:LONGEST_NAME]


def _text(told: Any) -> str:
    return told.strip() if isinstance(told, str) and told.isprintable() else ""


def _languages(told: Any) -> tuple[str, ...]:
    """BCP 47 tags as they are usually written: `en-GB` for `en_gb`."""
    given = told if isinstance(told, list) else [told]
    tags = [one for one in given if isinstance(one, str) and TAG.fullmatch(one)]
    return tuple(dict.fromkeys(_tag(one) for one in tags if len(one) <= 20))


def _tag(told: str) -> str:
    first, *others = told.replace("_", "-").split("-")
    return "-".join(
        [first.lower(), *(part.upper() if len(part) == 2 else part.title() for part in others)]
    )
