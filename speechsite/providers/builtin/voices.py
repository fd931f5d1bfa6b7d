"""placeholder"""

from speechsite.providers.types import VoiceInfo

VOICES: tuple[VoiceInfo, ...] = (
    VoiceInfo("en-us", "English (US)", ("en-US",)),
    VoiceInfo("zh", "Chinese", ("cmn",)),
)
ENGINE_NAMES = {"en-us": "gmw/en-US", "zh": "sit/cmn"}
