"""An order as MiniMax wants to read it.

The asynchronous and the streaming endpoint share most keys and spell two of
them differently. Only listed keys are sent: an unknown one may be refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from speechsite.providers import script
from speechsite.providers.errors import Rejected, Unsupported
from speechsite.providers.script import Pause, Script, Words
from speechsite.providers.types import SpeechOrder

SETTINGS = {"speed": "speed", "volume": "vol", "pitch": "pitch", "emotion": "emotion"}
LONGEST_TEXT = 50_000
LONGEST_STREAMED_TEXT = 9_999
LONGEST_PAUSE = Decimal("99.99")
SHORTEST_PAUSE = Decimal("0.01")

RATES = (8000, 16000, 22050, 24000, 32000, 44100)
BITRATES = (32_000, 64_000, 128_000, 256_000)
# What comes nearest to a codec that not every model offers.
CODECS = {"mp3": "mp3", "pcm": "pcm", "wav": "wav", "flac": "flac", "ulaw": "pcm", "alaw": "pcm"}
STREAMED_CODECS = {**CODECS, "wav": "pcm"}

# The asynchronous endpoint's word for a key, then the streaming endpoint's.
STREAMED_AUDIO = {"audio_sample_rate": "sample_rate"}
STREAMED_VOICE = {"english_normalization": "text_normalization"}

EXTRAS = ("language_boost", "voice_modify", "aigc_watermark")

LANGUAGES = {
    "zh": "Chinese", "yue": "Chinese,Yue", "zh-hk": "Chinese,Yue", "en": "English",
    "ar": "Arabic", "ru": "Russian", "es": "Spanish", "fr": "French", "pt": "Portuguese",
    "de": "German", "tr": "Turkish", "nl": "Dutch", "uk": "Ukrainian", "vi": "Vietnamese",
    "id": "Indonesian", "ja": "Japanese", "it": "Italian", "ko": "Korean", "th": "Thai",
    "pl": "Polish", "ro": "Romanian", "el": "Greek", "cs": "Czech", "fi": "Finnish",
    "hi": "Hindi", "bg": "Bulgarian", "da": "Danish", "he": "Hebrew", "ms": "Malay",
    "fa": "Persian", "sk": "Slovak", "sv": "Swedish", "hr": "Croatian", "fil": "Filipino",
    "tl": "Filipino", "hu": "Hungarian", "no": "Norwegian", "nb": "Norwegian",
    "sl": "Slovenian", "ca": "Catalan", "nn": "Nynorsk", "ta": "Tamil", "af": "Afrikaans",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AudioSetting:
    """How the sound is asked for, in the asynchronous endpoint's words."""

    wire: Mapping[str, Any]

    @property
    def codec(self) -> str:
        return str(self.wire.get("format", "mp3"))

    @property
    def format(self) -> str:
        """The name of the sound that this asks for; MiniMax's defaults fill the gaps."""
        return self.truth(self.codec, None)

    def truth(self, codec: str, notes: Any) -> str:
        """The name of the sound that came: its codec, and what the notes beside it say."""
        noted = notes if isinstance(notes, Mapping) else {}
        return name_of(
            codec,
            _figure(noted, "audio_sample_rate", self.wire.get("audio_sample_rate", 32_000)),
            _figure(noted, "bitrate", self.wire.get("bitrate", 128_000)),
        )


def name_of(codec: str, rate: int, bitrate: int) -> str:
    """A format's name: `mp3_44100_128`, `pcm_22050`, `flac_44100`."""
    return f"mp3_{rate}_{bitrate // 1000}" if codec == "mp3" else f"{codec}_{rate}"


def task_body(order: SpeechOrder, text_file_id: int | None = None) -> dict[str, Any]:
    """The order for the asynchronous endpoint: its text, or an uploaded file of it."""
    if order.extra.get("timbre_weights"):
        raise Unsupported("mixed voices come only as a stream")
    source = {"text": _text(order, LONGEST_TEXT)} if text_file_id is None else {}
    body: dict[str, Any] = {"model": order.model, **source}
    if text_file_id is not None:
        body["text_file_id"] = text_file_id
    body["voice_setting"] = _voice_setting(order)
    if audio := audio_setting(order, CODECS).wire:
        body["audio_setting"] = dict(audio)
    return {**body, **_common(order)}


