"""Calls the site with ElevenLabs' Python client 1.59.0; prints what came of each call as JSON.

A program of its own, run by the client's own Python: see `test_former_clients.py`. Its `base_url`
loses the port, so the address comes as an environment; its socket always speaks TLS.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from elevenlabs import PronunciationDictionaryRule_Alias as Alias
from elevenlabs import VoiceSettings
from elevenlabs.client import ElevenLabs
from elevenlabs.environment import ElevenLabsEnvironment

VOICE, NAME = os.environ["VOICE"], "Rachel"
SPOKEN = "An old client speaks."
results: dict[str, Any] = {}


def client_at(address: str) -> ElevenLabs:
    place = ElevenLabsEnvironment(base=address, wss=address.replace("http", "ws", 1))
    return ElevenLabs(environment=place, api_key=os.environ["API_KEY"])


client = client_at(os.environ["SITE_URL"])


def call(name: str, run: Callable[[], Any]) -> None:
    try:
        results[name] = run()
    except Exception as error:
        results[name] = {"error": f"{type(error).__name__}: {error}"[:2000]}


def sound(chunks: Iterator[bytes]) -> dict[str, Any]:
    return {"bytes": len(b"".join(chunks))}


def words() -> Iterator[str]:
    yield from (f"{word} " for word in (SPOKEN * 4).split())


def speech() -> dict[str, Any]:
    return sound(
        client.text_to_speech.convert(VOICE, text=SPOKEN, model_id="eleven_monolingual_v1")
    )


def by_name() -> dict[str, Any]:
    return sound(client.generate(text=SPOKEN, voice=NAME, model="eleven_turbo_v2"))


def streamed() -> dict[str, Any]:
    return sound(client.text_to_speech.convert_as_stream(VOICE, text=SPOKEN))


def timed() -> dict[str, Any]:
    answer = client.text_to_speech.convert_with_timestamps(VOICE, text=SPOKEN)
    assert answer.alignment is not None
    return {"text": "".join(answer.alignment.characters)}


def timed_stream() -> dict[str, Any]:
    lines = list(client.text_to_speech.stream_with_timestamps(VOICE, text=SPOKEN))
    return {"text": "".join("".join(one.alignment.characters) for one in lines if one.alignment)}


def written_to() -> dict[str, Any]:
    settings = VoiceSettings(stability=0.5, similarity_boost=0.8)
    realtime = client_at(os.environ["TLS_URL"]).text_to_speech
    model = "eleven_flash_v2"
    return sound(
        realtime.convert_realtime(VOICE, text=words(), model_id=model, voice_settings=settings)
    )


def isolation() -> dict[str, Any]:
    with open(os.environ["RECORDING"], "rb") as recording:
        return sound(client.audio_isolation.audio_isolation(audio=recording))


def isolation_stream() -> dict[str, Any]:
    with open(os.environ["RECORDING"], "rb") as recording:
        return sound(client.audio_isolation.audio_isolation_stream(audio=recording))


def voices() -> dict[str, Any]:
    listed = [one.voice_id for one in client.voices.get_all().voices]
    found = client.voices.search(page_size=5, search=NAME)
    return {"isListed": VOICE in listed and VOICE in [one.voice_id for one in found.voices]}


def voice() -> dict[str, Any]:
    one = client.voices.get(VOICE)
    return {"name": one.name, "stability": one.settings.stability}


def settings() -> dict[str, Any]:
    client.voices.edit_settings(VOICE, request=VoiceSettings(stability=0.3))
    kept, usual = client.voices.get_settings(VOICE), client.voices.get_default_settings()
    return {"stability": kept.stability, "usual": usual.stability}


def models() -> dict[str, Any]:
    return {"ids": [one.model_id for one in client.models.get_all()]}


def account() -> dict[str, Any]:
    user, plan = client.user.get(), client.user.get_subscription()
    return {"tier": user.subscription.tier, "left": plan.character_limit - plan.character_count}


def history() -> dict[str, Any]:
    page = client.history.get_all(page_size=1)
    item = page.history[0]
    again = client.history.get(item.history_item_id)
    answer = {
        "text": again.text,
        "characters": item.character_count_change_to - item.character_count_change_from,
        **sound(client.history.get_audio(item.history_item_id)),
        "hasMore": page.has_more,
    }
    fetched = sound(client.history.download(history_item_ids=[item.history_item_id]))
    assert fetched["bytes"] == answer["bytes"]
    client.history.delete(item.history_item_id)
    left = [one.history_item_id for one in client.history.get_all().history]
    return answer | {"isDeleted": item.history_item_id not in left}


def own_voice() -> dict[str, Any]:
    with open(os.environ["RECORDING"], "rb") as recording:
        made = client.voices.add(name="Mine", files=[recording], description="A try")
    assert made.requires_verification is False
    spoken = sound(client.text_to_speech.convert(made.voice_id, text=SPOKEN))
    sample = client.voices.get(made.voice_id).samples[0].sample_id
    kept = sound(client.samples.get_audio(made.voice_id, sample))
    assert kept["bytes"] == os.path.getsize(os.environ["RECORDING"])
    client.voices.edit(made.voice_id, name="Still mine")
    name = client.voices.get(made.voice_id).name
    client.voices.delete(made.voice_id)
    listed = [one.voice_id for one in client.voices.get_all().voices]
    return {**spoken, "name": name, "isDeleted": made.voice_id not in listed}


def dictionaries() -> dict[str, Any]:
    books = client.pronunciation_dictionary
    rules = [Alias(string_to_replace="UN", alias="United Nations")]
    made = books.add_from_rules(name="Names", rules=rules)
    more = [Alias(string_to_replace="EU", alias="European Union")]
    books.add_rules(made.id, rules=more)
    books.remove_rules(made.id, rule_strings=["EU"])
    read = books.get(made.id)
    listed = [one.id for one in books.get_all().pronunciation_dictionaries]
    lexicon = b"".join(books.download(made.id, read.latest_version_id))
    return {"name": read.name, "isListed": made.id in listed, "hasRule": b"United" in lexicon}


def no_voice() -> dict[str, Any]:
    client.voices.add(name="Nobody", files=[io.BytesIO(b"This is no sound.")])
    return {}


def unknown_voice() -> dict[str, Any]:
    client.voices.get("nobody")
    return {}


for run in (
    speech, history, by_name, streamed, timed, timed_stream, written_to, isolation,
    isolation_stream, voices, voice, settings, models, account, own_voice, dictionaries, no_voice,
    unknown_voice,
):  # fmt: skip
    call(run.__name__, run)
print(json.dumps(results))
