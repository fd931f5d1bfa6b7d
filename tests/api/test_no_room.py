"""A disk that is nearly full and a database that is away: said plainly, in every dialect."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection, connections
from django.test import Client

from jobs.models import Job
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.core import away, disk
from speechsite.credits.models import Wallet
from tests.api.elevenlabs.test_sockets import talk
from tests.fakes.tones import tone
from voices.models import Voice

pytestmark = pytest.mark.django_db(transaction=True)
SPEECH = {"text": "Good morning."}
ORDERS = {
    "/api/v1/generations": {
        "model": "builtin-speech",
        "prompt": "Good morning.",
        "params": {"voice": "en-us"},
    },
    "/api/v1/jobs/createTask": {
        "model": "builtin-speech",
        "input": {"text": "Good morning.", "voice": "en-us"},
    },
    "/minimax/v1/t2a_async_v2": {
        "model": "builtin-speech",
        "voice_setting": {"voice_id": "en-us"},
        **SPEECH,
    },
    "/v1/text-to-speech/en-us": {"model_id": "builtin-speech", **SPEECH},
    "/v1/audio/speech": {"model": "builtin-speech", "voice": "en-us", "input": "Good morning."},
    "/minimax/v1/t2a_v2": {
        "model": "builtin-speech",
        "voice_setting": {"voice_id": "en-us"},
        **SPEECH,
    },
}


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.DISK_RESERVE_MB = 100
    monkeypatch.setattr(disk, "free", lambda: 99 * disk.MEGABYTE)


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database refuses every statement from now on."""

    def refuse(*_: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(away._Told, "at", -away.TOLD_EACH)
    with monkeypatch.context() as patch:
        patch.setattr(type(connections["default"]), "_cursor", refuse)
        yield


def ordered(path: str, secret: str) -> Any:
    headers = {"Authorization": f"Bearer {secret}"}
    client = Client(raise_request_exception=False)
    return client.post(path, ORDERS[path], content_type="application/json", headers=headers)


@pytest.mark.parametrize("path", list(ORDERS))
def test_an_order_is_refused_while_there_is_no_room(
    live: tuple[Caller, str], full: None, path: str
) -> None:
    answer = ordered(path, live[1])
    if "createTask" in path:  # kie says in the body that its service is not there, by this number
        assert answer.json()["code"] == 455
    else:
        assert answer.status_code == 503, answer.content
    assert b"no room left on its disk" in answer.content
    assert answer.headers["Retry-After"] == "60"
    assert not Job.objects.exists()
    assert Wallet.objects.get(user=live[0].user).held == 0


def test_no_voice_is_made_while_there_is_no_room(live: tuple[Caller, str], full: None) -> None:
    form = {"name": "Mine", "files": SimpleUploadedFile("a.wav", tone("wav_8000", 500))}
    answer = Client().post("/v1/voices/add", form, headers={"xi-api-key": live[1]})
    assert answer.status_code == 503, answer.content
    assert answer.headers["Retry-After"] == "60"
    assert not Voice.objects.filter(owner=live[0].user).exists()


SOCKETS = ["stream-input", "multi-stream-input"]
WORDS = {"text": "Good morning. ", "context_id": "a", "flush": True}


@pytest.mark.parametrize("kind", SOCKETS)
def test_a_socket_says_that_there_is_no_room(
    live: tuple[Caller, str], full: None, kind: str
) -> None:
    path = f"/v1/text-to-speech/en-us/{kind}?model_id=builtin-speech"
    messages, _code = talk(path, live[1], WORDS, {"close_socket": True, "text": ""})
    (said,) = [one for one in messages if "error" in one]
    assert (said["error"], "no room left" in said["message"]) == ("system_busy", True)
    assert not Job.objects.exists()


@pytest.mark.parametrize("kind", SOCKETS)
def test_a_socket_says_that_the_database_is_away(
    live: tuple[Caller, str], lost: None, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/v1/text-to-speech/en-us/{kind}?model_id=builtin-speech"
    messages, code = talk(path, live[1], WORDS)
    assert (messages[-1]["error"], code) == ("unavailable", 1008)
    assert "does not answer" in messages[-1]["message"]
    assert not [record for record in caplog.records if record.exc_info]


def test_the_same_order_is_taken_while_there_is_room(live: tuple[Caller, str]) -> None:
    assert ordered("/api/v1/generations", live[1]).status_code == 201


def test_pages_still_work_and_the_portal_says_why(
    client: Client, live: tuple[Caller, str], full: None
) -> None:
    client.force_login(live[0].user)
    assert client.get("/history/").status_code == 200
    form = client.get("/studio/").context["form"]
    data = {"voice": form.chosen_voice.pk, "text": "Good morning.", "key": "k"}
    answer = client.post("/studio/", data)
    assert answer.status_code == 503
    assert "no room left on its disk" in answer.content.decode()


def test_readiness_is_red_below_the_reserve(client: Client, full: None) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["disk"]["problem"].startswith("only 99 MB are free")


@pytest.mark.parametrize("path", list(ORDERS))
def test_a_database_that_is_away_is_no_mistake(
    live: tuple[Caller, str], lost: None, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        answer = ordered(path, live[1])
        assert answer.status_code == 503, answer.content
        assert answer.headers["Retry-After"] == "5"
    assert b"does not answer" in answer.content


def test_pages_too_say_that_they_come_back(ada: User, lost: None) -> None:
    client = Client(raise_request_exception=False)
    answer = client.get("/account/login/", headers={"Cookie": "sessionid=some"})
    assert answer.status_code in (200, 503)
    answer = client.post("/account/login/", {"login": "ada@example.com", "password": "x"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


def test_the_log_has_one_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(away._Told, "at", -away.TOLD_EACH)
    monkeypatch.setattr(away._Told, "unsaid", 0)
    shown = away.Filter()
    error = OperationalError("connection refused\nby the server")
    for _ in range(5):
        info = (OperationalError, error, None)
        record = logging.LogRecord("django.request", 40, "", 0, "500", (), info)
        assert not shown.filter(record)
    assert [line for line in caplog.messages if "does not answer" in line] == [
        "the database does not answer (0 more times): connection refused by the server"
    ]
    mistake = (ValueError, ValueError("no"), None)
    assert shown.filter(logging.LogRecord("django.request", 40, "", 0, "500", (), mistake))


def test_a_missing_table_is_a_mistake() -> None:
    with connection.cursor() as cursor, pytest.raises(Exception, match="nothing") as caught:
        cursor.execute("SELECT 1 FROM nothing")
    assert not away.is_away(caught.value)
