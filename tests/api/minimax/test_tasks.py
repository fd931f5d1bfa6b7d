"""MiniMax's tasks, beginning with the five requests that its pages show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import lifecycle
from jobs.models import Job, NumberedFile
from speechsite.accounts import keys
from speechsite.accounts.models import User
from speechsite.api.minimax import answers
from speechsite.audio import probe
from speechsite.credits import prices
from speechsite.credits.models import Price, Wallet
from tests.api.links import opened
from tests.api.minimax.talk import Partner, unpacked, wire, zipped
from tests.jobs.conftest import work

WORKER = pytest.mark.django_db(transaction=True)
CREATED = {"task_id", "task_token", "file_id", "usage_characters", "base_resp"}
OK = {"status_code": 0, "status_msg": "success"}
BUILTIN: dict[str, Any] = {
    "model": "builtin-speech",
    "text": "Hello there.",
    "voice_setting": {"voice_id": "en-us"},
}


def body_of(name: str, partner: Partner) -> Any:
    """A documented request, its file uploaded first."""
    body = wire(name)
    files = {"order_txt_file": "一只羊在草地上。".encode(), "order_zip_file": ZIP}
    if name in files:
        uploaded = partner.upload("text.zip" if name == "order_zip_file" else "a.txt", files[name])
        body["text_file_id"] = uploaded.json()["file"]["file_id"]
    return body


ZIP = zipped(
    _1_json=json.dumps({"title": "Chapter one", "content": "It begins. It goes on."}),
    _2_json=json.dumps({"content": "It ends.", "extra": ""}),
)


@WORKER
@pytest.mark.parametrize(
    "name",
    ["order_text", "order_all_options", "order_txt_file", "order_zip_file", "order_long_text"],
)
def test_a_documented_request_is_taken_and_spoken(tester: Partner, name: str) -> None:
    created = tester.create(body_of(name, tester))
    assert set(created) == CREATED
    assert created["base_resp"] == OK
    assert isinstance(created["task_id"], str)
    assert isinstance(created["file_id"], int)
    assert tester.query(created["task_id"])["status"] == "Processing"
    work()
    answer = tester.query(created["task_id"])
    assert answer["status"] == "Success"
    assert answer["base_resp"] == OK
    members = tester.result(answer["file_id"])
    sounds = [name for name in members if name.endswith((".mp3", ".flac"))]
    assert len(sounds) == (3 if name == "order_zip_file" else 1)
    assert all(probe.probe(members[name]).duration_ms > 200 for name in sounds)


@WORKER
def test_the_archive_holds_sound_sentences_and_notes(tester: Partner) -> None:
    text = "The first sentence. And the second one!"
    created = tester.create({**wire("order_text"), "text": text})
    work()
    number = created["file_id"]
    members = tester.result(number)
    stem = f"{number}/content-{number}"
    assert set(members) == {f"{stem}.mp3", f"{stem}.titles", f"{stem}.extra"}
    sentences = json.loads(members[f"{stem}.titles"])
    assert [one["text"] for one in sentences] == ["The first sentence.", "And the second one!"]
    for one in sentences:
        assert text[one["text_begin"] : one["text_end"]] == one["text"]
        assert 0 <= one["time_begin"] < one["time_end"]
    assert sentences[0]["time_end"] <= sentences[1]["time_begin"] + 50
    notes = json.loads(members[f"{stem}.extra"])
    length = probe.probe(members[f"{stem}.mp3"]).duration_ms
    assert abs(notes["audio_length"] - length) <= 20
    assert notes["audio_size"] == len(members[f"{stem}.mp3"])
    assert (notes["audio_sample_rate"], notes["bitrate"]) == (32000, 128000)


@WORKER
def test_every_text_of_a_zip_has_a_recording_of_its_own(tester: Partner) -> None:
    created = tester.create(body_of("order_zip_file", tester))
    work()
    number = created["file_id"]
    members = tester.result(number)
    stems = ["1/title", "1/content", "2/content"]
    wanted = {f"{number}/{stem}-{number}" for stem in stems}
    assert {name.rpartition(".")[0] for name in members} == wanted
    sentences = json.loads(members[f"{number}/1/content-{number}.titles"])
    assert [one["text"] for one in sentences] == ["It begins.", "It goes on."]
    assert sentences[0]["text_begin"] == 0
    assert sentences[0]["time_begin"] < 500
    last = json.loads(members[f"{number}/2/content-{number}.titles"])
    assert [one["text"] for one in last] == ["It ends."]


@WORKER
def test_a_result_has_a_link_that_needs_no_key(tester: Partner) -> None:
    created = tester.create(wire("order_text"))
    early = tester.get("/files/retrieve", file_id=created["file_id"])
    assert early.json()["base_resp"]["status_code"] == 2013
    work()
    described = tester.get("/files/retrieve", file_id=created["file_id"]).json()["file"]
    assert described["file_id"] == created["file_id"]
    assert (described["purpose"], described["filename"][-4:]) == ("t2a_async", ".tar")
    assert len(unpacked(opened(described["download_url"]))) == 3


def test_an_uploaded_text_can_be_fetched_back(partner: Partner) -> None:
    for path in ("/files", "/files/upload"):
        file = partner.upload("story.txt", b"Once upon a time.", path).json()["file"]
        assert (file["filename"], file["bytes"]) == ("story.txt", 17)
        link = partner.get("/files/retrieve", file_id=file["file_id"]).json()["file"]
        assert opened(link["download_url"]) == b"Once upon a time."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_text_is_read_in_the_encodings_that_people_have(tester: Partner, encoding: str) -> None:
    text = "草地上有一只羊。它在吃草，天空很蓝，孩子们在旁边玩耍。"
    uploaded = tester.upload("a.txt", text.encode(encoding)).json()
    body = wire("order_txt_file") | {"text_file_id": uploaded["file"]["file_id"]}
    assert tester.create(body)["base_resp"] == OK
    assert Job.objects.get().text == text


def test_a_text_whose_letters_are_in_doubt_is_refused(tester: Partner) -> None:
    french = "Le garçon a mangé une pomme près de la forêt.".encode("cp1252")
    for name, content in (("a.txt", french), ("a.zip", zipped(_1_txt=french))):
        answer = tester.upload(name, content).json()
        assert answer["base_resp"]["status_code"] == 2013
        assert "cp1252" in answer["base_resp"]["status_msg"]
        assert "send it as UTF-8" in answer["base_resp"]["status_msg"]


def test_members_of_a_zip_are_spoken_by_their_numbers(tester: Partner) -> None:
    archive = zipped(_10_txt="Ten.", _2_txt="Two.")
    number = tester.upload("t.zip", archive).json()["file"]["file_id"]
    assert tester.create({**wire("order_zip_file"), "text_file_id": number})["task_id"]
    assert Job.objects.get().text == "Two.\nTen."


def test_a_failed_task_is_failed(tester: Partner) -> None:
    created = tester.create(wire("order_text"))
    lifecycle.fail(Job.objects.get(), code="rejected", message="no")
    answer = tester.query(created["task_id"])
    assert (answer["status"], answer["base_resp"]) == ("Failed", OK)
    assert "file_id" not in answer


def test_settings_reach_the_order(partner: Partner) -> None:
    setting = {"voice_id": "en-us", "speed": 1.5, "pitch": -3}
    partner.create({**BUILTIN, "voice_setting": setting, "audio_setting": {"format": "flac"}})
    job = Job.objects.get()
    assert job.voice_settings == {"speed": 1.5, "pitch": -3}
    assert job.output_format == "flac_32000"


def test_what_is_not_carried_out_is_said(tester: Partner) -> None:
    answer = tester.post("/t2a_async_v2", wire("order_all_options"))
    assert answer["X-Speechsite-Ignored"] == "pronunciation_dict, voice_modify"
    assert not tester.post("/t2a_async_v2", wire("order_text")).has_header("X-Speechsite-Ignored")


@WORKER
def test_a_live_order_is_charged(partner: Partner, wallet: Wallet) -> None:
    partner.create(BUILTIN)
    work()
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (100_000 - len(BUILTIN["text"]), 0)


def test_numbers_are_safe_in_javascript(tester: Partner) -> None:
    number = tester.create(wire("order_text"))["file_id"]
    assert 10**14 <= number < 2**53


def test_somebody_elses_numbers_are_not_there(tester: Partner, ben: User) -> None:
    created = tester.create(wire("order_text"))
    stranger = Partner(keys.issue_key(ben)[1])
    assert stranger.query(created["task_id"])["base_resp"]["status_code"] == 2013
    for path in ("/files/retrieve", "/files/retrieve_content"):
        answer = stranger.get(path, file_id=created["file_id"])
        assert answer.json()["base_resp"]["status_code"] == 2013
    assert NumberedFile.objects.count() == 1


@given(st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from("一二〇𠀀あ한a"))))
def test_characters_are_counted_as_prices_count_them(text: str) -> None:
    price = Price(counting=Price.Counting.CJK_DOUBLE)
    assert answers.characters_of(text) == prices.count_units(price, text)


@given(st.text(alphabet="ab .。!\n3", max_size=60))
def test_sentences_lie_in_the_text_in_order(text: str) -> None:
    words = [(at, at + 1, at * 10, at * 10 + 10) for at, letter in enumerate(text) if letter == "a"]
    found = answers.sentences(text, words)
    assert [one.start for one in found] == sorted(one.start for one in found)
    for one in found:
        assert text[one.start : one.end].strip() == text[one.start : one.end] != ""
        assert "a" in text[one.start : one.end]
        assert one.start_ms < one.end_ms


def test_a_number_with_a_point_does_not_end_a_sentence() -> None:
    text = "It is 3.5 km. Go."
    words = [(0, 2, 0, 10), (3, 5, 10, 20), (6, 9, 20, 30), (14, 16, 40, 50)]
    found = [text[one.start : one.end] for one in answers.sentences(text, words)]
    assert found == ["It is 3.5 km.", "Go."]
