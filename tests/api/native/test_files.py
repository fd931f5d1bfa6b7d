"""Files: what comes in, who may see it, and what a generation makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadhandler import FileUploadHandler

from jobs import uploads
from jobs.models import Job, Upload
from tests.api.links import opened
from tests.api.native.talk import FILES, GENERATIONS, Partner
from tests.fakes.tones import tone


def isolation(**item: Any) -> dict[str, Any]:
    media = {"kind": "audio", **item}
    return {"model": "builtin-cleaning", "params": {"referenceMediaItems": [media]}}


def test_a_recording_comes_in_and_can_be_opened(partner: Partner) -> None:
    content = tone("wav_16000", 1500)
    answer = partner.upload(content, model="builtin-cleaning", client_request_id="mine")
    body = answer.json()
    assert answer.status_code == 201, answer.content
    assert body["id"].startswith("file_")
    assert (body["kind"], body["mime_type"], body["size"]) == ("audio", "audio/wav", len(content))
    assert body["duration_seconds"] == pytest.approx(1.5, abs=0.01)
    assert (body["client_request_id"], body["name"]) == ("mine", "memo.wav")
    assert opened(body["url"]) == content
    again = partner.get(f"{FILES}/{body['id']}").json()
    assert again["duration_token"] == body["duration_token"]


def test_a_link_and_a_token_make_an_order(partner: Partner) -> None:
    file = partner.upload().json()
    item = {
        "url": file["url"],
        "name": "memo.wav",
        "mimeType": "audio/wav",
        "durationSeconds": file["duration_seconds"],
        "durationToken": file["duration_token"],
    }
    answer = partner.order(isolation(**item))
    assert (answer.status_code, answer.json()["reserved_credits"]) == (201, 0.02)


def test_a_token_of_another_file_is_refused(partner: Partner) -> None:
    first = partner.upload().json()
    second = partner.upload(tone("wav_16000", 2500)).json()
    answer = partner.order(isolation(url=first["url"], durationToken=second["duration_token"]))
    error = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (400, "invalid_duration_token")


def test_eve_cannot_use_adas_recording(partner: Partner, stranger: Partner) -> None:
    file = partner.upload().json()
    by_id = {"model": "builtin-cleaning", "params": {"file_id": file["id"]}}
    for answer in (
        stranger.get(f"{FILES}/{file['id']}"),
        stranger.delete(f"{FILES}/{file['id']}"),
        stranger.order(by_id),
        stranger.order(isolation(url=file["url"])),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert not Job.objects.exists()


def test_a_forged_link_names_nothing(partner: Partner) -> None:
    url = partner.upload().json()["url"].replace("file-content/", "file-content/x")
    assert partner.order(isolation(url=url)).status_code == 404
    assert Partner().get(url.removeprefix("http://testserver")).status_code == 404


def test_a_deleted_file_is_gone(partner: Partner) -> None:
    file = partner.upload().json()
    assert partner.delete(f"{FILES}/{file['id']}").status_code == 204
    assert partner.get(f"{FILES}/{file['id']}").status_code == 404
    assert Partner().get(file["url"].removeprefix("http://testserver")).status_code == 410


def test_a_file_that_a_generation_shows_stays(partner: Partner) -> None:
    file = partner.upload().json()
    order = {"model": "builtin-cleaning", "params": {"file_id": file["id"]}}
    made = partner.order(order).json()["id"]
    answer = partner.delete(f"{FILES}/{file['id']}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "file_in_use")
    partner.delete(f"{GENERATIONS}/{made}")
    assert partner.delete(f"{FILES}/{file['id']}").status_code == 204


@pytest.mark.parametrize("content", [b"not a sound", b"<html>", b"\0" * 5000])
def test_what_has_no_sound_is_refused(partner: Partner, content: bytes) -> None:
    answer = partner.upload(content)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "validation_failed")
    assert (error["reason"], error["field"]) == ("invalid_audio", "file")
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    "form", [{}, {"kind": "audio"}, {"kind": "audio", "file": "text"}, {"file": "text"}]
)
def test_a_form_without_a_file_is_refused(partner: Partner, form: dict[str, Any]) -> None:
    answer = partner.post(FILES, form)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation_failed")


def test_another_kind_of_file_is_refused(partner: Partner) -> None:
    assert partner.upload(kind="video").json()["error"]["field"] == "kind"


@pytest.mark.parametrize(
    "media_type", ["application/json", "multipart/form-data", "text/plain", ""]
)
def test_what_is_no_form_is_refused(partner: Partner, media_type: str) -> None:
    answer = partner.post(FILES, b"{}", content_type=media_type)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation_failed")


class Unread(FileUploadHandler):
    """Complains as soon as a byte of an upload is looked at."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        raise AssertionError("the body was read")

    def file_complete(self, file_size: int) -> None:
        raise AssertionError("the body was read")


def test_what_says_it_is_too_large_is_refused_unread(partner: Partner, settings: Any) -> None:
    settings.FILE_UPLOAD_HANDLERS = [f"{__name__}.Unread"]
    with pytest.raises(AssertionError, match="was read"):
        partner.upload()
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\na\r\n--x--'
    answer = partner.post(
        FILES,
        form,
        content_type="multipart/form-data; boundary=x",
        headers={"content-length": str(2 * 1024**3)},
    )
    assert (answer.status_code, answer.json()["error"]["reason"]) == (413, "request_too_large")


def test_what_is_larger_than_it_says_is_refused(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LARGEST", 10_000)
    answer = partner.upload(tone("wav_16000", 1500))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "validation_failed")
