"""What is wrong gets ElevenLabs' own error, never a 5xx, and costs nothing."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jobs.models import Job
from speechsite.accounts import keys, plans
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import ids, schema
from speechsite.api.elevenlabs.schema import SchemaError
from speechsite.api.elevenlabs.wire import dictionaries, speech
from speechsite.credits.models import Wallet
from tests.api.elevenlabs.talk import ask, work
from tests.fakes.tones import tone

Partner = tuple[Caller, str]
SPEAK = "/v1/text-to-speech/en-us"
HELLO = {"text": "Hello.", "model_id": "builtin-speech"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
PATHS = [
    ("POST", SPEAK), ("POST", f"{SPEAK}/stream"), ("POST", f"{SPEAK}/with-timestamps"),
    ("POST", f"{SPEAK}/stream/with-timestamps"), ("POST", "/v1/text-to-dialogue"),
    ("GET", "/v1/voices"), ("GET", "/v2/voices"), ("GET", "/v1/voices/en-us"),
    ("GET", "/v1/voices/settings/default"), ("GET", "/v1/voices/en-us/settings"),
    ("GET", "/v1/models"), ("GET", "/v1/user"), ("GET", "/v1/user/subscription"),
    ("GET", "/v1/history"), ("GET", "/v1/history/x"), ("GET", "/v1/history/x/audio"),
    ("GET", "/v1/audio-isolation/history"), ("GET", "/v1/pronunciation-dictionaries"),
    ("GET", "/v1/shared-voices"),
]  # fmt: skip
BODIES = {SPEAK.rstrip("/"): HELLO, "dialogue": {"inputs": [{"text": "Hi", "voice_id": "en-us"}]}}


def body_for(method: str, path: str) -> Any:
    if method == "GET":
        return None
    return BODIES["dialogue"] if "dialogue" in path else HELLO


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("method", "path"), PATHS)
def test_every_path_wants_a_key(catalogue: None, method: str, path: str) -> None:
    answer = ask(method, path, "", body_for(method, path))
    detail = answer.json()["detail"]
    assert (answer.status_code, detail["status"]) == (401, "needs_authorization")
    assert detail["type"] == "authentication_error"
    assert detail["request_id"] == answer["x-trace-id"]


@pytest.mark.django_db(transaction=True)
def test_a_key_that_ended_or_may_not_is_refused(ada: User, catalogue: None) -> None:
    revoked = keys.issue_key(ada)
    keys.revoke(revoked[0])
    expired = keys.issue_key(ada, expires_at=timezone.now() - timedelta(seconds=1))
    narrow = keys.issue_key(ada, scopes=["models:read"])
    seen = [ask("POST", SPEAK, secret, HELLO) for _key, secret in (revoked, expired, narrow)]
    assert [one.status_code for one in seen] == [401, 401, 403]
    words = [one.json()["detail"]["status"] for one in seen]
    assert words == ["invalid_api_key", "invalid_api_key", "missing_permissions"]
    assert ask("GET", "/v1/models", narrow[1]).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("body", "loc"),
    [
        (b"{", ["body", 1]),
        (b"\xff\xfe", ["body", 0]),
        (b'{"text": NaN}', ["body", 0]),
        (b"[" * 200_000, ["body", 0]),
        ([], ["body"]),
        ({}, ["body", "text"]),
        ({"text": 7}, ["body", "text"]),
        ({"text": None}, ["body", "text"]),
        (b'{"text": "\\ud800"}', ["body", "text"]),
        (
            {"text": "a", "voice_settings": {"stability": 2}},
            ["body", "voice_settings", "stability"],
        ),
        ({"text": "a", "voice_settings": []}, ["body", "voice_settings"]),
        ({"text": "a", "apply_text_normalization": "maybe"}, ["body", "apply_text_normalization"]),
        ({"text": "a", "seed": 1.5}, ["body", "seed"]),
    ],
)
def test_the_shape_is_looked_at_before_the_key(catalogue: None, body: Any, loc: list) -> None:
    answer = ask("POST", SPEAK, "nobody", body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == loc


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "query", "status", "code"),
    [
        ({"text": ""}, "", 400, "empty_text"),
        ({"text": " \u0000\n "}, "", 400, "empty_text"),
        ({}, "?output_format=mp3_1_1", 400, "invalid_output_format"),
        ({"output_format": "gold"}, "", 400, "invalid_output_format"),
        ({"voice_settings": {"speed": 99}}, "", 400, "invalid_voice_settings"),
        ({"voice_settings": {"speed": 1e308}}, "", 422, ""),
        ({}, "?enable_logging=false", 403, "feature_not_available"),
        ({"seed": -1}, "", 400, "invalid_parameters"),
        ({"seed": 2**32}, "", 400, "invalid_parameters"),
        ({"language_code": "english"}, "", 400, "invalid_parameters"),
        ({"model_id": "nothing"}, "", 404, "model_not_found"),
        ({"model_id": "eleven_multilingual_v2"}, "", 404, "model_not_found"),
        ({"model_id": "builtin-cleaning"}, "", 404, "model_not_found"),
        (
            {"pronunciation_dictionary_locators": [{"pronunciation_dictionary_id": "x"}]},
            "", 404, "pronunciation_dictionary_not_found",
        ),
        (
            {"pronunciation_dictionary_locators": [{"pronunciation_dictionary_id": "x"}] * 4},
            "", 400, "invalid_parameters",
        ),
    ],
)  # fmt: skip
def test_an_order_that_makes_no_sense_costs_nothing(
    live: Partner, wallet: Wallet, change: dict, query: str, status: int, code: str
) -> None:
    answer = ask("POST", SPEAK + query, live[1], {**HELLO, **change})
    assert answer.status_code == status
    if code:
        assert answer.json()["detail"]["code"] == code
    assert not Job.objects.exists()
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (100_000, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["/stream", "/stream/with-timestamps"])
def test_a_stream_cannot_be_wav(live: Partner, form: str) -> None:
    answer = ask("POST", f"{SPEAK}{form}?output_format=wav_16000", live[1], HELLO)
    assert answer.json()["detail"]["code"] == "invalid_output_format"
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_eve_sees_nothing_of_adas(live: Partner, eve: User) -> None:
    spoken = ask("POST", SPEAK, live[1], HELLO)
    work()
    item = spoken["history-item-id"]
    plans.put_on_plan(eve, "enterprise")
    _key, secret = keys.issue_key(eve)
    for method, path, body in (
        ("GET", f"/v1/history/{item}", None),
        ("GET", f"/v1/history/{item}/audio", None),
        ("DELETE", f"/v1/history/{item}", None),
        ("POST", "/v1/history/download", {"history_item_ids": [item]}),
    ):
        answer = ask(method, path, secret, body)
        assert answer.json()["detail"]["code"] == "history_item_not_found"
    assert ask("GET", "/v1/history", secret).json()["history"] == []
    assert ask("GET", f"/v1/history/{item}", live[1]).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_strange_queries_and_paths_are_refused_or_ignored(trial: Partner) -> None:
    for path in (
        "/v2/voices?page_size=0", "/v2/voices?page_size=1000", "/v2/voices?next_page_token=-1",
        "/v2/voices?page_size=many", "/v2/voices?sort=color", "/v1/history?page_size=0",
        "/v1/history?page_size=" + "9" * 400, "/v1/history?date_before_unix=" + "9" * 18,
        "/v1/history?start_after_history_item_id=x", "/v1/history/%00", "/v1/voices/%00",
        "/v1/voices/" + "%F0%9F%92%A9" * 300, "/v1/usage/character-stats",
        "/v1/usage/character-stats?start_unix=5&end_unix=1",
        "/v1/usage/character-stats?start_unix=0&end_unix=" + "9" * 30,
        "/v1/usage/character-stats?start_unix=1&end_unix=9&metric=love",
        "/v1/pronunciation-dictionaries?cursor=x", "/v1/pronunciation-dictionaries/x",
        "/v1/audio-isolation/history?page=0", "/v1/voices/en-us/samples/x/audio",
    ):  # fmt: skip
        assert ask("GET", path, trial[1]).status_code in (400, 404, 422), path
    for path in ("/v1/models?surprise=1", "/v2/voices?search=%00", "/v1/history?search=%ff"):
        assert ask("GET", path, trial[1]).status_code == 200, path


@pytest.mark.django_db(transaction=True)
def test_the_wrong_method_is_told_the_right_one(trial: Partner) -> None:
    answer = ask("PUT", SPEAK, trial[1], HELLO)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    before = ask("OPTIONS", SPEAK)
    assert (before.status_code, before["Access-Control-Allow-Origin"]) == (200, "*")


@pytest.mark.django_db(transaction=True)
def test_files_that_are_no_sound(trial: Partner) -> None:
    header = {"xi-api-key": trial[1]}
    noise = SimpleUploadedFile("a.mp3", b"this is not sound at all")
    answer = ask("POST", "/v1/audio-isolation", trial[1])
    assert answer.status_code == 422
    for path, form in (
        ("/v1/voices/add", {"name": "Mine", "files": noise}),
        ("/v1/voices/add", {"name": "Mine"}),
        ("/v1/voices/add", {"name": " ", "files": SimpleUploadedFile("a", tone("wav_8000", 500))}),
        ("/v1/voices/en-us/edit", {"name": "Mine"}),
        ("/v1/pronunciation-dictionaries/add-from-file", {"name": "N", "file": noise}),
    ):
        noise.seek(0)
        refused = Client().post(path, form, headers=header)
        assert refused.status_code in (400, 403), (path, refused.content)
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nobody_clones_for_a_live_key_here(live: Partner) -> None:
    form = {"name": "Mine", "files": SimpleUploadedFile("a.wav", tone("wav_8000", 500))}
    answer = Client().post("/v1/voices/add", form, headers={"xi-api-key": live[1]})
    assert (answer.status_code, answer.json()["detail"]["code"]) == (403, "feature_not_available")
    # Python's client 0.2.27 knows this refusal by its older word.
    assert answer.json()["detail"]["status"] == "can_not_use_instant_voice_cloning"


@given(JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    body = value if isinstance(value, dict) else {"text": value}
    for fields in (speech.SPEECH, speech.DIALOGUE, dictionaries.ADD_FROM_RULES):
        with suppress(SchemaError):
            assert set(schema.check(body, fields, ("body",))) == set(fields)


@given(st.dictionaries(st.sampled_from(sorted(speech.SPEECH)), JSON))
def test_any_value_of_a_known_name_is_read_or_refused(body: dict[str, Any]) -> None:
    with suppress(SchemaError):
        assert isinstance(schema.check(body, speech.SPEECH, ("body",))["text"], str)


@given(st.text(max_size=30))
def test_no_text_is_an_id_by_accident(name: str) -> None:
    found = ids.private(name)
    assert found is None or ids.public(found) == name