def stream_body(order: SpeechOrder) -> dict[str, Any]:
    """The order for the streaming endpoint."""
    body: dict[str, Any] = {
        "model": order.model,
        "text": _text(order, LONGEST_STREAMED_TEXT),
        "stream": True,
        "stream_options": {"exclude_aggregated_audio": True},
        "output_format": "hex",
        "voice_setting": _renamed(_voice_setting(order), STREAMED_VOICE),
        **_common(order),
    }
    if audio := audio_setting(order, STREAMED_CODECS).wire:
        body["audio_setting"] = _renamed(audio, STREAMED_AUDIO)
    if order.with_times:
        body["subtitle_enable"] = True
    if weights := order.extra.get("timbre_weights"):
        body["timbre_weights"] = weights
        body["voice_setting"]["voice_id"] = ""
    return body


def audio_setting(order: SpeechOrder, codecs: Mapping[str, str]) -> AudioSetting:
    """What the order's format becomes here; `extra["audio_setting"]` is sent as it stands."""
    if "audio_setting" in order.extra:
        setting = AudioSetting(dict(order.extra["audio_setting"]))
        if setting.codec == "pcm" and setting.wire.get("channel") != 1:
            raise Unsupported("raw samples are taken in one channel only")
        return setting
    codec, rate, kbps = _format_parts(order.output_format)
    wire: dict[str, Any] = {"audio_sample_rate": min(RATES, key=lambda known: abs(known - rate))}
    wire["format"] = codecs.get(codec, "mp3")
    if wire["format"] == "mp3":
        enough = [known for known in BITRATES if known >= kbps * 1000]
        wire["bitrate"] = min(enough, default=max(BITRATES))
    # The pages disagree about the default, and a voice needs no second channel.
    wire["channel"] = 1
    return AudioSetting(wire)


def script_of(order: SpeechOrder) -> Script:
    """The text as sent: a pause stands only between two things that can be said."""
    sent, waiting, begun = Script(), Decimal(0), False
    for part in script.parts(order.text):
        if isinstance(part, Pause):
            waiting += part.seconds
            continue
        speakable = script.is_speakable(part.text)
        if waiting and speakable and begun:
            sent.add_mark(_pause(waiting))
        # A part without anything to say lets the pauses around it grow together.
        waiting = Decimal(0) if speakable else waiting
        begun = begun or speakable
        sent.add_words(Words(part.text, part.at))
    return sent


def _text(order: SpeechOrder, longest: int) -> str:
    text = script_of(order).text
    if len(text) > longest:
        raise Rejected(f"more than {longest} characters", vendor_code="text_too_long")
    return text


def _pause(seconds: Decimal) -> str:
    bounded = max(SHORTEST_PAUSE, min(LONGEST_PAUSE, seconds))
    return f"<#{bounded.quantize(SHORTEST_PAUSE).normalize():f}#>"


def _voice_setting(order: SpeechOrder) -> dict[str, Any]:
    setting: dict[str, Any] = {"voice_id": order.voice}
    for name, value in order.settings.items():
        # No emotion means that the model hears it in the text.
        if (name, value) != ("emotion", ""):
            setting[SETTINGS[name]] = value
    return {**setting, **order.extra.get("voice_setting", {})}


def _common(order: SpeechOrder) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if order.pronunciations:
        tones = [f"{written}/{spoken}" for written, spoken in order.pronunciations]
        body["pronunciation_dict"] = {"tone": tones}
    if order.language and (boost := _language_boost(order.language)):
        body["language_boost"] = boost
    if order.extra.get("watermark"):
        body["aigc_watermark"] = True
    return {**body, **{key: order.extra[key] for key in EXTRAS if key in order.extra}}


def _language_boost(tag: str) -> str | None:
    tag = tag.lower()
    return LANGUAGES.get(tag) or LANGUAGES.get(tag.split("-")[0])


def _format_parts(name: str) -> tuple[str, int, int]:
    codec, *numbers = name.split("_")
    if not all(number.isdecimal() for number in numbers):
        raise Unsupported(f"MiniMax has no output format {name!r}")
    rate, kbps, *_ = [int(number[:6]) for number in numbers] + [0, 0]
    return codec, rate or 44_100, kbps or 128


def _renamed(keys: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in keys.items()}


def _figure(notes: Mapping[str, Any], key: str, otherwise: int) -> int:
    figure = notes.get(key)
    return figure if isinstance(figure, int) and 8_000 <= figure <= 512_000 else otherwise
