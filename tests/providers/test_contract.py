"""Every adapter × every promise: what is declared works, the rest refuses aloud,
every fault is one of our errors, and no secret gets out."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import av
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechsite.providers.base import Adapter
from speechsite.providers.controls import CONTROLS
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
from speechsite.providers.types import (
    Chunk,
    CleaningOrder,
    Feature,
    Order,
    Sample,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
)
from tests.fakes import sound
from tests.fakes.upstream import Fault, Upstream
from tests.providers.cases import CASES, Case

T = TypeVar("T")

ORDERED = {
    Fault.DROP_BEFORE: (Unclear,),
    Fault.DROP_AFTER: (Unclear,),
    Fault.GATEWAY: (Unavailable,),
    Fault.NOT_JSON: (Unclear, Garbled),
    Fault.SERVER_ERROR: (Unavailable,),
    Fault.MAINTENANCE: (Unavailable,),
    Fault.RATE_LIMIT: (RateLimited,),
    Fault.NO_FUNDS: (AccountEmpty,),
    Fault.BAD_KEY: (BadCredentials,),
    Fault.REJECTED: (Rejected,),
    Fault.MODERATED: (Moderated,),
    Fault.TASK_FAILS: (TaskFailed,),
    Fault.AUDIO_HTML: (Garbled,),
    Fault.AUDIO_EMPTY: (Garbled,),
    Fault.AUDIO_TRUNCATED: (Unavailable, Unclear, Garbled),
    Fault.LINK_GONE: (Garbled,),
}
ASKED = {
    Fault.DROP_BEFORE: Unavailable,
    Fault.BAD_KEY: BadCredentials,
    Fault.MAINTENANCE: Unavailable,
    Fault.RATE_LIMIT: RateLimited,
    Fault.SERVER_ERROR: Unavailable,
}
STORIES = [Feature.SPEECH, Feature.DIALOGUE, Feature.ISOLATION]


def using(case: Case, fake: Any, story: Any) -> Any:
    """Run `story(adapter)` with the case's adapter and close it."""

    async def run() -> Any:
        async with case.make(fake) as adapter:
            return await story(adapter)

    return asyncio.run(run())


async def listed(chunks: Any) -> list[Chunk]:
    return [chunk async for chunk in chunks]


async def perform(adapter: Adapter, order: Order) -> list[Chunk]:
    """Get an order done, whichever way the adapter works."""
    if Feature.SUBMIT in adapter.features:
        event = await finished(adapter, await adapter.submit(order))
        return await listed(adapter.fetch(event, order))
    if isinstance(order, CleaningOrder):
        return await listed(adapter.clean(order))
    return await listed(adapter.speak(order))


async def finished(adapter: Adapter, event: UpstreamEvent) -> UpstreamEvent:
    event = await adapter.check(event.upstream_id)
    if event.error is not None:
        raise event.error
    return event


def seconds_of(chunks: list[Chunk]) -> float:
    audio = b"".join(chunk.audio for chunk in chunks)
    if chunks[0].format.startswith("pcm_"):
        return len(audio) / 2 / int(chunks[0].format.split("_")[1])
    with av.open(io.BytesIO(audio)) as file:
        return sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))


def skip_unless(condition: bool) -> None:
    if not condition:
        pytest.skip("not declared")


@pytest.mark.parametrize("feature", STORIES)
def test_declared_work_ends_in_sound(case: Case, fake: Any, order_for: Any, feature: Feature):
    skip_unless(feature in case.adapter.features)
    chunks = using(case, fake, lambda adapter: perform(adapter, order_for(feature)))
    assert seconds_of(chunks) > 0.3
    assert len({chunk.format for chunk in chunks}) == 1


