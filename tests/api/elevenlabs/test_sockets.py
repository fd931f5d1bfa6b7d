"""What goes wrong on a socket while it speaks: told, never charged, and no more than it must end."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest

from jobs.models import Job
from speechsite.accounts import keys
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import sockets
from speechsite.credits.models import Wallet
from speechsite.upstreams.models import Channel
from tests.api.elevenlabs.talk import work

pytestmark = pytest.mark.django_db(transaction=True)
Partner = tuple[Caller, str]
DEAR = "word " * 25_000  # 125 credits with the built-in engine; Ada has 100


def talk(path: str, secret: str, *messages: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Say all this on a socket; what came back, and the code of the close."""
    received: list[dict[str, Any]] = []
    closed: list[int] = []
    waiting = [{"type": "websocket.connect"}]
    waiting += [{"type": "websocket.receive", "text": json.dumps(one)} for one in messages]

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(60)
        return {"type": "websocket.disconnect"}

    async def send(event: dict[str, Any]) -> None:
        if event["type"] == "websocket.send":
            received.append(json.loads(event["text"]))
        if event["type"] == "websocket.close":
            closed.append(event.get("code", 403))

    path, _mark, query = path.partition("?")
    headers = [(b"xi-api-key", secret.encode())]
    scope = {"path": path, "query_string": query.encode(), "headers": headers, "client": ("::1", 1)}
    asyncio.run(asyncio.wait_for(sockets.serve(scope, receive, send), 40))
    return received, closed[0]


def test_no_credits_end_a_single_stream(live: Partner, wallet: Wallet) -> None:
    path = "/v1/text-to-speech/en-us/stream-input?model_id=builtin-speech"
    messages, code = talk(path, live[1], {"text": DEAR, "flush": True}, {"text": ""})
    assert (messages[-1]["error"], code) == ("quota_exceeded", 1008)
    assert not Job.objects.exists()
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (100_000, 0)


def test_no_credits_end_one_context_and_leave_the_others(live: Partner) -> None:
    path = "/v1/text-to-speech/en-us/multi-stream-input?model_id=builtin-speech"
    messages, code = talk(
        path,
        live[1],
        {"text": DEAR, "flush": True, "context_id": "dear"},
        {"text": "This is cheap. ", "context_id": "cheap"},
        {"context_id": "cheap", "close_context": True},
        {"close_socket": True},
    )
    assert code == 1000
    wrong = [one for one in messages if one.get("error")]
    assert [(one["error"], one["contextId"]) for one in wrong] == [("quota_exceeded", "dear")]
    assert any(one.get("audio") and one["contextId"] == "cheap" for one in messages)
    work()
    assert [job.text.strip() for job in Job.objects.all()] == ["This is cheap."]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("model_id=nothing", "model_not_found"),
        ("output_format=wav_16000", "invalid_output_format"),
        ("output_format=gold", "invalid_output_format"),
        ("enable_logging=false", "feature_not_available"),
        ("inactivity_timeout=soon", "invalid_parameters"),
    ],
)
def test_what_a_socket_is_asked_for_in_vain(live: Partner, query: str, word: str) -> None:
    path = f"/v1/text-to-speech/en-us/stream-input?{query}"
    messages, code = talk(path, live[1], {"text": "Hello there. ", "flush": True}, {"text": ""})
    assert (messages[-1]["error"], code) == (word, 1008)


def test_a_key_without_the_scope_hears_nothing(ada: User, catalogue: None) -> None:
    _key, secret = keys.issue_key(ada, scopes=["models:read"])
    messages, code = talk("/v1/text-to-speech/en-us/stream-input", secret, {"text": "Hello. "})
    assert (messages[-1]["error"], code) == ("missing_permissions", 1008)


def test_nothing_but_marks_is_passed_over(trial: Partner) -> None:
    path = "/v1/text-to-speech/en-us/stream-input"
    messages, code = talk(path, trial[1], {"text": "... !?", "flush": True}, {"text": ""})
    assert (messages, code) == ([{"audio": None, "isFinal": True}], 1000)
    assert not Job.objects.exists()


def test_a_context_that_was_closed_can_be_opened_again(trial: Partner) -> None:
    path = "/v1/text-to-speech/en-us/multi-stream-input"
    again = [
        {"text": "Once more. ", "context_id": "a"},
        {"context_id": "a", "close_context": True},
    ]
    messages, code = talk(path, trial[1], *again, *again, {"close_socket": True})
    assert code == 1000
    assert [one["isFinal"] for one in messages if one["isFinal"]] == [True, True]


def test_the_words_of_a_socket_keep_the_space_between_sentences(live: Partner) -> None:
    path = "/v1/text-to-speech/en-us/stream-input?model_id=builtin-speech"
    said = [{"text": "Get up. ", "flush": True}, {"text": "The dough rises. ", "flush": True}]
    messages, _code = talk(path, live[1], *said, {"text": ""})
    columns = [one["alignment"]["chars"] for one in messages if one.get("alignment")]
    assert "".join(itertools.chain(*columns)) == "Get up. The dough rises. "


def test_closed_contexts_leave_their_place_at_once(live: Partner) -> None:
    Channel.objects.update(concurrency=20)  # nobody else is here to speak what has to wait
    turns = [
        message
        for number in range(7)
        for message in (
            {"text": " ", "context_id": f"turn{number}"},
            {"text": f"Reply {number}, cut short. ", "flush": True, "context_id": f"turn{number}"},
            {"close_context": True, "context_id": f"turn{number}"},
        )
    ]
    path = "/v1/text-to-speech/en-us/multi-stream-input?model_id=builtin-speech&output_format=pcm_22050"
    messages, code = talk(path, live[1], *turns, {"close_socket": True})
    assert code == 1000
    finals = [one["contextId"] for one in messages if one.get("isFinal")]
    assert sorted(finals) == [f"turn{number}" for number in range(7)]


@pytest.mark.parametrize("kind", ["stream-input", "multi-stream-input"])
def test_a_long_message_is_not_looked_at_before_the_key(catalogue: None, kind: str) -> None:
    path = f"/v1/text-to-speech/en-us/{kind}?model_id=builtin-speech"
    messages, code = talk(path, "nobody", {"text": 7, "more": "x" * 100_000})
    assert (messages[-1]["error"], code) == ("invalid_api_key", 1008)


def test_a_stranger_who_keeps_talking_is_sent_away(
    catalogue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "UNKNOWN_SECONDS", 0.0)
    path = "/v1/text-to-speech/en-us/multi-stream-input?model_id=builtin-speech"
    messages, code = talk(path, "", *[{"context_id": "a"}] * 100)
    assert (messages[-1]["error"], code) == ("needs_authorization", 1008)
    assert len(messages) == 1


def test_who_has_a_key_may_be_silent_for_longer(
    live: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "UNKNOWN_SECONDS", 0.0)
    path = "/v1/text-to-speech/en-us/multi-stream-input?model_id=builtin-speech"
    _messages, code = talk(path, live[1], {"context_id": "a"}, {"close_socket": True})
    assert code == 1000
