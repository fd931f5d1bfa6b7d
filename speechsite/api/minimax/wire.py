"""MiniMax's requests in our words. Pure translation: no database, no clock.

What we answer with is written in `answers`. The asynchronous and the synchronous
endpoint spell two keys differently; both spellings are read on both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from speechsite.api.minimax import options
from speechsite.api.minimax.answers import INVALID, Refusal
from speechsite.audio import markup

LONGEST_TEXT = 50_000
LONGEST_STREAMED_TEXT = 9_999
RATES = (8000, 16000, 22050, 24000, 32000, 44100)
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
BITRATES = (32_000, 64_000, 128_000, 256_000)
CODECS = ("mp3", "pcm", "flac", "wav", "opus", "pcmu_raw")
EMOTIONS = frozenset(
    "happy sad angry fearful disgusted surprised calm fluent whisper neutral".split()
)
# MPEG has no frames of more at the lower rates.
MOST_KILOBITS = {8000: 64, 16_000: 128, 22_050: 128, 24_000: 128}
QUIETEST = 0.1
MOST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Sound:
    """How the result is to sound, in our words; `codec` is what MiniMax calls it."""

    codec: str = "mp3"
    output_format: str = "mp3_44100_128"


@dataclass(frozen=True, slots=True)
class Order:
    """Text, or the file that holds it, and how to speak it."""

    model: str
    voice: str
    text: str = ""
    text_file: int | None = None
    voice_settings: dict[str, Any] = field(default_factory=dict)
    sound: Sound = Sound()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Talk:
    """An order that is answered at once, and how."""

    order: Order
    is_stream: bool = False
    repeats_whole: bool = True
    is_link: bool = False
    has_subtitles: bool = False


def task_of(body: Any) -> Order:
    """What t2a_async_v2 is asked for: a text or a file of it, not both."""
    given = _object(body, "body")
    text, text_file = given.get("text"), given.get("text_file_id")
    if (text in (None, "")) == (text_file is None):
        raise Refusal(INVALID, "参数错误:text 和 text_file_id 必须提供其中之一")
    if text_file is not None:
        return _order(given, "", number_of(text_file, "text_file_id"))
    return _order(given, _spoken(text, LONGEST_TEXT), None)


def talk_of(body: Any) -> Talk:
    """What t2a_v2 is asked for."""
    given = _object(body, "body")
    text = _spoken(given.get("text"), LONGEST_STREAMED_TEXT)
    is_stream = _switch(given, "stream")
    streaming = _object(given.get("stream_options") or {}, "stream_options")
    carrier = given.get("output_format", "hex")
    if carrier not in ("hex", "url"):
        raise Refusal(INVALID, "invalid params, output_format must be hex or url")
    if given.get("subtitle_type", "sentence") not in ("sentence", "word", "word_streaming"):
        raise Refusal(INVALID, "invalid params, subtitle_type")
    order = _order(given, text, None)
    if is_stream and order.sound.codec == "wav":
        raise Refusal(INVALID, "invalid params, wav is not supported when streaming")
    return Talk(
        order=order,
        is_stream=is_stream,
        repeats_whole=not _switch(streaming, "exclude_aggregated_audio"),
        is_link=carrier == "url" and not is_stream,
        has_subtitles=_switch(given, "subtitle_enable"),
    )


def number_of(value: Any, name: str) -> int:
    """A file's number; as text it is refused, as MiniMax does."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MOST_NUMBER:
        raise Refusal(INVALID, f"invalid params, {name} must be an integer")
    return value


def asked_number(value: str | None, name: str) -> int:
    """A number out of a query string."""
    text = value or ""
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise Refusal(INVALID, f"invalid params, {name}")
    return number_of(int(text), name)


def _order(given: Mapping[str, Any], text: str, text_file: int | None) -> Order:
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal(INVALID, "invalid params, model is required")
    setting = _object(given.get("voice_setting"), "voice_setting")
    voice = setting.get("voice_id")
    if not isinstance(voice, str):
        raise Refusal(INVALID, "invalid params, voice_id must be a string")
    return Order(
        model=model,
        voice=voice or _heaviest(given),
        text=text,
        text_file=text_file,
        voice_settings=_voice_settings(setting),
        sound=_sound(_object(given.get("audio_setting") or {}, "audio_setting")),
        options=options.of(given),
    )


