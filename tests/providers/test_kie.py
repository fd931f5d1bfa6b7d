"""kie.ai's peculiarities, read from its documented messages and not from our fake."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
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
from speechsite.providers.kie import Kie
from speechsite.providers.kie.adapter import signature
from speechsite.providers.types import (
    CleaningOrder,
    Line,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
)
from tests.fakes.kie import FakeKie
from tests.fakes.upstream import Fault

WIRE = Path(__file__).parent.parent / "wire" / "kie"
TASK = "3f0c9a7be1d24f6aa5b2c1d0e9f87654"
TURBO = "elevenlabs/text-to-speech-turbo-2-5"
MULTILINGUAL = "elevenlabs/text-to-speech-multilingual-v2"
DIALOGUE = "elevenlabs/text-to-dialogue-v3"
ISOLATION = "elevenlabs/audio-isolation"
HOOK_KEY = "whk_0123456789abcdef"


def wire(name: str) -> Any:
    return json.loads((WIRE / f"{name}.json").read_text())


def order(**more: Any) -> SpeechOrder:
    return SpeechOrder(**{"text": "Hi", "voice": "Rachel", "model": TURBO, "key": "k-1", **more})


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


def run(host: Host, story: Callable[[Kie], Any], **credentials: str) -> Any:
    async def go() -> Any:
        transport = httpx.MockTransport(host)
        keys = {"api_key": "kie-secret", **credentials}
        async with Kie("", keys, transport=transport, downloads=transport) as kie:
            return await story(kie)

    return asyncio.run(go())


async def heard(kie: Kie, event: UpstreamEvent) -> bytes:
    return b"".join([chunk.audio async for chunk in kie.fetch(event, order())])


@pytest.mark.parametrize(
    ("name", "upstream_id"),
    [
        ("create_accepted", "281e5b0c9a7be1d24f6aa5b2c1df39b9"),
        ("create_accepted_older", "task_elevenlabs_1765184250000"),
    ],
)
def test_a_created_task_is_queued_and_not_done(name: str, upstream_id: str):
    event = run(Host(said(name)), lambda kie: kie.submit(order()))
    assert event.state is UpstreamState.QUEUED
    assert event.upstream_id == upstream_id


def test_turbo_is_sent_every_documented_default():
    host = Host(said("create_accepted"))
    run(host, lambda kie: kie.submit(order(callback_url="https://site.example/h/")))
    assert str(host.seen[0].url) == "https://api.kie.ai/api/v1/jobs/createTask"
    assert host.seen[0].headers["authorization"] == "Bearer kie-secret"
    assert host.seen[0].headers["user-agent"].startswith("speechsite")
    assert host.body() == {
        "model": TURBO,
        "callBackUrl": "https://site.example/h/",
        "input": {
            "text": "Hi",
            "voice": "Rachel",
            "stability": 0.5,
            "similarity_boost": 0.75,
            "style": 0,
            "speed": 1,
            "timestamps": False,
            "previous_text": "",
            "next_text": "",
            "language_code": "",
        },
    }


def test_multilingual_is_never_told_a_language():
    host = Host(said("create_accepted"))
    run(host, lambda kie: kie.submit(order(model=MULTILINGUAL, language="de-AT")))
    assert "language_code" not in host.body()["input"]
    assert "callBackUrl" not in host.body()


def test_turbo_is_told_the_bare_language():
    host = Host(said("create_accepted"))
    run(host, lambda kie: kie.submit(order(language="zh-Hant")))
    assert host.body()["input"]["language_code"] == "zh"


@pytest.mark.parametrize(("language", "told"), [("cy-GB", "cy"), ("yue", None), (None, None)])
def test_a_dialogue_is_told_only_languages_that_it_knows(language: str | None, told: str | None):
    host = Host(said("create_accepted"))
    lines = (Line("One", "a"), Line("Two", "b"))
    run(host, lambda kie: kie.submit(order(model=DIALOGUE, lines=lines, language=language)))
    sent = host.body()["input"]
    assert sent["dialogue"] == [{"text": "One", "voice": "a"}, {"text": "Two", "voice": "b"}]
    assert sent.get("language_code") == told
    assert sent["stability"] == 0.5


@pytest.mark.parametrize(
    "more",
    [
        {"seed": 1},
        {"pronunciations": (("a", "b"),)},
        {"extra": {"pitch": 1}},
        {"settings": {"speed": 1.3}},
        {"settings": {"stability": float("nan")}},
        {"settings": {"stability": True}},
        {"settings": {"stability": "high"}},
        {"text": "x" * 5001},
        {"lines": (Line("a", "b"),)},
        {"model": "elevenlabs/sound-effect-v2"},
        {"model": DIALOGUE, "settings": {"stability": 0.3}},
        {"model": DIALOGUE, "settings": {"speed": 1.1}},
        {"model": DIALOGUE, "lines": (Line("x" * 3000, "a"), Line("x" * 2001, "b"))},
    ],
)
def test_what_kie_cannot_do_never_leaves_the_house(more: dict[str, Any]):
    with pytest.raises(Unsupported):
        run(Host(), lambda kie: kie.submit(order(**more)))


def test_nothing_to_speak_is_rejected():
    with pytest.raises(Rejected):
        run(Host(), lambda kie: kie.submit(order(text=" \n")))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("refused_key", BadCredentials),
        ("refused_funds", AccountEmpty),
        ("refused_input", Rejected),
        ("refused_input_as_500", Rejected),
        ("refused_rate", RateLimited),
        ("refused_maintenance", Unavailable),
        ("refused_server", Unavailable),
        ("refused_disabled", Unsupported),
        ("refused_unexplained", Rejected),
    ],
)
@pytest.mark.parametrize("real_status", [False, True])
def test_the_code_decides_whatever_the_http_status(
    name: str, kind: type[ProviderError], real_status: bool
):
    code = wire(name)["code"]
    host = Host(said(name, code if real_status else 200))
    with pytest.raises(kind) as caught:
        run(host, lambda kie: kie.submit(order()))
    assert type(caught.value) is kind
    assert caught.value.vendor_code == str(code)


@pytest.mark.parametrize(("header", "seconds"), [({}, 10), ({"retry-after": "3"}, 3)])
def test_a_rate_limit_lasts_a_whole_window_unless_told_otherwise(
    header: dict[str, str], seconds: float
):
    with pytest.raises(RateLimited) as caught:
        run(Host(said("refused_rate", headers=header)), lambda kie: kie.submit(order()))
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<h1>Hello</h1>"),
        httpx.Response(200, json={"code": 200, "msg": "success", "data": None}),
        httpx.Response(200, json={"code": 200, "msg": "success", "data": {"taskId": 5}}),
        httpx.Response(200, json={"code": 200, "msg": "success", "data": {"taskId": "x" * 129}}),
        httpx.Response(200, json=[]),
    ],
)
def test_an_answer_that_names_no_task_is_unclear(answer: httpx.Response):
    with pytest.raises(Unclear):
        run(Host(answer), lambda kie: kie.submit(order()))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(502, html="<h1>Bad Gateway</h1>"),
        httpx.Response(520, html="<h1>Unknown error</h1>"),
        httpx.Response(200, json={"code": 777, "msg": "new"}),
        httpx.Response(502, json={"code": 502, "msg": "new"}),
    ],
)
def test_a_whole_answer_that_complains_may_be_asked_again(answer: httpx.Response):
    with pytest.raises(Unavailable) as caught:
        run(Host(answer), lambda kie: kie.submit(order()))
    assert caught.value.retryable


def test_a_gateways_403_is_not_a_wrong_key():
    host = Host(httpx.Response(403, html="error code: 1010"))
    with pytest.raises(Unavailable):
        run(host, lambda kie: kie.submit(order()))


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("record_waiting", UpstreamState.QUEUED),
        ("record_queuing", UpstreamState.QUEUED),
        ("record_generating", UpstreamState.RUNNING),
        ("record_success", UpstreamState.SUCCEEDED),
        ("record_fail", UpstreamState.FAILED),
        ("record_new_word", UpstreamState.UNKNOWN),
        ("record_null", UpstreamState.UNKNOWN),
        ("record_timeout", UpstreamState.FAILED),
    ],
)
def test_each_state_has_its_word(name: str, state: UpstreamState):
    host = Host(said(name))
    event = run(host, lambda kie: kie.check(TASK))
    assert event.state is state
    assert event.upstream_id == TASK
    assert host.seen[0].url.params["taskId"] == TASK


def test_a_success_tells_links_and_cost_and_keeps_the_callback_secret():
    event = run(Host(said("record_success")), lambda kie: kie.check(TASK))
    assert event.result == ("https://tempfile.example/a/b.mp3",)
    assert event.cost == Decimal(6)
    assert event.raw["data"]["costTime"] == 4210
    assert "secret-token" not in repr(event.raw)


def test_a_failure_says_why():
    event = run(Host(said("record_fail")), lambda kie: kie.check(TASK))
    assert type(event.error) is TaskFailed
    assert event.error.message == "Internal Error, please try again later."
    moderated = run(Host(said("record_fail_moderated")), lambda kie: kie.check(TASK))
    assert type(moderated.error) is Moderated


@pytest.mark.parametrize("billed", [-6, 10**18, True, "lots", float("nan"), [6], None])
def test_an_absurd_bill_is_none_and_stays_readable(billed: Any):
    answer = wire("record_success")
    answer["data"]["creditsConsumed"] = billed
    text = json.dumps(answer)
    host = Host(httpx.Response(200, content=text, headers={"content-type": "application/json"}))
    event = run(host, lambda kie: kie.check(TASK))
    assert event.cost is None
    assert "creditsConsumed" in event.raw["data"]
    json.dumps(event.raw, allow_nan=False)


@pytest.mark.parametrize("result", [None, "", "{", "[]", '{"resultUrls": "x"}', '{"a": 1}'])
def test_a_success_without_links_cannot_be_fetched(result: Any):
    answer = wire("record_success")
    answer["data"]["resultJson"] = result
    host = Host(httpx.Response(200, json=answer))

    async def story(kie: Kie) -> bytes:
        return await heard(kie, await kie.check(TASK))

    with pytest.raises(Garbled):
        run(host, story)


def test_a_failure_for_its_input_is_rejected():
    answer = wire("record_fail")
    answer["data"] |= {"failCode": "422", "failMsg": "The voice is not known"}
    event = run(Host(httpx.Response(200, json=answer)), lambda kie: kie.check(TASK))
    assert type(event.error) is Rejected


def test_a_question_that_is_malformed_is_raised():
    answer = httpx.Response(200, json={"code": 400, "msg": "taskId is required", "data": None})
    with pytest.raises(Rejected):
        run(Host(answer), lambda kie: kie.check(""))


LINK = UpstreamEvent(UpstreamState.SUCCEEDED, TASK, ("https://tempfile.example/a/b.mp3",))


def test_a_link_that_fails_is_exchanged_once():
    host = Host(httpx.Response(403), said("download_url"), httpx.Response(200, content=b"ID3x"))
    assert run(host, lambda kie: heard(kie, LINK)) == b"ID3x"
    assert host.body(1) == {"url": LINK.result[0]}
    assert "authorization" in host.seen[1].headers
    assert "authorization" not in host.seen[2].headers


def test_a_code_written_as_text_counts():
    answer = wire("create_accepted") | {"code": "200"}
    event = run(Host(httpx.Response(200, json=answer)), lambda kie: kie.submit(order()))
    assert event.state is UpstreamState.QUEUED
    host = Host(httpx.Response(200, json=answer | {"code": "402"}))
    with pytest.raises(AccountEmpty):
        run(host, lambda kie: kie.submit(order()))


class Breaking(httpx.AsyncByteStream):
    """Two pieces, then a broken connection."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"ID3" + b"x" * 200_000
        raise httpx.ReadError("gone")


