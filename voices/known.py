"""Voices that providers' documents and their clients name, whether or not a channel lists them.

A test key may name them on a site without the provider; the built-in engine stands in for them.
"""

from __future__ import annotations

from functools import lru_cache

from speechsite.providers.kie import voices as kie
from speechsite.providers.rivya import adapter as rivya
from voices.models import Voice

# Of the examples in ElevenLabs' documents; which of its accounts have them differs.
ELEVENLABS = {
    "JBFqnCBsd6RMkjVDRZzb": "George",
    "21m00Tcm4TlvDq8ikWAM": "Rachel",
    "EXAVITQu4vr4xnSDxMaL": "Sarah",
    "TX3LPaxmHKxFdv7VOQHJ": "Liam",
    "pNInz6obpgDQGcFmaJgB": "Adam",
    "XB0fDUnXU5powFXDhCwa": "Charlotte",
    "9BWtsMINqrJLrRacOk9x": "Aria",
    "CwhRBWXzGAHq8TQ4Fs17": "Roger",
}
MANDARIN = "Chinese (Mandarin)_"
MINIMAX = (
    "audiobook_male_1",
    "moss_audio_ce44fc67-7ce3-11f0-8de5-96e35d26fb85",
    "male-qn-qingse",
    "male-qn-jingying",
    "male-qn-badao",
    "male-qn-daxuesheng",
    "female-shaonv",
    "female-yujie",
    "female-chengshu",
    "female-tianmei",
    f"{MANDARIN}Reliable_Executive",
    f"{MANDARIN}News_Anchor",
    f"{MANDARIN}Mature_Woman",
    f"{MANDARIN}Lyrical_Voice",
    f"{MANDARIN}Radio_Host",
    f"{MANDARIN}Gentleman",
    "Cantonese_GentleLady",
    "English_Graceful_Lady",
    "English_Insightful_Speaker",
    "English_radiant_girl",
    "English_Persuasive_Man",
    "English_expressive_narrator",
    "English_Trustworthy_Man",
    "Japanese_Whisper_Belle",
)


def voice_of(external_id: str) -> Voice | None:
    """A known voice, as a row that is not in the database."""
    return _voices().get(external_id)


def voices() -> list[Voice]:
    """All of them."""
    return list(_voices().values())


def found(
    *, query: str = "", language: str = "", gender: str = "", family: str = ""
) -> list[Voice]:
    """Those that fit; of their languages and sexes nothing is known."""
    words = [word.casefold() for word in query.split()[:8]]
    return [
        one
        for one in voices()
        if not language
        and not gender
        and family in ("", one.family)
        and all(word in (one.name + " " + one.external_id).casefold() for word in words)
    ]


def id_of(name: str) -> str | None:
    """The id of a voice that a client calls by its name, whatever its case."""
    wanted = name.casefold()
    return next((one.external_id for one in voices() if one.name.casefold() == wanted), None)


@lru_cache(maxsize=1)
def _voices() -> dict[str, Voice]:
    listed = {info.id: info.name for info in (*rivya.VOICES, *kie.VOICES)}
    named = {**ELEVENLABS, **{id: name for id, name in listed.items() if id not in ELEVENLABS}}
    rows = [Voice(family="elevenlabs", external_id=id, name=name) for id, name in named.items()]
    rows += [Voice(family="minimax", external_id=id, name=id) for id in MINIMAX]
    return {row.external_id: row for row in rows}