def _heaviest(given: Mapping[str, Any]) -> str:
    """A mix of voices comes down to the one with the greatest weight."""
    mix = given.get("timbre_weights", given.get("timber_weights"))
    if not isinstance(mix, list) or not 1 <= len(mix) <= 4:
        raise Refusal(INVALID, "invalid params, voice_id is required")
    weights: list[tuple[float, str]] = []
    for part in mix:
        voice = _object(part, "timbre_weights").get("voice_id")
        weight = _figure(part, "weight", 1, 100)
        if not isinstance(voice, str) or not voice or weight is None:
            raise Refusal(INVALID, "invalid params, timbre_weights")
        weights.append((weight, voice))
    return max(weights)[1]


def _voice_settings(setting: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("english_normalization", "text_normalization", "latex_read"):
        _switch(setting, name)
    found: dict[str, Any] = {"speed": _figure(setting, "speed", 0.5, 2)}
    volume = _figure(setting, "vol", 0, 10)
    if volume == 0:
        raise Refusal(INVALID, "invalid params, vol must be greater than 0")
    found["volume"] = max(volume, QUIETEST) if volume is not None else None
    found["pitch"] = _whole(setting, "pitch", -12, 12)
    emotion = setting.get("emotion")
    if emotion is not None and not (isinstance(emotion, str) and emotion in {"", *EMOTIONS}):
        raise Refusal(INVALID, "invalid params, emotion")
    found["emotion"] = None if emotion in (None, "", "neutral") else emotion
    return {name: value for name, value in found.items() if value is not None}


def _sound(setting: Mapping[str, Any]) -> Sound:
    codec = setting.get("format", "mp3")
    if codec not in CODECS:
        raise Refusal(INVALID, "invalid params, format")
    rate = setting.get("audio_sample_rate", setting.get("sample_rate", 32_000))
    # The documented default is no rate of opus, and is taken all the same.
    if rate not in ((*OPUS_RATES, 32_000) if codec == "opus" else RATES):
        raise Refusal(INVALID, "invalid params, sample_rate")
    bitrate = setting.get("bitrate", 128_000)
    if bitrate not in BITRATES or isinstance(bitrate, bool):
        raise Refusal(INVALID, "invalid params, bitrate")
    channels = setting.get("channel", 1)
    if channels not in (1, 2) or isinstance(channels, bool):
        raise Refusal(INVALID, "invalid params, channel")
    _switch(setting, "force_cbr")
    return Sound(codec, format_of(codec, rate, bitrate, channels))


def format_of(codec: str, rate: int, bitrate: int, channels: int = 1) -> str:
    """The format by our name: rate, bitrate and channels as they were asked for.

    Opus is always made at its own rate, and telephones know one channel only.
    """
    if codec == "opus":
        return f"opus_48000_{min(bitrate // 1000, 192)}"
    if codec == "pcmu_raw":
        return "ulaw_8000"
    name = f"{codec}_{rate}"
    if codec == "mp3":
        name += f"_{min(bitrate // 1000, MOST_KILOBITS.get(rate, 320))}"
    return name if channels == 1 else f"{name}_stereo"


def _spoken(text: Any, longest: int) -> str:
    if not isinstance(text, str) or not text:
        raise Refusal(INVALID, "invalid params, text is required")
    if len(markup.countable(text)) > longest:
        raise Refusal(INVALID, f"invalid params, text must not exceed {longest} characters")
    return text


def _figure(given: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(INVALID, f"invalid params, {name} must be a number")
    if not (math.isfinite(value) and low <= value <= high):
        raise Refusal(INVALID, f"invalid params, {name} must be within [{low}, {high}]")
    return value


def _whole(given: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = _figure(given, name, low, high)
    if value is not None and not float(value).is_integer():
        raise Refusal(INVALID, f"invalid params, {name} must be an integer")
    return None if value is None else int(value)


def _switch(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refusal(INVALID, f"invalid params, {name} must be a boolean")
    return bool(value)


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(INVALID, f"invalid params, {name} must be an object")
    return value