def test_a_download_that_has_started_is_not_started_again():
    host = Host(httpx.Response(200, stream=Breaking()))
    with pytest.raises(Unavailable):
        run(host, lambda kie: heard(kie, LINK))
    assert len(host.seen) == 1


@pytest.mark.parametrize(
    "answers",
    [
        (httpx.Response(404), said("download_url_foreign")),
        (httpx.Response(404), said("download_url"), httpx.Response(410)),
        (httpx.Response(404), httpx.Response(200, json={"code": 200, "data": None})),
    ],
)
def test_a_result_that_is_gone_is_garbled(answers: tuple[httpx.Response, ...]):
    with pytest.raises(Garbled):
        run(Host(*answers), lambda kie: heard(kie, LINK))


def test_a_link_into_a_private_network_is_not_followed():
    event = UpstreamEvent(UpstreamState.SUCCEEDED, TASK, ("http://169.254.169.254/x",))
    with pytest.raises(Garbled):
        run(Host(said("download_url_foreign")), lambda kie: heard(kie, event))


@pytest.mark.parametrize(
    ("key", "task", "sent_at", "expected"),
    [
        ("test-key", "task_1", "1767225600", "20pTlUx8Y10O+Mj+xjvqJk4UsbqfIt5sLiIYm5VeDdg="),
        (HOOK_KEY, TASK, "1767225604", "Sl93jGcWoFcHADGeRZtQhzHtlRtwLxt5NAuWpF6nvDc="),
    ],
)
def test_the_signature_is_kies_own(key: str, task: str, sent_at: str, expected: str):
    assert signature(key, task, sent_at) == expected


