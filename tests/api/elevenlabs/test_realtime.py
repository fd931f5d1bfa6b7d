"""Sockets of the real site: the official client's realtime call, and rougher visitors."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socket import create_connection

import httpx
import pytest
from elevenlabs import VoiceSettings
from elevenlabs.client import ElevenLabs
from elevenlabs.core import ApiError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from speechsite.audio import probe
from tests.api.elevenlabs import tls
from tests.running import Site

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("elevenlabs"),
    # The official client still reads the close code the old way.
    pytest.mark.filterwarnings("ignore:ConnectionClosed.code is deprecated"),
]

GEORGE = "JBFqnCBsd6RMkjVDRZzb"
TEXT = "The sound comes while the text is still being written. "


@pytest.fixture
def realtime(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, httpx.Client]]:
    """Where the site is reached with TLS, which the client insists on for sockets."""
    trusted, served = tls.issue(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with tls.proxy(served, httpx.URL(site.url).port or 0) as port, httpx.Client() as connections:
        yield f"https://127.0.0.1:{port}", connections


def socket(site: Site, path: str, key: str = "") -> ClientConnection:
    headers = {"xi-api-key": key} if key else {}
    url = site.url.replace("http", "ws", 1) + path
    return connect(url, additional_headers=headers, proxy=None, open_timeout=20)


def say(connection: ClientConnection, **message: object) -> None:
    connection.send(json.dumps(message))


def rest(connection: ClientConnection) -> tuple[list[dict], int | None]:
    """All messages until the close, and its code."""
    received: list[str | bytes] = []
    with suppress(ConnectionClosed):
        while True:
            received.append(connection.recv(timeout=30))
    return [json.loads(one) for one in received], connection.protocol.close_code


def sound_of(messages: list[dict]) -> bytes:
    return b"".join(base64.b64decode(one["audio"]) for one in messages if one.get("audio"))


def test_convert_realtime(realtime: tuple[str, httpx.Client], trial_key: str) -> None:
    url, connections = realtime
    client = ElevenLabs(api_key=trial_key, base_url=url, httpx_client=connections)
    words = (word for word in (TEXT * 4).split(" "))
    chunks = client.text_to_speech.convert_realtime(
        GEORGE,
        text=words,
        model_id="eleven_turbo_v2_5",
        voice_settings=VoiceSettings(stability=0.5, similarity_boost=0.8),
    )
    assert probe.probe(b"".join(chunks)).duration_ms > 8000


def test_convert_realtime_with_a_wrong_key(realtime: tuple[str, httpx.Client]) -> None:
    url, connections = realtime
    client = ElevenLabs(api_key="sk_nobody", base_url=url, httpx_client=connections)
    with pytest.raises(ApiError) as refused:
        list(client.text_to_speech.convert_realtime(GEORGE, text=iter([TEXT])))
    assert refused.value.status_code == 1008


def test_the_key_may_come_in_the_first_message(site: Site, trial_key: str) -> None:
    path = f"/v1/text-to-speech/{GEORGE}/stream-input?model_id=eleven_flash_v2_5"
    with socket(site, path) as connection:
        say(connection, text=" ", xi_api_key=trial_key)
        say(connection, text=TEXT)
        say(connection, text="")
        messages, code = rest(connection)
    assert code == 1000
    assert messages[-1] == {"audio": None, "isFinal": True}
    assert probe.probe(sound_of(messages)).duration_ms > 1500
    spelled = "".join(
        "".join(one["alignment"]["chars"]) for one in messages if one.get("alignment")
    )
    assert spelled.split() == TEXT.split()


def test_the_key_may_come_in_the_query(site: Site, trial_key: str) -> None:
    path = f"/v1/text-to-speech/{GEORGE}/stream-input?output_format=pcm_16000&authorization="
    with socket(site, path + trial_key) as connection:
        say(connection, text=TEXT, flush=True)
        first = json.loads(connection.recv(timeout=30))
        assert base64.b64decode(first["audio"])
        assert first["isFinal"] is None
        say(connection, text="")
        assert rest(connection)[1] == 1000


def test_times_of_a_message_begin_where_the_one_before_ended(site: Site, trial_key: str) -> None:
    path = f"/v1/text-to-speech/{GEORGE}/stream-input"
    with socket(site, path, trial_key) as connection:
        say(connection, text=TEXT * 6)
        say(connection, text="")
        messages, _code = rest(connection)
    columns = [one["alignment"] for one in messages if one.get("alignment")]
    assert len(columns) > 1
    for one in columns:
        assert len(one["chars"]) == len(one["charStartTimesMs"]) == len(one["charDurationsMs"])
        assert min(one["charStartTimesMs"]) < 1500


def test_the_seeds_socket_names_a_model_and_answers_in_bytes(site: Site, trial_key: str) -> None:
    with socket(site, "/v1/text-to-speech/eleven_multilingual_v2/stream-input") as connection:
        settings = {"stability": 0.5, "similarity_boost": 0.75}
        say(connection, text=" ", voice_settings=settings, xi_api_key=trial_key)
        say(connection, text="Hello, this is a test.", flush=True)
        first = connection.recv(timeout=30)
        say(connection, text="")
        frames = [first, *connection]
        assert connection.protocol.close_code == 1000
    assert all(isinstance(frame, bytes) for frame in frames)
    assert probe.probe(b"".join(frames)).duration_ms > 800


def test_several_contexts_share_a_socket(site: Site, trial_key: str) -> None:
    path = f"/v1/text-to-speech/{GEORGE}/multi-stream-input"
    with socket(site, path, trial_key) as connection:
        say(connection, text="")
        for name in ("one", "two"):
            say(connection, text=" ", context_id=name)
            say(connection, text=f"This is context {name}. ", context_id=name)
        say(connection, context_id="one", flush=True)
        say(connection, context_id="two", close_context=True)
        say(connection, close_socket=True)
        messages, code = rest(connection)
    assert code == 1000
    by_name = {
        name: [one for one in messages if one["contextId"] == name] for name in ("one", "two")
    }
    for spoken in by_name.values():
        assert probe.probe(sound_of(spoken)).duration_ms > 500
        assert spoken[-1]["isFinal"] is True


def test_a_sixth_context_is_one_too_many(site: Site, trial_key: str) -> None:
    path = f"/v1/text-to-speech/{GEORGE}/multi-stream-input"
    with socket(site, path, trial_key) as connection:
        for number in range(6):
            say(connection, text=" ", context_id=f"c{number}")
        messages, code = rest(connection)
    assert (messages[-1]["error"], code) == ("max_active_conversations", 1008)


@pytest.mark.parametrize(
    "rubbish",
    ["{", "[]", '"text"', '{"text": 7}', "{}", '{"text": "a", "flush": "perhaps"}', "[" * 100_000],
)
def test_rubbish_is_told_so_and_ends_the_socket(site: Site, trial_key: str, rubbish: str) -> None:
    with socket(site, f"/v1/text-to-speech/{GEORGE}/stream-input", trial_key) as connection:
        connection.send(rubbish)
        messages, code = rest(connection)
    assert (messages[0]["error"], messages[0]["code"], code) == (
        "invalid_input_message",
        1008,
        1008,
    )


def test_bytes_are_rubbish_too(site: Site, trial_key: str) -> None:
    with socket(site, f"/v1/text-to-speech/{GEORGE}/stream-input", trial_key) as connection:
        connection.send(b"\x00\xff")
        assert rest(connection)[1] == 1008


def test_settings_do_not_change_in_the_middle(site: Site, trial_key: str) -> None:
    with socket(site, f"/v1/text-to-speech/{GEORGE}/stream-input", trial_key) as connection:
        say(connection, text=" ", voice_settings={"stability": 0.5})
        say(connection, text=" ", voice_settings={"stability": 0.5})
        say(connection, text="More. ", voice_settings={"stability": 0.9})
        assert rest(connection)[1] == 1008


def test_who_says_nothing_is_let_go(site: Site) -> None:
    path = f"/v1/text-to-speech/{GEORGE}/stream-input?inactivity_timeout=1"
    with socket(site, path) as connection:
        messages, code = rest(connection)
    assert (messages[0]["error"], code) == ("input_timeout_exceeded", 1008)


def test_no_key_at_all(site: Site) -> None:
    with socket(site, f"/v1/text-to-speech/{GEORGE}/stream-input") as connection:
        say(connection, text=TEXT)
        messages, code = rest(connection)
    assert (messages[0]["error"], code) == ("needs_authorization", 1008)


@pytest.mark.parametrize("path", ["/", "/v1/text-to-speech", "/live/", "/v1/text-to-speech/a/b/c"])
def test_there_are_no_other_sockets(site: Site, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        socket(site, path)
    assert refused.value.response.status_code == 403


def test_each_piece_of_a_socket_is_paid_for_itself(site: Site, live_key: str) -> None:
    """A live key speaks with the built-in engine, which has a price."""
    path = "/v1/text-to-speech/en-us/stream-input?model_id=builtin-speech"
    before = site.rows("SELECT COUNT(*) FROM jobs_job WHERE NOT is_test")[0][0]
    with socket(site, path, live_key) as connection:
        say(connection, text="One piece. ", flush=True)
        say(connection, text="Another piece. ", flush=True)
        say(connection, text="")
        assert rest(connection)[1] == 1000
    jobs = site.rows("SELECT text, quoted FROM jobs_job WHERE NOT is_test ORDER BY created_at")
    assert jobs[before:] == [("One piece. ", 11), ("Another piece. ", 15)]


def test_who_hangs_up_on_a_stream_pays_for_one_job_that_ended_once(
    site: Site, live_key: str
) -> None:
    text = "Somebody may hang up at any time. " * 40
    with httpx.stream(
        "POST",
        f"{site.url}/v1/text-to-speech/en-us/stream",
        json={"text": text, "model_id": "builtin-speech"},
        headers={"xi-api-key": live_key},
        timeout=30,
        trust_env=False,
    ) as answer:
        assert next(answer.iter_raw())
    until_ended(site, text)


def test_who_leaves_a_socket_pays_for_what_was_begun(site: Site, live_key: str) -> None:
    text = "Nobody waits for the end of this. " * 20
    path = "/v1/text-to-speech/en-us/stream-input?model_id=builtin-speech"
    with socket(site, path, live_key) as connection:
        say(connection, text=text, flush=True)
        assert connection.recv(timeout=30)
        connection.socket.shutdown(2)
    until_ended(site, text)


def until_ended(site: Site, text: str) -> None:
    """The one job of this text succeeds and costs what was quoted; the clock is the real one."""
    sql = "SELECT state, quoted, charged FROM jobs_job WHERE text = ?"
    end = time.monotonic() + 40
    while (rows := site.rows(sql, text)) != [("succeeded", len(text), len(text))]:
        assert time.monotonic() < end, rows
        time.sleep(0.1)


def test_a_small_plan_speaks_piece_after_piece(site: Site, small_key: str) -> None:
    """Two jobs at once are allowed, and each stays one until it is put together."""
    with socket(site, f"/v1/text-to-speech/{GEORGE}/stream-input", small_key) as connection:
        for number in range(5):
            say(connection, text=f"This is piece number {number}. ", flush=True)
        say(connection, text="")
        messages, code = rest(connection)
    assert code == 1000, messages[-1]
    spelled = "".join(
        "".join(one["alignment"]["chars"]) for one in messages if one.get("alignment")
    )
    assert spelled.count("piece number") == 5


def test_two_gigabytes_are_refused_before_they_are_sent(site: Site, trial_key: str) -> None:
    address = httpx.URL(site.url)
    head = (
        "POST /v1/audio-isolation HTTP/1.1\r\nHost: a\r\n"
        f"xi-api-key: {trial_key}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {2 * 1024**3}\r\n\r\n"
    )
    with create_connection((address.host, address.port), timeout=20) as raw:
        raw.sendall(head.encode())
        answer = raw.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"request_too_large" in answer or b"content-length" in answer
