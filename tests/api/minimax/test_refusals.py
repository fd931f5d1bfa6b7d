"""What MiniMax's dialect refuses: codes and statuses of its pages, and nothing is charged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from speechsite.accounts import keys, plans
from speechsite.accounts.models import ApiKey
from speechsite.api.auth import Caller
from speechsite.credits.models import Wallet
from tests.api.minimax.talk import Partner, zipped

# Orders are placed on a thread of their own, which sees only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)
Live = tuple[Caller, str]
PATHS = ("/t2a_async_v2", "/t2a_v2")
BUILTIN: dict[str, Any] = {
    "model": "builtin-speech",
    "text": "Hello there.",
    "voice_setting": {"voice_id": "en-us"},
}


@pytest.fixture(autouse=True)
def _nothing_is_ordered(wallet: Wallet) -> Iterator[None]:
    yield
    assert not Job.objects.exists()
    before = wallet.available
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (before, 0)


def refused(answer: Any) -> tuple[int, int]:
    base = answer.json()["base_resp"]
    assert base["status_msg"]
    return answer.status_code, base["status_code"]


def test_the_documented_parameter_error(partner: Partner) -> None:
    body = {key: value for key, value in BUILTIN.items() if key != "text"}
    answer = partner.post("/t2a_async_v2", body)
    assert answer.status_code == 400
    assert answer.json() == {
        "base_resp": {
            "status_code": 2013,
            "status_msg": "参数错误:text 和 text_file_id 必须提供其中之一",
        }
    }
    assert refused(partner.post("/t2a_async_v2", {**BUILTIN, "text_file_id": 1})) == (400, 2013)


@pytest.mark.parametrize("secret", ["", "wrong", "sps_test_00000000" + "b" * 43])
def test_the_documented_key_error(live: Live, secret: str) -> None:
    for path in PATHS:
        answer = Partner(secret).post(path, BUILTIN)
        assert answer.status_code == 401
        assert answer.json()["base_resp"] == {
            "status_code": 1004,
            "status_msg": "鉴权失败,请检查 API-Key 是否正确",
        }


def test_the_documented_rate_error(live: Live) -> None:
    plans.put_on_plan(live[0].user, "free")
    partner = Partner(live[1])
    answers = [partner.get("/query/t2a_async_query_v2", task_id=1) for _ in range(20)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited[0].json()["base_resp"] == {
        "status_code": 1002,
        "status_msg": "触发限流,请稍后再试",
    }
    assert int(limited[0]["Retry-After"]) >= 1


def test_a_revoked_key_is_refused(live: Live) -> None:
    keys.revoke(live[0].key)
    assert refused(Partner(live[1]).post("/t2a_async_v2", BUILTIN)) == (401, 1004)


def test_a_missing_scope_is_refused(live: Live) -> None:
    ApiKey.objects.update(scopes=["models:read"])
    for path in PATHS:
        assert refused(Partner(live[1]).post(path, BUILTIN)) == (403, 1004)


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_wallet_is_code_1008(partner: Partner, path: str) -> None:
    Wallet.objects.update(available=5)
    assert refused(partner.post(path, BUILTIN)) == (402, 1008)
    Wallet.objects.update(available=100_000)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"model": "speech-99"}, 2013),
        ({"model": 2.8}, 2013),
        ({"model": None}, 2013),
        ({"voice_setting": {"voice_id": "nobody"}}, 2054),
        ({"voice_setting": {}}, 2013),
        ({"voice_setting": {"voice_id": 9}}, 2013),
        ({"voice_setting": "en-us"}, 2013),
        ({"voice_setting": None}, 2013),
        ({"text": ""}, 2013),
        ({"text": 7}, 2013),
        ({"text": "   "}, 2013),
        ({"text": "a" * 50_001}, 2013),
        ({"voice_setting": {"voice_id": "en-us", "speed": 3}}, 2013),
        ({"voice_setting": {"voice_id": "en-us", "speed": "1"}}, 2013),
        ({"voice_setting": {"voice_id": "en-us", "speed": True}}, 2013),
        ({"voice_setting": {"voice_id": "en-us", "vol": 0}}, 2013),
        ({"voice_setting": {"voice_id": "en-us", "vol": 11}}, 2013),
        ({"voice_setting": {"voice_id": "en-us", "pitch": 1.5}}, 2013),
        ({"voice_setting": {"voice_id": "en-us", "pitch": 13}}, 2013),
        ({"voice_setting": {"voice_id": "en-us", "emotion": "bored"}}, 2013),
        ({"voice_setting": {"voice_id": "en-us", "emotion": ["calm"]}}, 2013),
        ({"audio_setting": {"format": "aac"}}, 2013),
        ({"audio_setting": {"format": ["mp3"]}}, 2013),
        ({"audio_setting": {"bitrate": 1}}, 2013),
        ({"audio_setting": {"channel": 5}}, 2013),
        ({"audio_setting": {"audio_sample_rate": 1}}, 2013),
        ({"audio_setting": {"audio_sample_rate": {}}}, 2013),
        ({"audio_setting": [1]}, 2013),
        ({"pronunciation_dict": {"tone": "x"}}, 2013),
        ({"voice_modify": {"pitch": 101}}, 2013),
        ({"voice_modify": {"sound_effects": "cave"}}, 2013),
        ({"voice_modify": {"sound_effects": {}}}, 2013),
        ({"voice_modify": {"pitch": 10**400}}, 2013),
        ({"pronunciation_dict": {"tone": ["x"]}}, 2013),
        ({"pronunciation_dict": {"tone": ["/x"]}}, 2013),
        ({"pronunciation_dict": {"tone": ["x/" + "y" * 201]}}, 2013),
        ({"language_boost": 1}, 2013),
        ({"language_boost": "Klingon"}, 2013),
        ({"aigc_watermark": "yes"}, 2013),
    ],
)
def test_a_parameter_that_is_wrong_is_refused(
    partner: Partner, path: str, change: dict[str, Any], code: int
) -> None:
    assert refused(partner.post(path, {**BUILTIN, **change})) == (400, code)


@pytest.mark.parametrize(
    "change",
    [
        {"text": "a" * 10_000},
        {"stream": "true"},
        {"stream": True, "audio_setting": {"format": "wav"}},
        {"output_format": "base64"},
        {"output_format": []},
        {"subtitle_type": "letter"},
        {"subtitle_type": {}},
        {"stream_options": "none"},
        {"timbre_weights": "x", "voice_setting": {"voice_id": ""}},
        {"timbre_weights": [{"voice_id": "en-us"}], "voice_setting": {"voice_id": ""}},
        {"timbre_weights": [7], "voice_setting": {"voice_id": ""}},
    ],
)
def test_a_talk_that_is_wrong_is_refused(partner: Partner, change: dict[str, Any]) -> None:
    assert refused(partner.post("/t2a_v2", {**BUILTIN, **change})) == (400, 2013)


@pytest.mark.parametrize("number", [0, -1, 1.5, "123456789", True, 2**64, [1], 123456789])
def test_a_file_that_is_not_there_is_refused(partner: Partner, number: Any) -> None:
    body = {"model": "builtin-speech", "text_file_id": number, "voice_setting": {"voice_id": "a"}}
    assert refused(partner.post("/t2a_async_v2", body)) == (400, 2013)


@pytest.mark.parametrize("number", ["", "x", "-1", "9" * 30, "١٢", "7"])
def test_an_unknown_number_is_refused(partner: Partner, number: str) -> None:
    assert refused(partner.get("/query/t2a_async_query_v2", task_id=number)) == (400, 2013)
    assert refused(partner.get("/files/retrieve", file_id=number)) == (400, 2013)
    assert refused(partner.get("/files/retrieve_content", file_id=number)) == (400, 2013)


@pytest.mark.parametrize("body", ["", "{", "[]", "7", "null", "[" * 9000])
@pytest.mark.parametrize("path", [*PATHS, "/get_voice", "/delete_voice"])
def test_a_body_that_is_no_object_is_refused(partner: Partner, path: str, body: str) -> None:
    url = "/minimax/v1" + path
    answer = partner.http.post(url, data=body, content_type="application/json")
    assert refused(answer) == (400, 2013)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  \n ",
        b"\xff\xfe\xff\xff\x81",
        zipped(chapter_txt="Hello."),
        zipped(_1_txt="Hello.", _2_json="{}"),
        zipped(_1_json="[]"),
        zipped(_1_json="{"),
        zipped(_1_json='{"content": 7}'),
        zipped(_1_json="{}"),
        zipped(_1_exe="x"),
        zipped(),
        zipped(_1_txt="Hello.")[:-30] + b"PK\x05\x06" + b"\x00" * 18,
        zipped(_1_txt="a" * 17_000_000),
    ],
)
def test_a_file_without_a_text_is_refused(partner: Partner, content: bytes) -> None:
    assert refused(partner.upload("x", content)) == (400, 2013)


def test_an_upload_needs_a_purpose_and_a_file(partner: Partner) -> None:
    for fields in ({}, {"purpose": "t2a_async_input"}, {"purpose": "voice_clone"}):
        assert refused(partner.http.post("/minimax/v1/files", fields)) == (400, 2013)


def test_too_large_an_upload_is_refused_by_its_length(partner: Partner) -> None:
    answer = partner.http.generic(
        "POST", "/minimax/v1/files", b"x", headers={"Content-Length": str(2 * 1024**3)}
    )
    assert refused(answer) == (413, 2013)


def test_another_method_is_refused(live: Live) -> None:
    for path in (*PATHS, "/files", "/get_voice"):
        assert refused(Client().get("/minimax/v1" + path)) == (405, 2013)
