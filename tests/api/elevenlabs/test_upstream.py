"""With a live key the work goes to a provider: here a fake ElevenLabs behind our own dialect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs.models import Job
from speechsite.api.auth import Caller
from speechsite.audio import probe
from speechsite.credits.models import Wallet
from tests.api.elevenlabs.talk import ask, work
from tests.api.elevenlabs.test_sockets import talk
from tests.fakes.tones import tone
from tests.fakes.upstream import Fault
from tests.jobs.upstream_site import LIAM, Site, site

pytestmark = pytest.mark.django_db(transaction=True)
Partner = tuple[Caller, str]
TEXT = "Forwarded as it arrives."


@pytest.fixture
def behind(live: Partner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site(live[0].user, monkeypatch, "elevenlabs") as running:
        yield running


@pytest.mark.parametrize("form", ["", "/stream"])
def test_speech_comes_from_the_provider_and_is_charged(
    behind: Site, live: Partner, wallet: Wallet, form: str
) -> None:
    answer = ask("POST", f"/v1/text-to-speech/{LIAM}{form}", live[1], {"text": TEXT})
    assert answer.status_code == 200, answer.sound
    assert probe.probe(answer.sound).duration_ms > 500
    assert answer["character-cost"] == answer["x-character-count"] == str(len(TEXT))
    work()
    wallet.refresh_from_db()
    # Twelve millicredits a character.
    assert (wallet.available, wallet.held) == (100_000 - 12 * len(TEXT), 0)
    assert behind.fakes["elevenlabs"].accepted == 1


def test_settings_and_model_reach_the_provider(behind: Site, live: Partner) -> None:
    body = {
        "text": TEXT,
        "model_id": "eleven_flash_v2_5",
        "voice_settings": {"stability": 0.1, "similarity_boost": 0.2, "speed": 1.1},
    }
    answer = ask("POST", f"/v1/text-to-speech/{LIAM}", live[1], body)
    assert answer["character-cost"] == str(len(TEXT) // 2)
    (task,) = behind.fakes["elevenlabs"].tasks.values()
    assert task.model == "eleven_flash_v2_5"
    assert task.body["voice_settings"] == body["voice_settings"]


def test_stored_settings_speak_when_none_are_sent(behind: Site, live: Partner) -> None:
    path = f"/v1/voices/{LIAM}/settings/edit"
    assert ask("POST", path, live[1], {"stability": 0.9}).json() == {"status": "ok"}
    ask("POST", f"/v1/text-to-speech/{LIAM}", live[1], {"text": TEXT})
    (task,) = behind.fakes["elevenlabs"].tasks.values()
    assert task.body["voice_settings"] == {"stability": 0.9}


@pytest.mark.parametrize("form", ["", "/stream", "/with-timestamps", "/stream/with-timestamps"])
@pytest.mark.parametrize("fault", [Fault.REJECTED, Fault.MODERATED])
def test_what_the_provider_refuses_costs_nothing(
    behind: Site, live: Partner, wallet: Wallet, fault: Fault, form: str
) -> None:
    behind.fakes["elevenlabs"].fault = fault
    answer = ask("POST", f"/v1/text-to-speech/{LIAM}{form}", live[1], {"text": TEXT})
    assert answer.status_code == 400, answer.sound
    assert answer.json()["detail"]["message"]
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (100_000, 0)
    assert Job.objects.get().state == "failed"


def test_a_voice_is_cloned_where_a_provider_clones(behind: Site, live: Partner) -> None:
    form = {
        "name": "Mine",
        "files": SimpleUploadedFile("a.wav", tone("wav_16000", 1500)),
        "labels": "null",
    }
    header = {"xi-api-key": live[1]}
    made = Client().post("/v1/voices/add", form, headers=header)
    assert made.status_code == 200, made.content
    voice = made.json()["voice_id"]
    assert voice in behind.fakes["elevenlabs"].voices  # type: ignore[attr-defined]
    spoken = ask("POST", f"/v1/text-to-speech/{voice}", live[1], {"text": TEXT})
    assert spoken.status_code == 200, spoken.sound
    assert Client().delete(f"/v1/voices/{voice}", headers=header).json() == {"status": "ok"}
    assert voice not in behind.fakes["elevenlabs"].voices  # type: ignore[attr-defined]


def test_an_alias_is_paid_for_as_it_is_spoken(behind: Site, live: Partner, wallet: Wallet) -> None:
    rules = [{"type": "alias", "string_to_replace": "x", "alias": "an endless story " * 58}]
    path = "/v1/pronunciation-dictionaries/add-from-rules"
    made = ask("POST", path, live[1], {"name": "Book", "rules": rules}).json()
    body = {
        "text": "x",
        "pronunciation_dictionary_locators": [{"pronunciation_dictionary_id": made["id"]}],
    }
    answer = ask("POST", f"/v1/text-to-speech/{LIAM}", live[1], body)
    assert answer["x-character-count"] == "986"
    wallet.refresh_from_db()
    assert wallet.available + 986 * 12 == 100_000


def test_models_and_voices_of_the_provider_are_listed(behind: Site, live: Partner) -> None:
    models = {one["model_id"] for one in ask("GET", "/v1/models", live[1]).json()}
    assert {"eleven_multilingual_v2", "eleven_flash_v2_5", "builtin-speech"} <= models
    assert not any(name.startswith("speech-") for name in models)
    page = ask("GET", f"/v2/voices?voice_ids={LIAM}", live[1]).json()
    assert [one["name"] for one in page["voices"]] == ["Liam"]


def test_options_reach_the_provider(behind: Site, live: Partner) -> None:
    options = {
        "previous_text": "It was late.",
        "next_text": "Then it rained.",
        "language_code": "de",
        "seed": 0,
    }
    body = {"text": TEXT, "model_id": "eleven_flash_v2_5", **options}
    assert ask("POST", f"/v1/text-to-speech/{LIAM}", live[1], body).status_code == 200
    (task,) = behind.fakes["elevenlabs"].tasks.values()
    assert {name: task.body.get(name) for name in options} == options


def test_options_of_a_dialogue_reach_the_provider(behind: Site, live: Partner) -> None:
    lines = [{"text": "Hello.", "voice_id": LIAM}]
    body = {"inputs": lines, "language_code": "fr", "seed": 7}
    assert ask("POST", "/v1/text-to-dialogue", live[1], body).status_code == 200
    (task,) = behind.fakes["elevenlabs"].tasks.values()
    assert (task.body["language_code"], task.body["seed"]) == ("fr", 7)


def test_options_of_a_socket_reach_the_provider(behind: Site, live: Partner) -> None:
    path = f"/v1/text-to-speech/{LIAM}/stream-input"
    query = "model_id=eleven_flash_v2_5&language_code=de&seed=9"
    _messages, code = talk(
        f"{path}?{query}", live[1], {"text": "Hello there. ", "flush": True}, {"text": ""}
    )
    assert code == 1000
    (task,) = behind.fakes["elevenlabs"].tasks.values()
    assert (task.body["language_code"], task.body["seed"]) == ("de", 9)
