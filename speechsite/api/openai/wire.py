"""OpenAI's speech requests in our words, and ours in theirs. Pure translation."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_FORMAT = "mp3"
FORMATS = {
    "mp3": "mp3_44100_128",
    "opus": "opus_48000_64",
    "aac": "aac_44100_128",
    "flac": "flac_44100",
    "wav": "wav_24000",
    "pcm": "pcm_24000",
}
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
# Their voices, each by the built-in voice that is nearest: the order also picks a voice of
# another family, where a model of that family is asked for.
VOICES = {
    "alloy": "heart",
    "ash": "en-us-mark",
    "ballad": "en-gb-oliver",
    "coral": "heart",
    "echo": "en-us-michael",
    "fable": "en-gb-emily",
    "nova": "heart",
    "onyx": "en-us-hugh",
    "sage": "heart",
    "shimmer": "heart",
    "verse": "en-us-sam",
    "marin": "heart",
    "cedar": "en-gb-harry",
}
# Their models, each by ours of the voice's family.
GRADES = {
    "tts-1": {
        "elevenlabs": "elevenlabs-turbo-2-5",
        "minimax": "minimax-speech-2.8-turbo",
    },
    "tts-1-hd": {
        "elevenlabs": "elevenlabs-multilingual-v2",
        "minimax": "minimax-speech-2.8-hd",
    },
    "gpt-4o-mini-tts": {
        "elevenlabs": "elevenlabs-multilingual-v2",
        "minimax": "minimax-speech-2.8-hd",
    },
}
BUILTIN = "builtin-speech"
SLOWEST, FASTEST = 0.25, 4.0
# The kind of error by HTTP status; what is not listed is the request's fault.
TYPES = {
    401: "invalid_request_error",
    402: "insufficient_quota",
    403: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
CODES = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded"}


class Refusal(Exception):
    """A request that cannot be taken; `param` names the key to blame."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class Order:
    """One request for speech. `voice` is as it was named."""

    model: str
    voice: str
    text: str
    format: str = DEFAULT_FORMAT
    speed: float = 1.0
    is_events: bool = False
    unheard: tuple[str, ...] = field(default=())

    @property
    def output_format(self) -> str:
        return FORMATS[self.format]

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]

    @property
    def is_theirs(self) -> bool:
        """Whether the model goes by OpenAI's name, so that any voice of ours will do."""
        return self.model in GRADES


def model_for(name: str, family: str) -> str:
    """Our model for theirs, by the family of the voice; a name of ours stays."""
    return GRADES[name].get(family, BUILTIN) if name in GRADES else name


def order_of(body: Any) -> Order:
    """What a request asks for."""
    if not isinstance(body, dict):
        raise Refusal("The request body must be a JSON object.")
    kind = DEFAULT_FORMAT if body.get("response_format") is None else body["response_format"]
    if not isinstance(kind, str) or kind not in FORMATS:
        message = "response_format must be mp3, opus, aac, flac, wav or pcm."
        raise Refusal(message, "response_format")
    carrier = "audio" if body.get("stream_format") is None else body["stream_format"]
    if carrier not in ("audio", "sse"):
        raise Refusal("stream_format must be audio or sse.", "stream_format")
    instructions = body.get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise Refusal("instructions must be a string.", "instructions")
    return Order(
        model=_text(body, "model"),
        voice=_voice(body.get("voice")),
        text=_text(body, "input"),
        format=kind,
        speed=_speed(body.get("speed")),
        is_events=carrier == "sse",
        unheard=("instructions",) if instructions else (),
    )


def speed_within(speed: float, bounds: Mapping[str, Any] | None) -> float | None:
    """The speed that a model can take; None where it has no such setting, or at 1."""
    if bounds is None or speed == 1:
        return None
    return min(max(speed, bounds.get("minimum", 0.5)), bounds.get("maximum", 2.0))


def voice(id: str, name: str, language: str = "", gender: str = "") -> dict[str, str]:
    """A voice as speech servers list it; what is not known is left out."""
    told = {"id": id, "name": name, "language": language, "gender": gender}
    return {key: value for key, value in told.items() if value}


def error(message: str, *, status: int, param: str | None = None, code: str | None = None) -> Any:
    """An error in OpenAI's shape."""
    return {
        "error": {
            "message": message,
            "type": TYPES.get(status, "invalid_request_error"),
            "param": param,
            "code": code or CODES.get(status),
        }
    }


def delta(audio: bytes) -> bytes:
    """One event with some sound."""
    return _event({"type": "speech.audio.delta", "audio": base64.b64encode(audio).decode()})


def done(characters: int) -> bytes:
    """The last event. We count characters where OpenAI counts tokens."""
    usage = {"input_tokens": characters, "output_tokens": 0, "total_tokens": characters}
    return _event({"type": "speech.audio.done", "usage": usage})


def broken(message: str) -> bytes:
    """The event that ends a stream which failed on the way."""
    return _event({"type": "error", **error(message, status=500)})


def _event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _voice(given: Any) -> str:
    """A name or an id; newer clients wrap the id of a voice in an object."""
    if isinstance(given, dict):
        given = given.get("id")
    if not isinstance(given, str) or not given:
        raise Refusal("You must provide a voice.", "voice")
    return given


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal(f"You must provide a value for {name}, as a string.", name)
    return value


def _speed(value: Any) -> float:
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal("speed must be a number.", "speed")
    if not (math.isfinite(value) and SLOWEST <= value <= FASTEST):
        raise Refusal(f"speed must lie between {SLOWEST} and {FASTEST:g}.", "speed")
    return float(value)
