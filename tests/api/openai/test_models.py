"""Two dialects on one path: whoever sends a Bearer key reads OpenAI's list, and the seed's too."""

from __future__ import annotations

import pytest
from django.test import Client

from speechsite.api.auth import Caller

pytestmark = pytest.mark.django_db
Keyed = tuple[Caller, str]


def get(path: str, secret: str, **headers: str) -> tuple[int, object]:
    answer = Client().get(path, headers={"authorization": f"Bearer {secret}", **headers})
    return answer.status_code, answer.json()


def test_a_bearer_key_reads_openais_list_and_theirs_in_one_body(trial: Keyed) -> None:
    status, body = get("/v1/models", trial[1])
    assert status == 200
    assert isinstance(body, dict)
    assert body["object"] == "list"
    ids = [one["id"] for one in body["data"]]
    assert ids[:3] == ["tts-1", "tts-1-hd", "gpt-4o-mini-tts"]
    assert {"builtin-natural", "builtin-speech"} <= set(ids)
    assert all(set(one) == {"id", "object", "created", "owned_by"} for one in body["data"])
    assert "eleven_multilingual_v2" in [one["model_id"] for one in body["models"]]


def test_a_key_in_elevenlabs_header_still_reads_the_bare_list(trial: Keyed) -> None:
    _, body = get("/v1/models", trial[1], **{"xi-api-key": trial[1]})
    assert isinstance(body, list)


@pytest.mark.parametrize("name", ["tts-1", "builtin-speech", "builtin-natural"])
def test_one_model_is_found_by_its_name(trial: Keyed, name: str) -> None:
    status, body = get(f"/v1/models/{name}", trial[1])
    assert (status, body["id"], body["object"]) == (200, name, "model")  # type: ignore[index]


def test_a_model_that_is_not_there_is_refused_in_their_words(trial: Keyed) -> None:
    status, body = get("/v1/models/gpt-2", trial[1])
    assert status == 404
    assert body["error"]["code"] == "model_not_found"  # type: ignore[index]


def test_a_live_key_reads_only_what_is_on_offer(live: Keyed) -> None:
    _, body = get("/v1/models", live[1])
    ids = [one["id"] for one in body["data"]]  # type: ignore[index]
    assert "builtin-natural" in ids
    assert "elevenlabs-turbo-2-5" not in ids


def test_speech_servers_clients_ask_below_audio(trial: Keyed) -> None:
    status, body = get("/v1/audio/models", trial[1])
    assert status == 200
    assert {"id": "tts-1", "name": "tts-1"} in body["models"]  # type: ignore[index]
    status, body = get("/v1/audio/voices", trial[1])
    assert "alloy" in [one["id"] for one in body["voices"]]  # type: ignore[index]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/tts-1", "/v1/audio/models"])
def test_a_wrong_key_is_refused_in_their_words(db: None, path: str) -> None:
    status, body = get(path, "sk_wrong")
    assert status == 401
    assert "message" in body["error"]  # type: ignore[index]
