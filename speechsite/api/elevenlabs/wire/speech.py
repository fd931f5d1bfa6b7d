"""Requests for speech and dialogue, and their times as ElevenLabs writes them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from speechsite.api.elevenlabs.schema import Field
from speechsite.audio.wording import Wording
from speechsite.providers.types import WordTime

DEFAULT_MODEL = "eleven_multilingual_v2"
DEFAULT_DIALOGUE_MODEL = "eleven_v3"
DEFAULT_FORMAT = "mp3_44100_128"

# their word: ours
SETTINGS = {
    "stability": "stability",
    "similarity_boost": "similarity",
    "style": "style",
    "use_speaker_boost": "speaker_boost",
    "speed": "speed",
}
DIALOGUE_SETTINGS = {"stability": "stability", "similarity": "similarity", "speed": "speed"}
# their word: ours. A model that cannot be told a language speaks what it reads, as upstream.
OPTIONS = {
    "previous_text": "previous_text",
    "next_text": "next_text",
    "future_text": "next_text",
    "language_code": "language",
    "seed": "seed",
}

VOICE_SETTINGS = {
    "stability": Field("number", minimum=0, maximum=1),
    "similarity_boost": Field("number", minimum=0, maximum=1),
    "style": Field("number"),
    "use_speaker_boost": Field("boolean"),
    "speed": Field("number"),
}
LOCATOR = Field(
    "object",
    fields={"pronunciation_dictionary_id": Field(is_required=True), "version_id": Field()},
)
QUERY = {
    "output_format": Field(),
    "enable_logging": Field("boolean", default=True),
    "optimize_streaming_latency": Field("integer"),
}
_COMMON = {
    "model_id": Field(),
    "language_code": Field(),
    "output_format": Field(),
    "seed": Field("integer"),
    "pronunciation_dictionary_locators": Field("list", default=(), item=LOCATOR),
    "apply_text_normalization": Field(choices=("auto", "on", "off")),
    "previous_text": Field(),
    "previous_request_ids": Field("list", item=Field()),
    "next_request_ids": Field("list", item=Field()),
    "audio_effects": Field("object"),
    "use_pvc_as_ivc": Field("boolean"),
}
SPEECH = {
    "text": Field(is_required=True),
    "voice_settings": Field("object", fields=VOICE_SETTINGS),
    "next_text": Field(),
    "apply_language_text_normalization": Field("boolean"),
    **_COMMON,
}
DIALOGUE = {
    "inputs": Field(
        "list",
        is_required=True,
        minimum=1,
        item=Field(
            "object", fields={"text": Field(is_required=True), "voice_id": Field(is_required=True)}
        ),
    ),
    "settings": Field(
        "object",
        fields={
            "stability": Field("number", minimum=0, maximum=1),
            "similarity": Field("number"),
            "speed": Field("number"),
        },
    ),
    "future_text": Field(),
    **_COMMON,
}


def settings(
    given: Mapping[str, Any] | None, takes: Iterable[str], names: Mapping[str, str] = SETTINGS
) -> dict[str, Any]:
    """Voice settings by our names; one that the model does not take is left out, as upstream."""
    known = frozenset(takes)
    return {
        names[name]: value
        for name, value in (given or {}).items()
        if value is not None and names.get(name) in known
    }


def options(given: Mapping[str, Any]) -> dict[str, Any]:
    """What else is asked for, by our names."""
    found = {ours: given.get(theirs) for theirs, ours in OPTIONS.items() if theirs in given}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(slots=True)
class Alignment:
    """Times of every character of a text, from the times of its words as they come.

    What lies between two words shares the time between them; inside a word, with the
    punctuation behind it, all characters last equally long. Blanks at the end of the text
    belong to its last word: what a socket says next is put behind them.
    """

    text: str
    place: int = 0
    at_ms: int = 0
    last: int = field(init=False)  # where the last word ends

    def __post_init__(self) -> None:
        self.last = len(self.text.rstrip())

    def take(self, words: Sequence[WordTime], *, is_last: bool = False) -> Columns | None:
        """The characters up to the last of these words; with the last, all that is left."""
        columns = Columns()
        for word in words:
            end = self._end_of(word)
            if end <= self.place:
                continue
            start = min(max(word.start, self.place), end)
            self._spread(columns, start, max(word.start_ms, self.at_ms))
            self._spread(columns, end, max(word.end_ms, self.at_ms))
        if is_last:
            self._spread(columns, len(self.text), self.at_ms)
        return columns if columns.characters else None

    def _end_of(self, word: WordTime) -> int:
        end = min(word.end, len(self.text))
        while end < len(self.text) and not (self.text[end].isalnum() or self.text[end].isspace()):
            end += 1
        # No word comes to bring the blanks at the end, and a text that follows begins after them.
        return len(self.text) if end >= self.last else end

    def _spread(self, columns: Columns, until: int, until_ms: int) -> None:
        count = until - self.place
        for number in range(count):
            begin = self.at_ms + (until_ms - self.at_ms) * number // count
            end = self.at_ms + (until_ms - self.at_ms) * (number + 1) // count
            columns.add(self.text[self.place + number], begin, end)
        self.place, self.at_ms = max(until, self.place), until_ms


@dataclass(slots=True)
class Spelling:
    """Times of every character that is spoken, and of every one that was sent.

    What a dictionary replaced lasts as long as what is spoken instead, in equal shares, and is
    told once all of that was spoken. What is not spoken at all takes no time.
    """

    wording: Wording
    alignment: Alignment = field(init=False)
    place: int = 0  # of what was sent
    number: int = 0  # the change that comes next
    said: int = 0  # of what is spoken
    begun_ms: int = 0  # when what this change says began
    at_ms: int = 0

    def __post_init__(self) -> None:
        self.alignment = Alignment(self.wording.spoken)

    def take(
        self, words: Sequence[WordTime], *, is_last: bool = False
    ) -> tuple[Columns | None, Columns | None]:
        """The next characters, as they were sent and as they are spoken."""
        spoken = self.alignment.take(words, is_last=is_last)
        if not self.wording.changes:
            self.place = self.alignment.place
            return spoken, spoken
        if spoken is None:
            return None, None
        sent = Columns()
        for start, end in spoken.pairs():
            self._skip(sent)
            self._follow(sent, start, end)
        self._skip(sent)
        return sent if sent.characters else None, spoken

    def _follow(self, sent: Columns, start: int, end: int) -> None:
        begins, ends = self._next()
        if self.said < begins:
            self._tell(sent, self.place + 1, start, end)
        else:
            self.begun_ms = start if self.said == begins else self.begun_ms
            if self.said + 1 == ends:
                self._tell(sent, self.wording.spans[self.number][1], self.begun_ms, end)
                self.number += 1
        self.said, self.at_ms = self.said + 1, end

    def _skip(self, sent: Columns) -> None:
        """What of the sent text is not spoken, and stands here."""
        while self._next() == (self.said, self.said):
            self._tell(sent, self.wording.spans[self.number][1], self.at_ms, self.at_ms)
            self.number += 1

    def _next(self) -> tuple[int, int]:
        """Where the next change lies in what is spoken; behind the end when there is none."""
        spans = self.wording.spans
        if self.number < len(spans):
            return spans[self.number][2:]
        return len(self.wording.spoken) + 1, len(self.wording.spoken) + 1

    def _tell(self, sent: Columns, until: int, start: int, end: int) -> None:
        count = until - self.place
        for number in range(count):
            begin, stop = (start + (end - start) * part // count for part in (number, number + 1))
            sent.add(self.wording.sent[self.place + number], begin, stop)
        self.place = until


@dataclass(slots=True)
class Columns:
    """Characters beside their times in milliseconds."""

    characters: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, character: str, start: int, end: int) -> None:
        self.characters.append(character)
        self.starts.append(start)
        self.ends.append(end)

    def in_seconds(self) -> dict[str, list[Any]]:
        """As the answers of REST have it."""
        return {
            "characters": self.characters,
            "character_start_times_seconds": [ms / 1000 for ms in self.starts],
            "character_end_times_seconds": [ms / 1000 for ms in self.ends],
        }

    def in_milliseconds(self, since: int = 0) -> dict[str, list[Any]]:
        """As the messages of a socket have it, counted from the start of their own sound."""
        return {
            "chars": self.characters,
            "charStartTimesMs": [max(ms - since, 0) for ms in self.starts],
            "charDurationsMs": [max(end, since) - max(start, since) for start, end in self.pairs()],
        }

    def parts(self, most: int) -> list[Columns]:
        """The same in parts of at most so many characters."""
        return [
            Columns(
                self.characters[start : start + most],
                self.starts[start : start + most],
                self.ends[start : start + most],
            )
            for start in range(0, len(self.characters), most)
        ]

    def pairs(self) -> Iterable[tuple[int, int]]:
        return zip(self.starts, self.ends, strict=True)


def timed(audio: bytes, sent: Columns | None, spoken: Columns | None) -> dict[str, Any]:
    """One object of the forms with timestamps."""
    return {
        "audio_base64": base64.b64encode(audio).decode(),
        "alignment": sent.in_seconds() if sent else None,
        "normalized_alignment": spoken.in_seconds() if spoken else None,
    }


@dataclass(frozen=True, slots=True)
class Turn:
    """One line of a dialogue where it stands in the job's text."""

    voice_id: str
    start: int
    end: int


def turns(lines: Sequence[tuple[str, str]], text: str) -> list[Turn]:
    """Where the (voice, words) of a dialogue stand in the text that they became."""
    found, at = [], 0
    for voice_id, words in lines:
        begin = text.find(words, at)
        # Words that were not spoken, such as mere blanks, stand nowhere.
        begin, length = (begin, len(words)) if begin >= 0 else (at, 0)
        at = begin + length
        found.append(Turn(voice_id, begin, at))
    return found


def voice_segments(turns: Sequence[Turn], columns: Columns | None, first: int) -> list[Any]:
    """Who speaks in a stretch of characters that begins at `first` of the text."""
    if columns is None:
        return []
    last = first + len(columns.characters)
    segments = []
    for index, turn in enumerate(turns):
        start, end = max(turn.start, first), min(turn.end, last)
        if start < end:
            segments.append(
                {
                    "voice_id": turn.voice_id,
                    "start_time_seconds": columns.starts[start - first] / 1000,
                    "end_time_seconds": columns.ends[end - first - 1] / 1000,
                    "character_start_index": start,
                    "character_end_index": end,
                    "dialogue_input_index": index,
                }
            )
    return segments