def callback(name: str, now: float = 1767225610, key: str = HOOK_KEY, **headers: str) -> Any:
    async def story(kie: Kie) -> UpstreamEvent:
        kie.clock = lambda: now
        return kie.read_webhook(headers, (WIRE / f"{name}.json").read_bytes())

    return run(Host(), story, **({"webhook_key": key} if key else {}))


SIGNED = {
    "X-Webhook-Timestamp": "1767225604",
    "X-Webhook-Signature": "Sl93jGcWoFcHADGeRZtQhzHtlRtwLxt5NAuWpF6nvDc=",
}


@pytest.mark.parametrize(
    ("name", "state", "cost"),
    [
        ("callback_success", UpstreamState.SUCCEEDED, 12),
        ("callback_success_newer", UpstreamState.SUCCEEDED, 6),
        ("callback_fail", UpstreamState.FAILED, 0),
    ],
)
def test_a_signed_callback_is_read(name: str, state: UpstreamState, cost: int):
    event = callback(name, **SIGNED)
    assert (event.state, event.upstream_id, event.cost) == (state, TASK, Decimal(cost))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Webhook-Signature": SIGNED["X-Webhook-Signature"]},
        {**SIGNED, "X-Webhook-Signature": ""},
        {**SIGNED, "X-Webhook-Signature": "é" * 44},
        {**SIGNED, "X-Webhook-Timestamp": "1767225605"},
        {**SIGNED, "X-Webhook-Timestamp": "-1"},
        {**SIGNED, "X-Webhook-Timestamp": "١٧٦٧٢٢٥٦٠٤"},
    ],
)
def test_a_wrong_signature_is_forged(headers: dict[str, str]):
    with pytest.raises(Forged):
        callback("callback_success", **headers)


