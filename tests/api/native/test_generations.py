"""Generations: what is ordered, what is answered, who may see it."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import lifecycle
from jobs.models import Job
from jobs.outcomes import Refused
from speechsite.api.auth import Caller
from speechsite.api.native import ids
from speechsite.credits.models import Wallet
from tests.api.links import opened
from tests.api.native.talk import GENERATIONS, SPEECH, Partner, speech, work
from tests.jobs.conftest import claimed, delivered

Given = tuple[Caller, str]


def test_an_order_is_answered_at_once(partner: Partner) -> None:
    answer = partner.order({**SPEECH, "client_request_id": "mine-1"})
    body = answer.json()
    assert answer.status_code == 201
    assert (body["status"], body["model"], body["result"]) == ("queued", "builtin-speech", None)
    assert (body["reserved_credits"], body["final_credits"]) == (0.012, 0)
    assert body["client_request_id"] == "mine-1"
    assert partner.get(f"{GENERATIONS}/{body['id']}").json() == body


def test_every_answer_tells_the_limits(partner: Partner) -> None:
    for answer in (partner.order(), partner.order({}), partner.get(GENERATIONS)):
        assert int(answer["X-RateLimit-Remaining"]) <= int(answer["X-RateLimit-Limit"])
        assert answer["X-Request-ID"]
    assert partner.order()["Retry-After"] == "2"


@pytest.mark.django_db(transaction=True)
def test_a_finished_generation_can_be_heard_and_read(partner: Partner) -> None:
    made = partner.order().json()
    work()
    body = partner.get(f"{GENERATIONS}/{made['id']}").json()
    result = body["result"]
    assert (body["status"], body["final_credits"]) == ("succeeded", made["reserved_credits"])
    assert result["urls"] == [result["primary_url"]]
    assert result["primary_url"].startswith("http://testserver/files/")
    assert len(opened(result["primary_url"])) == Job.objects.get().audio_bytes
    assert b"Hello" in opened(result["captions"]["srt"])


@pytest.mark.django_db(transaction=True)
def test_a_dialogue_is_spoken_in_turns(partner: Partner) -> None:
    lines = [{"voice": "en-us", "text": "Ready?"}, {"text": "Ready!"}]
    params = {"dialogue": lines, "default_voice": "zh-cn", "stability": None}
    made = partner.order({"model": "builtin-speech", "params": params}).json()
    work()
    job = Job.objects.get()
    assert partner.get(f"{GENERATIONS}/{made['id']}").json()["status"] == "succeeded"
    voices = [segment.voice.external_id for segment in job.segments.order_by("index")]
    assert (job.kind, voices) == ("dialogue", ["en-us", "zh-cn"])


@pytest.mark.django_db(transaction=True)
def test_a_recording_is_cleaned(partner: Partner) -> None:
    file = partner.upload().json()
    made = partner.order({"model": "builtin-cleaning", "params": {"file_id": file["id"]}}).json()
    work()
    body = partner.get(f"{GENERATIONS}/{made['id']}").json()
    assert (body["status"], body["final_credits"]) == ("succeeded", 0.02)
    assert body["result"]["duration_seconds"] == pytest.approx(1.5, abs=0.1)
    assert "captions" not in body["result"]


def test_a_voice_may_be_named(partner: Partner) -> None:
    name = Job._meta.get_field("voice").related_model.objects.get(external_id="en-us").name
    assert partner.order(speech(voice=name.upper())).status_code == 201
    assert Job.objects.get().voice.external_id == "en-us"


def test_a_test_key_costs_nothing_and_says_so(tester: Partner, wallet: Wallet) -> None:
    body = tester.order().json()
    wallet.refresh_from_db()
    assert (body["is_test"], body["reserved_credits"]) == (True, 0)
    assert (wallet.available, wallet.held) == (100_000, 0)


def test_test_and_live_keys_do_not_see_each_others_work(partner: Partner, tester: Partner) -> None:
    made = tester.order().json()["id"]
    assert partner.get(f"{GENERATIONS}/{made}").status_code == 404
    assert partner.get(GENERATIONS).json()["data"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", ""), ("delete", ""), ("post", "/cancel"), ("post", "/retry")],
)
def test_eve_finds_nothing_of_adas(
    partner: Partner, stranger: Partner, method: str, path: str
) -> None:
    made = partner.order().json()["id"]
    answer = getattr(stranger, method)(f"{GENERATIONS}/{made}{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert Job.objects.get().state == "queued"


@pytest.mark.parametrize("task_id", ["task_", "task_x", "x" * 500, "task_" + "0" * 32, "%00", "é"])
def test_an_id_that_names_nothing_is_not_found(partner: Partner, task_id: str) -> None:
    assert partner.get(f"{GENERATIONS}/{task_id}").status_code == 404


def test_canceling_gives_everything_back(partner: Partner, wallet: Wallet) -> None:
    made = partner.order().json()["id"]
    for _ in range(2):
        body = partner.send(f"{GENERATIONS}/{made}/cancel").json()
        assert (body["status"], body["error"]["code"]) == ("canceled", "canceled")
        assert body["final_credits"] == 0
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (100_000, 0)


def test_what_was_stopped_elsewhere_has_failed(partner: Partner) -> None:
    made = partner.order().json()["id"]
    lifecycle.cancel(Job.objects.get())
    body = partner.get(f"{GENERATIONS}/{made}").json()
    assert (body["status"], body["error"]["code"]) == ("failed", "canceled")
    listed = {
        state: partner.get(GENERATIONS, {"status": state}).json()["data"]
        for state in ("failed", "canceled")
    }
    assert (len(listed["failed"]), listed["canceled"]) == (1, [])


def test_a_failure_is_told_by_its_code(partner: Partner) -> None:
    made = partner.order().json()["id"]
    lifecycle.fail(Job.objects.get(), code="moderated", message="This may not be spoken.")
    error = partner.get(f"{GENERATIONS}/{made}").json()["error"]
    assert error == {
        "code": "content_moderated",
        "message": "This may not be spoken.",
        "reason": "moderated",
    }


@pytest.mark.django_db(transaction=True)
def test_a_late_sound_is_offered_with_a_failure(partner: Partner) -> None:
    made = partner.order().json()["id"]
    piece = claimed(Job.objects.get().segments.get())
    lifecycle.record(piece, Refused("unclear", "Lost.", possible_cost=True))
    assert lifecycle.deliver_late(piece, delivered(piece))
    work()
    body = partner.get(f"{GENERATIONS}/{made}").json()
    assert (body["status"], body["final_credits"]) == ("failed", 0)
    assert (body["result"]["is_late"], body["result"]["is_partial"]) == (True, False)
    assert opened(body["result"]["primary_url"])
    assert partner.get(f"{GENERATIONS}?status=succeeded").json()["data"] == []


@pytest.mark.parametrize("order", [SPEECH, "dialogue"])
def test_a_canceled_order_can_be_placed_again(partner: Partner, order: Any) -> None:
    if order == "dialogue":
        lines = [{"voice": "en-us", "text": "Ready?"}, {"voice": "zh-cn", "text": "Ready!"}]
        order = {"model": "builtin-speech", "params": {"dialogue": lines}}
    made = partner.order(order).json()["id"]
    partner.send(f"{GENERATIONS}/{made}/cancel")
    again = partner.send(f"{GENERATIONS}/{made}/retry", idempotency_key="again")
    same = partner.send(f"{GENERATIONS}/{made}/retry", idempotency_key="again")
    assert (again.status_code, again.json()["status"]) == (201, "queued")
    assert same.json()["id"] == again.json()["id"] != made
    first, second = Job.objects.order_by("created_at")
    assert (first.text, first.kind, first.quoted) == (second.text, second.kind, second.quoted)


def test_what_is_under_way_cannot_be_retried(partner: Partner) -> None:
    made = partner.order().json()["id"]
    answer = partner.send(f"{GENERATIONS}/{made}/retry")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "generation_under_way")


def test_a_deleted_generation_is_gone(partner: Partner, wallet: Wallet) -> None:
    made = partner.order().json()["id"]
    assert partner.delete(f"{GENERATIONS}/{made}").status_code == 204
    assert partner.delete(f"{GENERATIONS}/{made}").status_code == 404
    assert partner.get(GENERATIONS).json()["data"] == []
    wallet.refresh_from_db()
    assert wallet.held == 0


def test_a_list_is_walked_by_its_cursors(partner: Partner) -> None:
    made = [partner.order().json()["id"] for _ in range(5)]
    seen, cursor = [], {}
    for _ in range(3):
        page = partner.get(GENERATIONS, {"limit": 2, **cursor}).json()
        seen += [one["id"] for one in page["data"]]
        cursor = {"cursor": page["next_cursor"]}
    assert seen == made[::-1]
    assert (page["has_more"], page["next_cursor"]) == (False, None)


def test_a_list_can_be_filtered(partner: Partner) -> None:
    partner.order()
    mine = partner.order({**SPEECH, "client_request_id": "mine"}).json()["id"]
    partner.send(f"{GENERATIONS}/{mine}/cancel")
    for query, count in (
        ({"status": "canceled"}, 1),
        ({"status": "queued"}, 1),
        ({"client_request_id": "mine"}, 1),
        ({"model": "builtin-speech"}, 2),
        ({"kind": "isolation"}, 0),
        ({"created_before": "2020-01-01T00:00:00Z"}, 0),
        ({"created_after": "2020-01-01T00:00:00Z"}, 2),
    ):
        assert len(partner.get(GENERATIONS, query).json()["data"]) == count, query


def test_models_are_found_by_the_name_that_was_asked(partner: Partner) -> None:
    partner.order()
    other = partner.order().json()["id"]
    named = Job.objects.get(pk=ids.private(ids.GENERATION, other))
    Job.objects.filter(pk=named.pk).update(asked={**named.asked, "model": "a-name-of-then"})
    found = partner.get(GENERATIONS, {"model": "a-name-of-then"}).json()["data"]
    assert [one["id"] for one in found] == [other]
    assert partner.get(GENERATIONS, {"model": "nobody"}).json()["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": "many"},
        {"limit": 10**30},
        {"status": "gone"},
        {"cursor": "task_x"},
        {"cursor": "task_" + "0" * 32},
        {"created_after": "yesterday"},
        {"model": "\0"},
    ],
)
def test_a_list_refuses_what_it_cannot_read(partner: Partner, query: dict[str, Any]) -> None:
    answer = partner.get(GENERATIONS, query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation_failed")