@pytest.mark.parametrize("way", [Feature.SPEAK, Feature.SUBMIT])
def test_each_declared_way_of_speaking_ends_in_sound(
    case: Case, fake: Any, order_for: Any, way: Feature
):
    skip_unless({way, Feature.SPEECH} <= case.adapter.features)

    async def story(adapter: Adapter) -> list[Chunk]:
        if way is Feature.SUBMIT:
            return await perform(adapter, order_for())
        return await listed(adapter.speak(order_for()))

    assert seconds_of(using(case, fake, story)) > 0.3


def test_a_model_is_named_for_every_declared_kind_of_work(case: Case):
    assert set(case.models) == case.adapter.features & set(STORIES)


def test_word_times_point_into_the_text_and_move_forward(case: Case, fake: Any, order_for: Any):
    skip_unless(Feature.WORD_TIMES in case.adapter.features)
    order = order_for()
    chunks = using(case, fake, lambda adapter: perform(adapter, order))
    words = [word for chunk in chunks for word in chunk.words]
    assert words
    assert all(0 <= word.start < word.end <= len(order.text) for word in words)
    assert all(word.start_ms <= word.end_ms for word in words)
    assert [w.start for w in words] == sorted(w.start for w in words)
    assert [w.start_ms for w in words] == sorted(w.start_ms for w in words)


def test_context_is_taken(case: Case, fake: Any, order_for: Any):
    skip_unless(Feature.CONTEXT in case.adapter.features)
    order = order_for(previous_text="Before. " * 1000, next_text="After.")
    assert using(case, fake, lambda adapter: perform(adapter, order))


def test_voices_have_ids_and_names(case: Case, fake: Any):
    skip_unless(Feature.VOICES in case.adapter.features)
    voices = using(case, fake, lambda adapter: adapter.list_voices())
    assert voices
    assert len({voice.id for voice in voices}) == len(voices)
    assert all(voice.id and voice.name for voice in voices)


def test_models_have_ids_and_names(case: Case, fake: Any):
    skip_unless(Feature.MODELS in case.adapter.features)
    models = using(case, fake, lambda adapter: adapter.list_models())
    assert case.models[Feature.SPEECH] in {model.id for model in models}
    assert len({model.id for model in models}) == len(models)
    assert all(model.id and model.name and model.cost >= 0 for model in models)


def test_the_balance_is_a_number_and_spends_nothing(case: Case, fake: Any):
    skip_unless(Feature.BALANCE in case.adapter.features)
    balance = using(case, fake, lambda adapter: adapter.balance())
    assert isinstance(balance.remaining, Decimal)
    assert balance.remaining > 0
    assert fake.accepted == 0


def test_a_clone_speaks_and_can_be_deleted(case: Case, fake: Any, order_for: Any):
    skip_unless(Feature.CLONE in case.adapter.features)

    async def story(adapter: Adapter) -> list[Chunk]:
        sample = Sample("me.mp3", "audio/mpeg", sound.tone(12.0))
        voice = await adapter.clone("Ada", [sample], {})
        chunks = await perform(adapter, order_for(key="order-2"))
        if Feature.DELETE_VOICE in adapter.features:
            await adapter.delete_voice(voice.id)
        return chunks

    assert seconds_of(using(case, fake, story)) > 0.3


def undeclared(case: Case) -> list[tuple[Feature, str, tuple[Any, ...]]]:
    order = SpeechOrder(text="Hi", voice="v", model="m", key="k")
    calls: list[tuple[Feature, str, tuple[Any, ...]]] = [
        (Feature.SPEAK, "speak", (order,)),
        (Feature.SUBMIT, "submit", (order,)),
        (Feature.SUBMIT, "check", ("id",)),
        (Feature.FIND, "find", (order, datetime.now(UTC))),
        (Feature.VOICES, "list_voices", ()),
        (Feature.MODELS, "list_models", ()),
        (Feature.CLONE, "clone", ("name", [], {})),
        (Feature.DELETE_VOICE, "delete_voice", ("voice",)),
        (Feature.BALANCE, "balance", ()),
    ]
    return [call for call in calls if call[0] not in case.adapter.features]


