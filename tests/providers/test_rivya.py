"""Rivya's peculiarities, read from its documented messages and not from our fake."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from speechsite.providers.errors import (
    AccountEmpty,
    BadCredentials,
    Forged,
    Garbled,
    Moderated,
    ProviderError,
    RateLimited,
    Rejected,
    TaskFailed,
    Unavailable,
    Unclear,
    Unsupported,
)
from speechsite.providers.rivya import Rivya
from speechsite.providers.types import (
    CleaningOrder,
    Line,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
)

WIRE = Path(__file__).parent.parent / "wire" / "rivya"
TASK = "task_elevenlabs_turbo_2_5_example"
LIAM = "TX3LPaxmHKxFdv7VOQHJ"
ISOLATION = "elevenlabs-audio-isolation"


def wire(name: str) -> Any:
    return json.loads((WIRE / f"{name}.json").read_text())


def order(**more: Any) -> SpeechOrder:
    usual = {"text": "Hi", "voice": LIAM, "model": "elevenlabs-turbo-2-5", "key": "k-1"}
    return SpeechOrder(**{**usual, **more})


class Host:
    """Answers in turn and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return self.answers.pop(0)

    def body(self, at: int = -1) -> Any:
        return json.loads(self.seen[at].content)


def said(name: str, status: int = 200, **more: Any) -> httpx.Response:
    return httpx.Response(status, json=wire(name), **more)


def run(host: Host, story: Callable[[Rivya], Any]) -> Any:
    async def go() -> Any:
        transport = httpx.MockTransport(host)
        key = {"api_key": "rvya_sk_secret"}
        async with Rivya("", key, transport=transport, downloads=transport) as rivya:
            return await story(rivya)

    return asyncio.run(go())


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_create_carries_the_orders_key_and_leaves_empty_texts_out(status: int):
    host = Host(said("generation_queued", status))
    event = run(host, lambda rivya: rivya.submit(order(next_text="Then.")))
    assert (event.state, event.upstream_id) == (UpstreamState.QUEUED, TASK)
    assert str(host.seen[0].url) == "https://rivya.ai/api/v1/generations"
    assert host.seen[0].headers["idempotency-key"] == "k-1"
    assert host.seen[0].headers["authorization"] == "Bearer rvya_sk_secret"
    assert host.body() == {
        "model": "elevenlabs-turbo-2-5",
        "prompt": "Hi",
        "client_request_id": "k-1",
        "params": {
            "voice": LIAM,
            "stability": 0.5,
            "similarity_boost": 0.75,
            "style": 0,
            "speed": 1,
            "timestamps": "false",
            "next_text": "Then.",
        },
    }


@pytest.mark.parametrize(
    ("given", "sent"), [(0.33, 0.35), (0.32, 0.3), (0.0, 0), (1.0, 1), (0.55, 0.55)]
)
def test_sliders_move_in_rivyas_steps(given: float, sent: float):
    host = Host(said("generation_queued"))
    run(host, lambda rivya: rivya.submit(order(settings={"stability": given})))
    assert host.body()["params"]["stability"] == sent


def test_a_language_goes_only_to_turbo():
    host = Host(said("generation_queued"), said("generation_queued"))
    run(host, lambda rivya: rivya.submit(order(language="en-GB")))
    assert host.body()["params"]["language_code"] == "en"
    multilingual = order(model="elevenlabs-multilingual-v2", language="en-GB")
    host = Host(said("generation_queued"))
    run(host, lambda rivya: rivya.submit(multilingual))
    assert "language_code" not in host.body()["params"]


def test_a_dialogue_has_no_prompt_and_a_word_for_stability():
    host = Host(said("generation_queued"))
    lines = (Line("One", "Adam"), Line("Two", "Aria"))
    talk = order(
        model="elevenlabs-dialogue-v3", lines=lines, settings={"stability": 1}, language="de"
    )
    run(host, lambda rivya: rivya.submit(talk))
    assert "prompt" not in host.body()
    assert host.body()["params"] == {
        "dialogue": [{"voice": "Adam", "text": "One"}, {"voice": "Aria", "text": "Two"}],
        "stability": "1",
        "language_code": "de",
    }


@pytest.mark.parametrize(
    "more",
    [
        {"seed": 0},
        {"pronunciations": (("a", "b"),)},
        {"extra": {"loop": True}},
        {"settings": {"speed": 0.6}},
        {"text": "x" * 5001},
        {"lines": (Line("a", "b"),)},
        {"model": "elevenlabs-sound-effect-v2"},
        {"model": "elevenlabs-dialogue-v3", "settings": {"stability": 0.4}},
        {"model": "elevenlabs-dialogue-v3", "settings": {"style": 0.4}},
    ],
)
def test_what_rivya_cannot_do_never_leaves_the_house(more: dict[str, Any]):
    with pytest.raises(Unsupported):
        run(Host(), lambda rivya: rivya.submit(order(**more)))


