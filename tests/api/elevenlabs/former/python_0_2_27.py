"""Calls the site with ElevenLabs' Python client 0.2.27; prints what came of each call as JSON.

A program of its own, run by the client's own Python: see `test_former_clients.py`. Its REST calls
follow ELEVEN_BASE_URL, its socket goes to a fixed address.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import elevenlabs
from elevenlabs.api import tts
from websockets.sync.client import connect

SITE, VOICE, NAME = os.environ["SITE_URL"], os.environ["VOICE"], "Rachel"
FIXED = "wss://api.elevenlabs.io"
SPOKEN = "An old client speaks."


def on_the_site(url: str, **more: Any) -> Any:
    return connect(url.replace(FIXED, SITE.replace("http", "ws", 1)), proxy=None, **more)


tts.connect = on_the_site
results: dict[str, Any] = {}


def call(name: str, run: Callable[[], Any]) -> None:
    try:
        results[name] = run()
    except Exception as error:
        results[name] = {"error": f"{type(error).__name__}: {error}"[:2000]}


def words() -> Iterator[str]:
    yield from (f"{word} " for word in (SPOKEN * 4).split())


def speech() -> dict[str, Any]:
    # The model is the one that this client asks for by itself.
    return {"bytes": len(elevenlabs.generate(SPOKEN, voice=VOICE))}


def by_name() -> dict[str, Any]:
    settings = elevenlabs.VoiceSettings(stability=0.4, similarity_boost=0.6)
    voice = elevenlabs.Voice(voice_id=VOICE, settings=settings)
    named = elevenlabs.generate(SPOKEN, voice=NAME, model="eleven_multilingual_v1")
    return {"bytes": min(len(named), len(elevenlabs.generate(SPOKEN, voice=voice)))}


def streamed() -> dict[str, Any]:
    return {"bytes": len(b"".join(elevenlabs.generate(SPOKEN, voice=VOICE, stream=True)))}


def written_to() -> dict[str, Any]:
    return {"bytes": len(b"".join(elevenlabs.generate(words(), voice=VOICE, stream=True)))}


def voices() -> dict[str, Any]:
    return {"isListed": VOICE in [one.voice_id for one in elevenlabs.voices()]}


def voice() -> dict[str, Any]:
    one = elevenlabs.Voice.from_id(VOICE)
    assert one.settings is not None
    return {"name": one.name, "stability": one.settings.stability}


def settings() -> dict[str, Any]:
    elevenlabs.Voice.edit_by_id(
        VOICE, voice_settings=elevenlabs.VoiceSettings(stability=0.3, similarity_boost=0.7)
    )
    kept = elevenlabs.VoiceSettings.from_voice_id(VOICE)
    usual = elevenlabs.VoiceSettings.from_default()
    return {"stability": kept.stability, "usual": usual.stability}


def models() -> dict[str, Any]:
    return {"ids": [one.model_id for one in elevenlabs.Models.from_api()]}


def account() -> dict[str, Any]:
    user, plan = elevenlabs.User.from_api(), elevenlabs.api.user.Subscription.from_api()
    return {"tier": user.subscription.tier, "left": plan.character_limit - plan.character_count}


def history() -> dict[str, Any]:
    page = elevenlabs.History.from_api(page_size=1)
    item = page[0]
    again = elevenlabs.HistoryItem.from_id(item.history_item_id)
    answer = {
        "text": again.text,
        "characters": item.character_count_change,
        "bytes": len(item.audio),
        "hasMore": page.has_more,
    }
    item.delete()
    left = [one.history_item_id for one in elevenlabs.History.from_api()]
    return answer | {"isDeleted": item.history_item_id not in left}


def own_voice() -> dict[str, Any]:
    made = elevenlabs.clone(
        name="Mine", description="A try", files=[os.environ["RECORDING"]], labels={"accent": "none"}
    )
    spoken = len(elevenlabs.generate(SPOKEN, voice=elevenlabs.Voice(voice_id=made.voice_id)))
    made.edit(name="Still mine")
    name = elevenlabs.Voice.from_id(made.voice_id).name
    made.delete()
    listed = [one.voice_id for one in elevenlabs.voices()]
    return {"bytes": spoken, "name": name, "isDeleted": made.voice_id not in listed}


def no_voice() -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".mp3") as file:
        file.write(b"This is no sound.")
        file.flush()
        elevenlabs.clone(name="Nobody", files=[file.name])
    return {}


def unknown_voice() -> dict[str, Any]:
    elevenlabs.Voice.from_id("nobody")
    return {}


for run in (
    speech, history, by_name, streamed, written_to, voices, voice, settings, models, account,
    own_voice, no_voice, unknown_voice,
):  # fmt: skip
    call(run.__name__, run)
print(json.dumps(results))
