"""What goes into an adapter and what comes out of it.

Everything here is plain data. Times are integer milliseconds; text positions
count Unicode code points from the start of the order's text.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from speechsite.providers.errors import ProviderError


class Feature(enum.StrEnum):
    """What an adapter can promise; forms, API and contract tests read the same set."""

    SPEAK = "speak"  # answers with audio in the same call: `speak()` / `clean()`
    SUBMIT = "submit"  # takes a task and is asked later: `submit()` / `check()` / `fetch()`
    SPEECH = "speech"
    DIALOGUE = "dialogue"
    ISOLATION = "isolation"
    WORD_TIMES = "word_times"
    CONTEXT = "context"  # previous and next text are passed on
    CALLBACK = "callback"  # can be told an address to call when the task ends
    FIND = "find"  # a submission without an answer can be looked up
    REPEAT = "repeat"  # the same order with the same key may be sent again at no cost
    VOICES = "voices"
    MODELS = "models"  # says itself which models it has; the catalogue knows none of them
    CLONE = "clone"
    DELETE_VOICE = "delete_voice"
    BALANCE = "balance"


class UpstreamState(enum.StrEnum):
    """Where a provider says a task is. UNKNOWN keeps the segment where it stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WordTime:
    """One spoken word: text[start:end] sounds from start_ms to end_ms."""

    start: int
    end: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of a dialogue; `voice` is the provider's own id."""

    text: str
    voice: str


@dataclass(frozen=True, slots=True)
class SpeechOrder:
    """Text to be spoken by one provider in one call.

    `settings` uses our names (see `speechsite.providers.controls`); an adapter
    passes on the ones it declares in `controls` and refuses the others aloud.
    `key` is unguessable, unique per submission, and the idempotency key where
    the provider has one.
    """

    text: str
    voice: str
    model: str
    key: str
    settings: Mapping[str, float | int | bool | str] = field(default_factory=dict)
    language: str | None = None
    previous_text: str = ""
    next_text: str = ""
    seed: int | None = None
    output_format: str = "mp3_44100_128"
    with_times: bool = True
    lines: tuple[Line, ...] = ()
    pronunciations: tuple[tuple[str, str], ...] = ()
    callback_url: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CleaningOrder:
    """A recording on local disk from which noise is to be removed."""

    path: Path
    filename: str
    media_type: str
    duration_ms: int
    model: str
    key: str
    callback_url: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


Order = SpeechOrder | CleaningOrder


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of sound as it arrives.

    `format` is an ElevenLabs output-format name (`mp3_44100_128`, `pcm_22050`);
    chunks of one call share it and their bytes concatenate. `words` are timed
    from the start of the whole call, not of the chunk. `cost` is what the
    provider says it billed, in its own credits, and `upstream_id` what it calls
    this piece of work, where it says so.
    """

    audio: bytes
    format: str
    words: tuple[WordTime, ...] = ()
    cost: Decimal | None = None
    upstream_id: str = ""


@dataclass(frozen=True, slots=True)
class UpstreamEvent:
    """What a provider said about one task, however we heard it.

    `result` is whatever `fetch()` needs to get the audio (links or file ids);
    `raw` is the provider's answer as it came, without secrets.
    """

    state: UpstreamState
    upstream_id: str = ""
    result: tuple[str, ...] = ()
    cost: Decimal | None = None
    error: ProviderError | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


# Labels of voices that a site like this one made for somebody: they are nobody else's.
MADE_HERE: Mapping[str, str] = {"made_by": "speechsite"}


@dataclass(frozen=True, slots=True)
class VoiceInfo:
    """A voice as a provider lists it."""

    id: str
    name: str
    languages: tuple[str, ...] = ()  # BCP 47 tags, the main one first
    gender: str = ""  # "female", "male", "neutral" or ""
    accent: str = ""
    age: str = ""
    description: str = ""
    use_case: str = ""
    category: str = "premade"
    preview_url: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as a provider lists it; `cost` is millionths of our credit for a character."""

    id: str
    name: str
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """A reference recording for a clone."""

    filename: str
    media_type: str
    audio: bytes


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left on the operator's account, in the provider's own unit."""

    remaining: Decimal | None
    unit: str = "credits"
    raw: Mapping[str, Any] = field(default_factory=dict)