def test_nothing_to_speak_is_rejected():
    with pytest.raises(Rejected):
        run(Host(), lambda rivya: rivya.submit(order(text="")))


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("error_disabled", 503, Unavailable),
        ("error_disabled", 500, Unavailable),
        ("error_key", 401, BadCredentials),
        ("error_scope", 403, BadCredentials),
        ("error_rate", 429, RateLimited),
        ("error_validation", 400, Rejected),
        ("error_not_found", 404, Rejected),
        ("error_conflict", 409, Unclear),
        ("error_credits", 402, AccountEmpty),
        ("error_credits", 403, AccountEmpty),
        ("error_new_code", 403, BadCredentials),
        ("error_new_code", 422, Rejected),
        ("error_new_code", 429, RateLimited),
        ("error_new_code", 500, Unavailable),
        ("error_new_code", 503, Unavailable),
    ],
)
def test_the_code_is_the_contract_and_new_codes_go_by_their_class(
    name: str, status: int, kind: type[ProviderError]
):
    with pytest.raises(kind) as caught:
        run(Host(said(name, status)), lambda rivya: rivya.submit(order()))
    assert type(caught.value) is kind
    assert caught.value.vendor_code == wire(name)["error"]["code"]
    assert caught.value.message == wire(name)["error"]["message"]


def test_a_refusal_for_content_is_moderation():
    body = {"error": {"code": "content_policy_violation", "message": "no"}}
    with pytest.raises(Moderated):
        run(Host(httpx.Response(400, json=body)), lambda rivya: rivya.submit(order()))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"retry-after": "12"}, 12),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "999999"}, None),
        (
            {
                "retry-after": "Sat, 01 Aug 2026 10:00:30 GMT",
                "date": "Sat, 01 Aug 2026 10:00:00 GMT",
            },
            30,
        ),
        ({"retry-after": "Sat, 01 Aug 2015 10:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_with_suspicion(header: dict[str, str], seconds: float | None):
    with pytest.raises(RateLimited) as caught:
        run(Host(said("error_rate", 429, headers=header)), lambda rivya: rivya.submit(order()))
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<p>Hello</p>"),
        httpx.Response(201, json={"id": ""}),
        httpx.Response(201, json=[]),
    ],
)
def test_a_create_that_names_no_task_is_unclear(answer: httpx.Response):
    with pytest.raises(Unclear):
        run(Host(answer), lambda rivya: rivya.submit(order()))


@pytest.mark.parametrize(
    ("name", "state", "cost"),
    [
        ("generation_queued", UpstreamState.QUEUED, None),
        ("generation_processing", UpstreamState.RUNNING, None),
        ("generation_succeeded", UpstreamState.SUCCEEDED, Decimal(6)),
        ("generation_failed", UpstreamState.FAILED, Decimal(0)),
        ("generation_new_word", UpstreamState.UNKNOWN, None),
    ],
)
def test_each_status_has_its_state(name: str, state: UpstreamState, cost: Decimal | None):
    event = run(Host(said(name)), lambda rivya: rivya.check(TASK))
    assert (event.state, event.cost, event.upstream_id) == (state, cost, TASK)
    assert event.result == (
        ("https://media.example/x.mp3",) if state is UpstreamState.SUCCEEDED else ()
    )


def test_a_task_that_is_not_there_is_unknown():
    event = run(Host(said("error_not_found", 404)), lambda rivya: rivya.check("a/../b"))
    assert event.state is UpstreamState.UNKNOWN


def test_a_task_id_cannot_leave_its_place_in_the_address():
    host = Host(said("error_not_found", 404))
    run(host, lambda rivya: rivya.check("../credits?x"))
    assert host.seen[0].url.raw_path == b"/api/v1/generations/..%2Fcredits%3Fx"


def test_other_refusals_of_a_question_are_raised():
    with pytest.raises(Rejected):
        run(Host(said("error_validation", 400)), lambda rivya: rivya.check(TASK))


def test_an_answer_for_another_task_is_garbled():
    with pytest.raises(Garbled):
        run(Host(said("generation_succeeded")), lambda rivya: rivya.check("task_2"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "generation_failed", "message": "no"}, TaskFailed),
        ({"code": "validation_failed", "message": "no"}, Rejected),
        ({"code": "content_moderated", "message": "no"}, Moderated),
        ({"code": "generation_failed", "message": "violates our content policy"}, Moderated),
        (None, TaskFailed),
    ],
)
def test_a_failed_task_says_why(error: Any, kind: type[ProviderError]):
    answer = httpx.Response(200, json=wire("generation_failed") | {"error": error})
    event = run(Host(answer), lambda rivya: rivya.check(TASK))
    assert type(event.error) is kind


def test_a_success_without_links_cannot_be_fetched():
    async def story(rivya: Rivya) -> None:
        event = UpstreamEvent(UpstreamState.SUCCEEDED, TASK)
        async for _ in rivya.fetch(event, order()):
            raise AssertionError("there is nothing to hear")

    with pytest.raises(Garbled):
        run(Host(), story)


