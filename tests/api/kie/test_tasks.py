"""kie.ai's tasks, beginning with the two requests that its pages show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs import lifecycle, uploads
from jobs.models import Job
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.api.kie import recordings
from speechsite.audio import probe
from speechsite.credits.models import Wallet
from tests.api.kie.talk import DIALOGUE, ISOLATION, MULTILINGUAL, TURBO, Partner, links_of
from tests.api.links import opened
from tests.fakes import sound
from tests.jobs.conftest import work

WORKER = pytest.mark.django_db(transaction=True)
# What the pages show, as it stands there.
PLACEHOLDER: dict[str, Any] = {
    "model": MULTILINGUAL,
    "input": {},
    "callBackUrl": "https://your-domain.com/api/callback",
}
SPOKEN = {"text": "Good morning.", "voice": "EkK5I93UQWFDigLMpZcX"}


def recording(user: User, seconds: float = 1.0) -> str:
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("noisy.mp3", sound.tone(seconds))
    upload = uploads.take(user, file, is_test=True)
    return recordings.link(upload, "https://speech.example")


@WORKER
def test_the_documented_speech_request_is_taken_and_spoken(tester: Partner) -> None:
    created = tester.post("/api/v1/jobs/createTask", {**PLACEHOLDER, "input": SPOKEN})
    assert (created["code"], created["msg"]) == (200, "success")
    task_id = created["data"]["taskId"]
    assert len(task_id) == 32
    assert tester.record(task_id)["data"]["state"] == "waiting"
    work()
    record = tester.record(task_id)
    assert record["data"]["state"] == "success"
    assert probe.probe(opened(links_of(record)[0])).duration_ms > 300


@WORKER
def test_the_documented_isolation_request_is_taken_and_cleaned(tester: Partner, ada: User) -> None:
    body = {**PLACEHOLDER, "model": ISOLATION, "input": {"audio_url": recording(ada)}}
    task_id = tester.post("/api/v1/jobs/createTask", body)["data"]["taskId"]
    work()
    record = tester.record(task_id)
    assert (record["data"]["state"], record["data"]["model"]) == ("success", ISOLATION)
    assert abs(probe.probe(opened(links_of(record)[0])).duration_ms - 1000) < 150


@pytest.mark.parametrize("model", [MULTILINGUAL, ISOLATION, TURBO, DIALOGUE])
def test_an_empty_input_is_refused_and_makes_no_task(tester: Partner, model: str) -> None:
    answer = tester.post("/api/v1/jobs/createTask", {**PLACEHOLDER, "model": model})
    assert (answer["code"], answer["data"]) == (422, None)
    assert not Job.objects.exists()


def test_a_record_has_every_documented_field(tester: Partner) -> None:
    body = {**PLACEHOLDER, "input": {**SPOKEN, "stability": 0.4, "timestamps": False}}
    task_id = tester.post("/api/v1/jobs/createTask", body)["data"]["taskId"]
    data = tester.record(task_id)["data"]
    assert set(data) == {
        *("taskId", "model", "state", "param", "resultJson", "failCode", "failMsg"),
        *("costTime", "createTime", "updateTime", "completeTime", "creditsConsumed"),
    }
    asked = json.loads(data["param"])
    assert asked["model"] == MULTILINGUAL
    assert asked["callBackUrl"] == PLACEHOLDER["callBackUrl"]
    assert asked["input"].items() >= SPOKEN.items()
    assert data["createTime"] > 1_700_000_000_000


def test_a_failed_task_says_why(tester: Partner) -> None:
    task_id = tester.create(input=SPOKEN)["data"]["taskId"]
    lifecycle.fail(Job.objects.get(), code="moderated", message="Flagged by moderation.")
    record = tester.record(task_id)
    assert record["code"] == 200
    assert (record["data"]["state"], record["data"]["failCode"]) == ("fail", "422")
    assert record["data"]["failMsg"] == "Flagged by moderation."
    assert record["data"]["creditsConsumed"] == 0


def test_a_canceled_task_has_failed(tester: Partner) -> None:
    task_id = tester.create(input=SPOKEN)["data"]["taskId"]
    lifecycle.cancel(Job.objects.get())
    assert tester.record(task_id)["data"]["state"] == "fail"


@WORKER
def test_a_live_order_is_charged(partner: Partner, wallet: Wallet) -> None:
    before = partner.http.get("/api/v1/chat/credit").json()["data"]
    answer = partner.create("builtin-speech", {"text": "Twelve chars", "voice": "en-us"})
    work()
    record = partner.record(answer["data"]["taskId"])
    assert record["data"]["creditsConsumed"] == 0.012
    after = partner.http.get("/api/v1/chat/credit").json()
    assert after == {"code": 200, "msg": "success", "data": round(before - 0.012, 3)}


@WORKER
def test_a_dialogue_is_spoken_line_by_line(tester: Partner) -> None:
    lines = [{"text": "Hello, Ben.", "voice": "Rachel"}, {"text": "Hello, Ada.", "voice": "Liam"}]
    answer = tester.create(DIALOGUE, {"dialogue": lines, "stability": 0.5})
    work()
    record = tester.record(answer["data"]["taskId"])
    assert record["data"]["state"] == "success"
    assert [line["text"] for line in json.loads(record["data"]["param"])["input"]["dialogue"]] == [
        "Hello, Ben.",
        "Hello, Ada.",
    ]


def test_a_voice_may_be_called_by_its_name(partner: Partner) -> None:
    from voices.models import Voice

    for number, name in enumerate(("Rachel M", "Rachel"), start=1):
        Voice.objects.create(family="elevenlabs", external_id=f"r{number}", name=name)
    partner.create(input={"text": "Hello.", "voice": "rachel"})
    assert Job.objects.get().voice.external_id == "r2"


def test_the_documented_examples_of_ids_are_unknown_tasks(tester: Partner) -> None:
    for task_id in ("281e5b0*********************f39b9", "task_elevenlabs_12345678", "0" * 32):
        assert tester.record(task_id) == {"code": 422, "msg": "recordInfo is null", "data": None}


def test_a_record_without_an_id_is_a_bad_request(tester: Partner) -> None:
    assert tester.record("")["code"] == 400


def test_somebody_elses_task_is_not_there(tester: Partner, ben: User) -> None:
    from speechsite.accounts import keys

    task_id = tester.create(input=SPOKEN)["data"]["taskId"]
    stranger = Partner(keys.issue_key(ben)[1])
    assert stranger.record(task_id)["code"] == 422


@WORKER
def test_a_result_gets_a_fresh_link(tester: Partner, live: tuple[Caller, str], ben: User) -> None:
    from speechsite.accounts import keys

    task_id = tester.create(input=SPOKEN)["data"]["taskId"]
    work()
    link = links_of(tester.record(task_id))[0]
    fresh = tester.post("/api/v1/common/download-url", {"url": link})
    assert fresh["code"] == 200
    assert probe.probe(opened(fresh["data"])).duration_ms > 300
    stranger = Partner(keys.issue_key(ben)[1])
    for who, url in (
        (stranger, link),
        (tester, "https://file.aiquickdraw.com/a.mp3"),
        (tester, "http://["),
        (tester, ""),
        (tester, 7),
    ):
        assert who.post("/api/v1/common/download-url", {"url": url})["code"] == 422