def test_what_is_not_declared_refuses_aloud(case: Case, fake: Any):
    async def call(adapter: Adapter, method: str, arguments: tuple[Any, ...]) -> None:
        answer = getattr(adapter, method)(*arguments)
        await (listed(answer) if hasattr(answer, "__aiter__") else answer)

    async def story(adapter: Adapter) -> None:
        for _, method, arguments in undeclared(case):
            with pytest.raises(Unsupported):
                await call(adapter, method, arguments)

    using(case, fake, story)


@pytest.mark.parametrize("name", sorted(CONTROLS))
def test_controls_are_obeyed_or_refused_aloud(case: Case, fake: Any, order_for: Any, name: str):
    control = CONTROLS[name]
    value = control.choices[1] if control.choices else control.default
    order = order_for(settings={name: value})
    if name in case.adapter.controls:
        assert using(case, fake, lambda adapter: perform(adapter, order))
        return
    with pytest.raises(Unsupported):
        using(case, fake, lambda adapter: perform(adapter, order))
    assert getattr(fake, "accepted", 0) == 0


def test_a_control_that_does_not_exist_is_refused_aloud(case: Case, fake: Any, order_for: Any):
    order = order_for(settings={"sparkle": 1})
    with pytest.raises(Unsupported):
        using(case, fake, lambda adapter: perform(adapter, order))


@pytest.mark.parametrize("fault", sorted(ORDERED))
def test_a_fault_in_an_order_is_one_of_our_errors(
    case: Case, fake: Any, order_for: Any, fault: Fault
):
    skip_unless(fault in case.faults)
    fake.fault = fault
    with pytest.raises(ORDERED[fault]) as caught:
        using(case, fake, lambda adapter: perform(adapter, order_for()))
    assert fake.key not in str(caught.value) + repr(caught.value) + repr(caught.value.raw)
    if fault is Fault.RATE_LIMIT:
        assert caught.value.retry_after == fake.retry_after


@pytest.mark.parametrize("fault", sorted(ASKED))
def test_a_fault_in_a_question_is_never_unclear(case: Case, fake: Any, fault: Fault):
    skip_unless(fault in case.faults and Feature.BALANCE in case.adapter.features)
    fake.fault, fake.everywhere = fault, True
    with pytest.raises(ASKED[fault]) as caught:
        using(case, fake, lambda adapter: adapter.balance())
    assert fake.key not in str(caught.value) + repr(caught.value.raw)


@pytest.mark.parametrize(("fault", "accepted"), [(Fault.DROP_BEFORE, 0), (Fault.DROP_AFTER, 1)])
def test_a_lost_answer_is_not_asked_for_again(
    case: Case, fake: Any, order_for: Any, fault: Fault, accepted: int
):
    skip_unless(fault in case.faults)
    fake.fault = fault
    with pytest.raises(Unclear) as caught:
        using(case, fake, lambda adapter: perform(adapter, order_for()))
    assert not caught.value.retryable
    assert fake.accepted == accepted


def test_the_same_order_again_is_the_same_task(case: Case, fake: Any, order_for: Any):
    skip_unless(Feature.REPEAT in case.adapter.features)

    async def story(adapter: Adapter) -> UpstreamEvent:
        fake.fault, fake.times = Fault.DROP_AFTER, 1
        for feature in (Feature.SPEECH, Feature.ISOLATION):
            fake.times = 1
            order = order_for(feature, key=f"order-{feature}")
            with pytest.raises(Unclear):
                await adapter.submit(order)
            event = await adapter.submit(order)
        return event

    assert using(case, fake, story).upstream_id in fake.tasks
    assert fake.accepted == 2


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (Fault.NONE, UpstreamState.SUCCEEDED),
        (Fault.NEVER_ENDS, UpstreamState.RUNNING),
        (Fault.UNKNOWN_STATE, UpstreamState.UNKNOWN),
        (Fault.TASK_FAILS, UpstreamState.FAILED),
    ],
)
def test_a_task_is_where_the_provider_says(
    case: Case, fake: Any, order_for: Any, fault: Fault, state: UpstreamState
):
    skip_unless(Feature.SUBMIT in case.adapter.features)
    fake.fault = fault

    async def story(adapter: Adapter) -> UpstreamEvent:
        return await adapter.check((await adapter.submit(order_for())).upstream_id)

    event = using(case, fake, story)
    assert event.state is state
    assert event.upstream_id in fake.tasks
    assert (event.error is not None) == (state is UpstreamState.FAILED)
    assert event.raw