def test_a_webhook_is_only_a_nudge():
    body = (WIRE / "webhook_succeeded.json").read_bytes()

    async def story(rivya: Rivya) -> UpstreamEvent:
        return rivya.read_webhook({}, body)

    event = run(Host(), story)
    assert (event.state, event.upstream_id) == (UpstreamState.UNKNOWN, TASK)
    assert (event.result, event.cost) == ((), None)


def test_a_webhooks_own_id_is_not_a_task():
    async def story(rivya: Rivya) -> UpstreamEvent:
        return rivya.read_webhook({}, b'{"id": "evt_1", "data": {}}')

    with pytest.raises(Forged):
        run(Host(), story)


@pytest.fixture
def cleaning(recording: Path) -> CleaningOrder:
    return CleaningOrder(recording, "noise.mp3", "audio/mpeg", 1044, ISOLATION, "k-1")


@pytest.mark.parametrize("wrapper", [None, "data", "file"])
def test_a_recording_is_uploaded_and_named_in_the_generation(
    wrapper: str | None, cleaning: CleaningOrder
):
    uploaded = wire("file") if wrapper is None else {wrapper: wire("file")}
    host = Host(httpx.Response(201, json=uploaded), said("generation_queued"))
    run(host, lambda rivya: rivya.submit(cleaning))
    assert host.seen[0].url.path == "/api/v1/files"
    assert b'name="kind"\r\n\r\naudio' in host.seen[0].content
    assert "prompt" not in host.body()
    assert host.body()["params"]["referenceMediaItems"] == [
        {
            "url": "https://files.example/in.mp3",
            "kind": "audio",
            "name": "noise.mp3",
            "mimeType": "audio/mpeg",
            "durationSeconds": 1.044,
            "durationToken": "dur_01",
        }
    ]


def test_a_repeated_cleaning_says_the_same_and_uploads_once(cleaning: CleaningOrder):
    lost = httpx.Response(200, html="<p>Hello</p>")
    host = Host(said("file", 201), lost, said("generation_queued"))

    async def story(rivya: Rivya) -> None:
        with pytest.raises(Unclear):
            await rivya.submit(cleaning)
        await rivya.submit(cleaning)

    run(host, story)
    assert host.seen[1].content == host.seen[2].content
    assert host.seen[1].headers["idempotency-key"] == host.seen[2].headers["idempotency-key"]


def test_only_some_uploads_are_kept(cleaning: CleaningOrder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("speechsite.providers.rivya.adapter.UPLOADS_KEPT", 1)
    answers = (said("file", 201), said("generation_queued")) * 2
    host = Host(*answers, said("file", 201), said("generation_queued"))

    async def story(rivya: Rivya) -> None:
        for key in ("k-1", "k-2", "k-1"):
            await rivya.submit(dataclasses.replace(cleaning, key=key))

    run(host, story)
    assert len(host.seen) == 6


@pytest.mark.parametrize("wrong", ["type", "size"])
def test_a_recording_that_rivya_does_not_take_stays_here(wrong: str, recording: Path):
    if wrong == "size":
        recording.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    media_type = "audio/flac" if wrong == "type" else "audio/mpeg"
    cleaning = CleaningOrder(recording, "n.mp3", media_type, 1000, ISOLATION, "k-1")
    with pytest.raises(Unsupported):
        run(Host(), lambda rivya: rivya.submit(cleaning))


def test_an_upload_without_a_link_is_garbled(cleaning: CleaningOrder):
    with pytest.raises(Garbled):
        run(Host(httpx.Response(201, json={})), lambda rivya: rivya.submit(cleaning))


def test_the_credits_are_told():
    assert run(Host(said("credits")), lambda rivya: rivya.balance()).remaining == Decimal(123)


@pytest.mark.parametrize("body", [{}, [], {"current_credits": True}, {"current_credits": "9"}])
def test_credits_that_are_no_number_are_garbled(body: Any):
    with pytest.raises(Garbled):
        run(Host(httpx.Response(200, json=body)), lambda rivya: rivya.balance())


def test_voices_come_from_the_models_list():
    voices = run(Host(said("models")), lambda rivya: rivya.list_voices())
    assert [voice.name for voice in voices] == [
        "Liam", "Jessica", "Adam", "Ellen", "Juniper", "a-new-voice-of-theirs",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "params", [None, [], {"voice": {"options": [{"value": LIAM}]}}, [{"key": "voice"}]]
)
def test_voices_fall_back_to_the_documented_ones(params: Any):
    body = {"data": [{"id": "elevenlabs-turbo-2-5", "params": params}, "odd"]}
    voices = run(Host(httpx.Response(200, json=body)), lambda rivya: rivya.list_voices())
    assert voices[0].id == LIAM


def test_a_models_list_that_is_none_is_garbled():
    with pytest.raises(Garbled):
        run(Host(httpx.Response(200, json={"data": {}})), lambda rivya: rivya.models())
