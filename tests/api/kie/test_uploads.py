"""kie.ai's three ways to upload, and the links that they give."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs.models import Job, Upload
from speechsite.accounts import keys
from speechsite.accounts.models import User
from speechsite.api.kie import recordings
from tests.api.kie.talk import ISOLATION, Partner
from tests.api.links import opened
from tests.fakes import sound
from tests.fakes.server import serving
from tests.fakes.upstream import Upstream

FIELDS = {"fileName", "filePath", "downloadUrl", "fileSize", "mimeType", "uploadedAt"}


class Host(Upstream):
    """Somebody's web server with a recording on it."""

    audio = sound.tone(0.5)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=self.audio)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    fake = Host()
    with serving(fake):
        yield fake


def stream(partner: Partner, content: bytes, **fields: str) -> Any:
    file = SimpleUploadedFile("in-42.mp3", content)
    return partner.http.post("/api/file-stream-upload", {"file": file, **fields})


def test_a_form_is_kept_and_its_link_opens_it(partner: Partner) -> None:
    audio = sound.tone(0.5)
    answer = stream(partner, audio, uploadPath="portal", fileName="in-42.mp3").json()
    assert (answer["success"], answer["code"]) == (True, 200)
    data = answer["data"]
    assert set(data) == FIELDS
    assert data["filePath"].endswith("/portal/in-42.mp3")
    assert (data["fileSize"], data["mimeType"]) == (len(audio), "audio/mpeg")
    assert opened(data["downloadUrl"]) == audio


@pytest.mark.parametrize("prefix", ["", "data:audio/mpeg;base64,"])
def test_base64_is_kept(partner: Partner, prefix: str) -> None:
    text = prefix + base64.b64encode(sound.tone(0.5)).decode()
    body = {"base64Data": text, "uploadPath": "a/b", "fileName": "x.mp3"}
    answer = partner.post("/api/file-base64-upload", body)
    assert answer["data"]["fileName"] == "x.mp3"


def test_a_file_is_fetched_from_its_address(partner: Partner, host: Host) -> None:
    body = {"fileUrl": f"{host.base_url}/far/away.mp3", "uploadPath": ""}
    answer = partner.post("/api/file-url-upload", body)
    assert answer["data"]["fileName"] == "away.mp3"
    assert answer["data"]["fileSize"] == len(host.audio)


def test_a_task_may_name_a_public_address(partner: Partner, host: Host) -> None:
    answer = partner.create(ISOLATION, {"audio_url": f"{host.base_url}/noisy.mp3"})
    assert answer["code"] == 200
    assert Job.objects.get().upload.name == "noisy.mp3"


def test_a_task_takes_at_most_ten_megabytes(
    partner: Partner, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = stream(partner, sound.tone(0.5)).json()["data"]["downloadUrl"]
    monkeypatch.setattr(recordings, "LARGEST", 1000)
    for url in (link, f"{host.base_url}/noisy.mp3"):
        answer = partner.create(ISOLATION, {"audio_url": url})
        assert answer["code"] == 422
        assert "must not exceed" in answer["msg"]


def test_a_stranger_cannot_use_a_recording(partner: Partner, ben: User) -> None:
    link = stream(partner, sound.tone(0.5)).json()["data"]["downloadUrl"]
    stranger = Partner(keys.issue_key(ben)[1])
    assert stranger.create(ISOLATION, {"audio_url": link})["code"] == 422
    assert not Job.objects.exists()


def test_a_forged_or_old_link_opens_nothing(partner: Partner) -> None:
    path = urlsplit(stream(partner, sound.tone(0.5)).json()["data"]["downloadUrl"]).path
    assert Client().get(path.replace("download/", "download/x")).status_code == 404
    Upload.objects.update(deleted_at="2026-01-01T00:00Z")
    assert Client().get(path).status_code == 410


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/file-base64-upload", {"base64Data": "%%%", "uploadPath": "a"}),
        ("/api/file-base64-upload", {"base64Data": "aGVsbG8=", "uploadPath": "a"}),
        ("/api/file-base64-upload", {"base64Data": 7}),
        ("/api/file-base64-upload", []),
        ("/api/file-url-upload", {"fileUrl": "http://10.0.0.1/x.mp3"}),
        ("/api/file-url-upload", {"fileUrl": ""}),
        ("/api/file-url-upload", {"fileUrl": "https://a.example/x", "fileName": 4}),
        ("/api/file-stream-upload", {}),
    ],
)
def test_what_is_no_recording_is_refused(partner: Partner, path: str, body: Any) -> None:
    answer = partner.http.post(path, body, content_type="application/json")
    assert answer.status_code == 400
    assert (answer.json()["success"], answer.json()["code"]) == (False, 422)
    assert not Upload.objects.exists()


def test_a_wrong_key_uploads_nothing(live: Any) -> None:
    answer = stream(Partner("nobody"), sound.tone(0.5))
    assert (answer.status_code, answer.json()["code"]) == (401, 401)


def test_too_large_an_upload_is_refused_by_its_length(partner: Partner) -> None:
    answer = partner.http.generic(
        "POST", "/api/file-stream-upload", b"x", headers={"Content-Length": str(2 * 1024**3)}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, 422)
