"""The voices that every account at MiniMax is known to have, until it is asked.

The last two stand in examples that partners copy; MiniMax's own list has had neither.
"""

from __future__ import annotations

from speechsite.providers.minimax import voices
from speechsite.providers.types import VoiceInfo

_IDS = (
    "English_Graceful_Lady", "English_Trustworthy_Man", "English_expressive_narrator",
    "English_Insightful_Speaker", "English_radiant_girl", "English_Persuasive_Man",
    "English_Diligent_Man", "English_Lucky_Robot", "Chinese (Mandarin)_Lyrical_Voice",
    "Chinese (Mandarin)_News_Anchor", "Chinese (Mandarin)_Reliable_Executive",
    "Chinese (Mandarin)_Radio_Host", "Chinese (Mandarin)_Warm_Girl", "Chinese (Mandarin)_Gentleman",
    "Cantonese_GentleLady", "Cantonese_PlayfulMan", "Japanese_Whisper_Belle", "male-qn-qingse",
    "male-qn-jingying", "male-qn-badao", "male-qn-daxuesheng", "female-shaonv", "female-yujie",
    "female-chengshu", "female-tianmei", "audiobook_male_1",
    "moss_audio_ce44fc67-7ce3-11f0-8de5-96e35d26fb85",
)  # fmt: skip


def _in_words(voice: str) -> str:
    """A name until the list brings the provider's own: "Graceful Lady"."""
    home, mark, rest = voice.partition("_")
    is_at_home = bool(mark) and home.partition(" ")[0] in voices.LANGUAGES
    return (rest if is_at_home else voice).replace("_", " ")


VOICES: tuple[VoiceInfo, ...] = tuple(
    voices.read(
        {"system_voice": [{"voice_id": id, "voice_name": _in_words(id)} for id in _IDS]},
    )
)