@pytest.mark.parametrize("now", [1767225604 + 301, 1767225604 - 301])
def test_a_signature_ages(now: float):
    with pytest.raises(Forged):
        callback("callback_success", now, **SIGNED)


def test_header_names_may_come_in_any_case():
    lowered = {name.lower(): value for name, value in SIGNED.items()}
    assert callback("callback_success", **lowered).upstream_id == TASK


def test_without_a_webhook_key_a_callback_is_still_read():
    assert callback("callback_success", key="").state is UpstreamState.SUCCEEDED
    assert callback("callback_sibling", key="").upstream_id == "task_1"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"data": {"taskId": "a", "task_id": "b"}, "taskId": "c", "task_id": "d"}, "a"),
        ({"data": {"task_id": "b"}, "taskId": "c", "task_id": "d"}, "b"),
        ({"data": {}, "taskId": "c", "task_id": "d"}, "c"),
        ({"task_id": "d"}, "d"),
    ],
)
def test_the_task_is_looked_for_in_the_documented_order(body: Any, expected: str):
    async def story(kie: Kie) -> UpstreamEvent:
        return kie.read_webhook({}, json.dumps(body).encode())

    assert run(Host(), story).upstream_id == expected


@pytest.mark.parametrize("name", ["upload", "upload_older"])
def test_a_recording_is_uploaded_to_the_other_host_first(name: str, recording: Path):
    host = Host(said(name), said("create_accepted"))
    cleaning = CleaningOrder(recording, "my noise.MP3", "audio/mpeg", 1000, ISOLATION, "k-1")
    run(host, lambda kie: kie.submit(cleaning))
    assert host.seen[0].url == "https://kieai.redpandaai.co/api/file-stream-upload"
    assert b"my noise" not in host.seen[0].content
    link = "https://tempfile.redpandaai.co/kieai/1001/portal/in-42.mp3"
    assert host.body() == {"model": ISOLATION, "input": {"audio_url": link}}