def test_a_task_that_nobody_knows_is_unknown(case: Case, fake: Any):
    skip_unless(Feature.SUBMIT in case.adapter.features)
    event = using(case, fake, lambda adapter: adapter.check("12345"))
    assert event.state is UpstreamState.UNKNOWN


@pytest.mark.parametrize("fault", [Fault.NEGATIVE_USAGE, Fault.ABSURD_USAGE])
def test_a_bill_that_cannot_be_is_no_bill(case: Case, fake: Any, order_for: Any, fault: Fault):
    skip_unless(fault in case.faults)
    fake.fault = fault

    async def story(adapter: Adapter) -> list[Decimal | None]:
        if Feature.SUBMIT in adapter.features:
            event = await adapter.check((await adapter.submit(order_for())).upstream_id)
            return [event.cost]
        return [chunk.cost for chunk in await perform(adapter, order_for())]

    assert not [cost for cost in using(case, fake, story) if cost is not None]


def test_the_key_goes_to_the_provider_and_not_to_the_result_link(
    case: Case, fake: Any, order_for: Any
):
    skip_unless(isinstance(fake, Upstream) and Feature.SUBMIT in case.adapter.features)
    using(case, fake, lambda adapter: perform(adapter, order_for()))
    assert all(request.headers["user-agent"].startswith("speechsite") for request in fake.seen)
    assert fake.key in str(fake.seen[0].headers.raw)
    assert fake.key not in str(fake.seen[-1].headers.raw)


class Down:
    """A host where nobody listens."""

    base_url = "https://down.test"
    key = "fake-key-0123456789"

    def transport(self) -> httpx.MockTransport:
        def refuse(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("connection refused", request=request)

        return httpx.MockTransport(refuse)


def test_a_host_that_is_down_took_nothing(case: Case, fake: Any, order_for: Any):
    skip_unless(isinstance(fake, Upstream))
    with pytest.raises(Unavailable):
        using(case, Down(), lambda adapter: perform(adapter, order_for()))


class Says(Down):
    """A host that answers everything with the same words."""

    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(lambda _: httpx.Response(self.status, json=self.body))


WORDS = st.sampled_from(["code", "data", "state", "status", "error", "id", "task_id", "success"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("200") | WORDS
BODIES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(status=st.sampled_from([200, 201, 204, 302, 400, 404, 409, 418, 500, 503]), body=BODIES)
def test_whatever_a_host_says_is_an_answer_or_one_of_our_errors(make: Any, status: int, body: Any):
    case = make()
    skip_unless(Feature.SUBMIT in case.adapter.features and issubclass(case.fake, Upstream))
    order = SpeechOrder("Hi", case.voice, case.models[Feature.SPEECH], "order-1")

    async def story(adapter: Adapter) -> None:
        for call in (
            lambda: adapter.submit(order),
            lambda: adapter.check("12345"),
            adapter.balance,
        ):
            try:
                await call()
            except ProviderError:
                continue

    using(case, Says(status, body), story)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b"null", b"[" * 100_000, b'{"a":1}'])
def test_a_callback_that_says_nothing_is_refused(case: Case, fake: Any, body: bytes):
    async def story(adapter: Adapter) -> UpstreamEvent:
        return adapter.read_webhook({}, body)

    with pytest.raises((Forged, Unsupported)):
        using(case, fake, story)
