"""Every example of the ElevenLabs document that the site was ordered with.

Where the document and the provider's real clients disagree, both forms are served
where both can be; else the real clients win, and the test's name says so.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from speechsite.accounts import plans
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.audio import probe
from tests.api.elevenlabs.talk import ask, work
from tests.fakes.tones import tone

pytestmark = pytest.mark.django_db(transaction=True)

VOICE = "JBFqnCBsd6RMkjVDRZzb"
SPEECH = {
    "text": "Hello, world!",
    "model_id": "eleven_multilingual_v2",
    "voice_settings": {
        "stability": 0.5,
        "similarity_boost": 0.75,
        "style": 0.0,
        "use_speaker_boost": False,
    },
    "output_format": "mp3_44100_128",
}
Trial = tuple[Caller, str]


def get(path: str, secret: str) -> Any:
    return ask("GET", path, secret)


def post(path: str, secret: str, body: Any) -> tuple[Any, bytes]:
    answer = ask("POST", path, secret, body)
    return answer, answer.sound


def test_both_ways_to_show_a_key(trial: Trial) -> None:
    assert get("/v1/voices", trial[1]).status_code == 200
    bearer = {"Authorization": f"Bearer {trial[1]}"}
    assert Client().get("/v1/voices", headers=bearer).status_code == 200


def test_text_to_speech(trial: Trial) -> None:
    answer, sound = post(f"/v1/text-to-speech/{VOICE}", trial[1], SPEECH)
    assert (answer.status_code, answer["Content-Type"]) == (200, "audio/mpeg")
    assert probe.probe(sound).duration_ms > 500


def test_the_format_may_stand_in_the_body_and_the_query_wins(trial: Trial) -> None:
    body = {**SPEECH, "output_format": "pcm_8000"}
    answer, sound = post(f"/v1/text-to-speech/{VOICE}", trial[1], body)
    assert answer["Content-Type"] == "audio/pcm"
    assert probe.probe(sound, "pcm_8000").duration_ms > 500
    path = f"/v1/text-to-speech/{VOICE}?output_format=wav_16000"
    assert post(path, trial[1], body)[0]["Content-Type"] == "audio/wav"


def test_text_to_speech_as_a_stream(trial: Trial) -> None:
    body = {**SPEECH, "text": "Long text content..."}
    answer, sound = post(f"/v1/text-to-speech/{VOICE}/stream", trial[1], body)
    assert (answer.status_code, answer["Content-Type"]) == (200, "audio/mpeg")
    assert answer.streaming
    assert probe.probe(sound).duration_ms > 500


def test_voices(trial: Trial) -> None:
    voices = {one["voice_id"]: one for one in get("/v1/voices", trial[1]).json()["voices"]}
    assert voices[VOICE]["category"] == "premade"
    assert {"gender", "accent"} <= set(voices[VOICE]["labels"])
    assert voices[VOICE]["samples"] == []


def test_one_voice(trial: Trial) -> None:
    voice = get(f"/v1/voices/{VOICE}", trial[1]).json()
    documented = {"name", "samples", "category", "labels", "description", "preview_url", "settings"}
    assert documented <= set(voice)
    assert voice["settings"]["stability"] == 0.5
    assert voice["settings"]["similarity_boost"] == 0.75


def test_a_voice_is_added_edited_and_deleted(trial: Trial) -> None:
    header = {"xi-api-key": trial[1]}
    form = {
        "files": SimpleUploadedFile("audio_file.mp3", tone("mp3_44100_128", 1000)),
        "name": "My Voice",
        "description": "Custom cloned voice",
        "labels": '{"gender": "male"}',
    }
    made = Client().post("/v1/voices/add", form, headers=header).json()
    assert (made["name"], made["category"]) == ("My Voice", "cloned")
    assert made["requires_verification"] is False
    path = f"/v1/voices/{made['voice_id']}"
    change = {
        "name": "Updated Name",
        "description": "Updated description",
        "files": SimpleUploadedFile("new_audio.mp3", tone("mp3_44100_128", 1100)),
    }
    assert Client().post(f"{path}/edit", change, headers=header).json() == {"status": "ok"}
    voice = get(path, trial[1]).json()
    assert (voice["name"], voice["description"]) == ("Updated Name", "Updated description")
    assert voice["labels"]["gender"] == "male"
    assert len(voice["samples"]) == 2
    gone = Client().delete(path, headers=header)
    assert (gone.status_code, gone.json()) == (200, {"status": "ok"})
    assert get(path, trial[1]).status_code == 404


def test_models_are_a_bare_list_as_real_clients_need(trial: Trial) -> None:
    models = {one["model_id"]: one for one in get("/v1/models", trial[1]).json()}
    model = models["eleven_multilingual_v2"]
    assert model["token_cost_factor"] == 1.0
    assert (model["can_be_finetuned"], model["can_do_text_to_speech"]) == (False, True)
    assert (model["can_use_style"], model["can_use_speaker_boost"]) == (True, True)
    assert {"language_id": "en", "name": "English"} in model["languages"]
    assert {"name", "can_do_voice_conversion", "serves_provided_models", "description"} <= set(
        model
    )


def test_user_and_subscription(trial: Trial) -> None:
    user = get("/v1/user", trial[1]).json()
    assert user["is_new_user"] is False
    documented = {
        "tier", "character_count", "character_limit", "can_extend_character_limit",
        "allowed_to_extend_character_limit", "voice_limit", "max_voice_add_edits",
        "voice_add_edit_counter",
    }  # fmt: skip
    assert documented <= set(user["subscription"])
    plan = get("/v1/user/subscription", trial[1]).json()
    assert {"tier", "character_count", "character_limit", "voice_limit"} <= set(plan)
    assert isinstance(plan["next_character_count_reset_unix"], int)


def test_history(trial: Trial) -> None:
    for number in range(3):
        post(f"/v1/text-to-speech/{VOICE}", trial[1], {**SPEECH, "text": f"Number {number}."})
    work()
    page = get("/v1/history?pageSize=2", trial[1]).json()
    assert [one["text"] for one in page["history"]] == ["Number 2.", "Number 1."]
    assert page["has_more"] is True
    assert page["last_history_item_id"] == page["history"][1]["history_item_id"]
    item = page["history"][0]
    assert (item["voice_id"], item["state"]) == (VOICE, "complete")
    assert (item["character_count_from_request"], item["content_type"]) == (9, "audio/mpeg")
    path = f"/v1/history/{item['history_item_id']}"
    assert get(path, trial[1]).json() == item
    rest = get(f"/v1/history?start_after_history_item_id={page['last_history_item_id']}", trial[1])
    assert [one["text"] for one in rest.json()["history"]] == ["Number 0."]


def test_the_sound_of_a_history_item_and_its_deletion(trial: Trial) -> None:
    answer, _sound = post(f"/v1/text-to-speech/{VOICE}", trial[1], SPEECH)
    work()
    path = f"/v1/history/{answer['history-item-id']}"
    audio = get(f"{path}/audio", trial[1])
    assert (audio.status_code, audio["Content-Type"]) == (200, "audio/mpeg")
    assert probe.probe(audio.sound).duration_ms > 500
    assert Client().delete(path, headers={"xi-api-key": trial[1]}).json() == {"status": "ok"}
    assert get(path, trial[1]).status_code == 404


def test_an_unknown_key(catalogue: None) -> None:
    answer = get("/v1/voices", "your_api_key")
    assert answer.status_code == 401
    assert answer.json()["detail"]["status"] == "invalid_api_key"
    assert answer.json()["detail"]["message"]


def test_no_credits_left(live: Trial) -> None:
    body = {"text": "x" * 900_000, "model_id": "builtin-speech"}
    answer, _body = post("/v1/text-to-speech/en-us", live[1], body)
    assert answer.status_code == 402
    assert answer.json()["detail"]["status"] == "quota_exceeded"


def test_what_is_not_there(live: Trial) -> None:
    for voice, model, word in (
        ("nobody", "builtin-speech", "voice_not_found"),
        ("en-us", "no_such_model", "model_not_found"),
    ):
        path = f"/v1/text-to-speech/{voice}"
        answer, _body = post(path, live[1], {"text": "Hello.", "model_id": model})
        assert (answer.status_code, answer.json()["detail"]["status"]) == (404, word)


def test_a_text_that_is_too_long(live: Trial, settings: Any) -> None:
    settings.MAX_TEXT = 100
    body = {"text": "word " * 21, "model_id": "builtin-speech"}
    answer, _body = post("/v1/text-to-speech/en-us", live[1], body)
    assert (answer.status_code, answer.json()["detail"]["status"]) == (400, "text_too_long")


def test_too_many_requests(live: Trial, ada: User) -> None:
    plans.put_on_plan(ada, "free")
    answers = [get("/v1/models", live[1]) for _ in range(8)]
    first, last = answers[0], next(one for one in answers if one.status_code == 429)
    assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= set(first.headers)
    assert first["X-RateLimit-Limit"] == "3"
    assert last.json()["detail"]["code"] == "rate_limit_exceeded"
    assert last["Retry-After"] == "1"