def test_an_upload_without_a_link_spends_nothing(recording: Path):
    host = Host(httpx.Response(200, json={"success": True, "code": 200, "data": {}}))
    cleaning = CleaningOrder(recording, "n.mp3", "audio/mpeg", 1000, ISOLATION, "k-1")
    with pytest.raises(Garbled):
        run(host, lambda kie: kie.submit(cleaning))
    assert len(host.seen) == 1


@pytest.mark.parametrize("wrong", ["type", "size", "model"])
def test_a_recording_that_kie_does_not_take_stays_here(wrong: str, recording: Path):
    media_type = "audio/flac" if wrong == "type" else "audio/mpeg"
    model = TURBO if wrong == "model" else ISOLATION
    if wrong == "size":
        recording.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    cleaning = CleaningOrder(recording, "n.mp3", media_type, 1000, model, "k-1")
    with pytest.raises(Unsupported):
        run(Host(), lambda kie: kie.submit(cleaning))


def test_the_balance_is_a_bare_number():
    assert run(Host(said("credit")), lambda kie: kie.balance()).remaining == Decimal("100.5")


def test_a_balance_that_is_no_number_is_garbled():
    host = Host(httpx.Response(200, json={"code": 200, "msg": "success", "data": None}))
    with pytest.raises(Garbled):
        run(host, lambda kie: kie.balance())


@pytest.mark.parametrize("task", ["\ud800", "a b", "\0", "", "x" * 129])
def test_a_callback_for_a_task_that_cannot_be_is_forged(task: str):
    async def story(kie: Kie) -> UpstreamEvent:
        return kie.read_webhook(SIGNED, json.dumps({"data": {"taskId": task}}).encode())

    with pytest.raises(Forged):
        run(Host(), story, webhook_key=HOOK_KEY)


def test_all_67_voices_are_listed():
    voices = run(Host(), lambda kie: kie.list_voices())
    assert len({voice.id for voice in voices}) == 67
    assert all(voice.id in voice.preview_url for voice in voices)


def fake_story(fake: FakeKie, **more: Any) -> list[UpstreamEvent | Exception]:
    """Order once from a fake and read every callback that it sent."""

    async def go() -> list[UpstreamEvent | Exception]:
        transport = fake.transport()
        keys = {"api_key": fake.key, "webhook_key": HOOK_KEY}
        async with Kie(fake.base_url, keys, transport=transport, downloads=transport) as kie:
            await kie.submit(order(callback_url="https://site.example/hooks/kie/t/", **more))
            await fake.settle()
            return [_read(kie, request) for request in fake.callbacks]

    return asyncio.run(go())


def _read(kie: Kie, request: httpx.Request) -> UpstreamEvent | Exception:
    try:
        return kie.read_webhook(dict(request.headers), request.content)
    except ProviderError as error:
        return error


@pytest.mark.parametrize(
    ("fault", "states"),
    [
        (Fault.NONE, ["succeeded"]),
        (Fault.CALLBACK_LOST, []),
        (Fault.CALLBACK_TWICE, ["succeeded", "succeeded"]),
        (Fault.CALLBACK_EARLY, ["succeeded"]),
        (Fault.CALLBACK_LATE, ["succeeded"]),
        (Fault.CALLBACK_FORGED, ["forged", "succeeded"]),
        (Fault.TASK_FAILS, ["failed"]),
    ],
)
def test_callbacks_come_as_they_come(fault: Fault, states: list[str]):
    fake = FakeKie(webhook_key=HOOK_KEY, fault=fault, late_by=0)
    read = fake_story(fake)
    assert [
        str(event.state) if isinstance(event, UpstreamEvent) else event.code for event in read
    ] == states


def test_the_fake_keeps_the_documented_rate():
    fake = FakeKie(creates_per_window=20, clock=lambda: 100.0, retry_after=0)

    async def go() -> None:
        transport = fake.transport()
        async with Kie(fake.base_url, {"api_key": fake.key}, transport=transport) as kie:
            for _ in range(21):
                await kie.submit(order())

    with pytest.raises(RateLimited):
        asyncio.run(go())
    assert fake.accepted == 20
