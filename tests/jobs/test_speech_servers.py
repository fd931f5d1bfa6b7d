"""Servers of one's own: several share the work of one voice, and none of it is lost with one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from jobs import adapters, streaming
from jobs.models import Job
from jobs.placing import Origin
from jobs.states import JobState, SegmentState
from speechsite.accounts.models import User
from speechsite.credits.models import Wallet
from speechsite.upstreams import secrets
from speechsite.upstreams.models import Channel, Offer
from tests.fakes.openai import FakeOpenAI
from tests.fakes.server import serving
from tests.fakes.upstream import Fault
from tests.jobs.upstream_site import Site, hurry, settled
from voices import library, sync
from voices.models import SpeechModel, Voice

pytestmark = pytest.mark.django_db(transaction=True)
SENTENCE = "The harbour was quiet that morning, and a few gulls were about. "
FIRST, SECOND = "openai", "openai-at-2"


@pytest.fixture
def here(
    ada: User, wallet: Wallet, catalogue: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site with two servers that ask for no key, named in one variable."""
    made = Site(ada, {FIRST: FakeOpenAI(key=""), SECOND: FakeOpenAI(key="")})
    with ExitStack() as stack:
        for slug, fake in made.fakes.items():
            made.servers[slug] = stack.enter_context(ExitStack())
            made.servers[slug].enter_context(serving(fake))
        addresses = ", ".join(fake.base_url + "/v1" for fake in made.fakes.values())
        monkeypatch.setenv("OPENAI_SPEECH_BASE_URL", addresses)
        assert not [report for report in sync.sync_all() if report.error]
        yield made


def long_job(here: Site, pieces: int) -> Job:
    Offer.objects.update(max_characters=len(SENTENCE))
    return here.place(SENTENCE * pieces)


def pieces_of(job: Job) -> Counter[str]:
    return Counter(job.segments.filter(state="done").values_list("channel__slug", flat=True))


def test_each_address_is_a_channel_with_the_servers_own_models(here: Site) -> None:
    channels = Channel.objects.filter(adapter="openai")
    assert {one.slug: one.base_url for one in channels} == {
        slug: f"{fake.base_url}/v1" for slug, fake in here.fakes.items()
    }
    slugs = {"openai-tts-1", "openai-tts-1-hd", "openai-kokoro", "openai-gpt-4o-mini-tts"}
    assert {tuple(sorted(one.offers.values_list("model", flat=True))) for one in channels} == {
        tuple(sorted(slugs))
    }
    assert set(SpeechModel.objects.filter(family="openai").values_list("slug", flat=True)) == slugs
    assert Voice.objects.get(external_id="af_heart").listed_by == [FIRST, SECOND]


def test_servers_share_the_work_of_one_job(here: Site) -> None:
    for fake in here.fakes.values():
        fake.latency = 0.05
    Channel.objects.filter(adapter="openai").update(concurrency=2)
    job = long_job(here, 16)
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert set(pieces_of(job)) == {FIRST, SECOND}
    assert sum(fake.accepted for fake in here.fakes.values()) == 16


def test_killing_one_server_in_mid_run_loses_nothing(
    here: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had under way is said by the other: nobody was billed for it."""
    hurry(settings, monkeypatch)
    settings.WAITING_DEADLINE_SECONDS = 20
    Channel.objects.filter(adapter="openai").update(concurrency=2)
    for fake in here.fakes.values():
        fake.latency = 0.1
    job = long_job(here, 16)
    killed: list[int] = []

    def kill_after_three() -> bool:
        if pieces_of(job)[FIRST] >= 3 and not killed:
            here.stop(FIRST)
            killed.append(here.fakes[FIRST].accepted)
        return False

    here.work(seconds=60, until=kill_after_three)
    job = settled(job)
    assert killed
    assert job.state == JobState.SUCCEEDED
    assert not job.segments.exclude(state=SegmentState.DONE).exists()
    assert not job.segments.filter(possible_cost=True).exists()
    assert pieces_of(job)[SECOND] >= 16 - killed[0]
    assert job.charged == job.quoted


def test_a_page_in_place_of_sound_fails_the_job_and_costs_nothing(here: Site) -> None:
    here.fakes[FIRST].fault = Fault.AUDIO_HTML
    Channel.objects.filter(slug=SECOND).update(is_enabled=False)
    job = here.place()
    here.work()
    job = settled(job)
    assert job.state == JobState.FAILED
    assert job.charged == 0
    assert not job.segments.exclude(audio="").exists()


@pytest.mark.parametrize("key", ["", "key-0123456789"])
def test_damaged_sound_is_asked_for_once_more_and_may_cost_where_there_is_a_key(
    here: Site, key: str
) -> None:
    fake, channel = here.fakes[FIRST], Channel.objects.get(slug=FIRST)
    Channel.objects.filter(slug=SECOND).update(is_enabled=False)
    channel.credentials, fake.key = secrets.seal({"api_key": key} if key else {}), key
    channel.save()
    fake.fault, fake.times = Fault.AUDIO_HTML, 1
    job = here.place()
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert fake.accepted == 2
    assert job.segments.get().possible_cost == bool(key)


def test_the_times_of_words_are_estimated_and_cover_the_text(here: Site) -> None:
    job = here.place("One sentence here. And another one.")
    here.work()
    segment = settled(job).segments.get()
    assert not segment.words_are_exact
    assert segment.words
    assert segment.words[-1][3] <= segment.duration_ms + 20
    spoken = [segment.text[start:end] for start, end, *_ in segment.words]
    assert spoken[0].startswith("One")
    assert spoken[-1].rstrip(".").endswith("one")


def test_a_voice_is_spoken_where_it_is_listed_alone(here: Site) -> None:
    here.fakes[SECOND].voices = {"voices": ["af_bella"]}  # type: ignore[attr-defined]
    sync.sync(Channel.objects.get(slug=SECOND))
    assert Voice.objects.get(external_id="af_heart").listed_by == [FIRST]
    jobs = [here.place(f"Number {number}.") for number in range(6)]
    here.work()
    assert {slug for job in jobs for slug in pieces_of(settled(job))} == {FIRST}


def test_a_model_goes_only_with_voices_of_the_servers_that_have_it(here: Site) -> None:
    other = here.fakes[SECOND]
    other.voices, other.models = {"voices": ["vivian"]}, {"data": [{"id": "Qwen/Qwen3-TTS"}]}  # type: ignore[attr-defined]
    sync.sync(Channel.objects.get(slug=SECOND))
    heart = Voice.objects.get(external_id="af_heart")
    vivian = Voice.objects.get(external_id="vivian")
    qwen = SpeechModel.objects.get(slug="openai-qwen-qwen3-tts")
    assert library.models_for(vivian) == [qwen]
    assert qwen not in library.models_for(heart)
    assert library.can_speak(qwen, vivian)
    assert not library.can_speak(qwen, heart)


def test_models_that_a_server_lists_no_longer_are_not_sold_any_more(here: Site) -> None:
    for slug, fake in here.fakes.items():
        fake.models = {"data": [{"id": "kokoro"}]}  # type: ignore[attr-defined]
        sync.sync(Channel.objects.get(slug=slug))
    offers = Offer.objects.filter(channel__adapter="openai")
    assert set(offers.values_list("model", flat=True)) == {"openai-kokoro"}


@pytest.mark.parametrize("what", ["voices", "models"])
def test_a_list_that_is_refused_changes_nothing(here: Site, what: str) -> None:
    """Ten thousand voices beside good models, or models without a name: all of it or nothing."""
    fake, channel = here.fakes[FIRST], Channel.objects.get(slug=FIRST)
    fake.voices = {"voices": ["new_one"]}  # type: ignore[attr-defined]
    fake.models = {"data": [{"id": "new-tts"}]}  # type: ignore[attr-defined]
    row: list[Any] = [{"id": f"many-{number}"} for number in range(10_000)]
    setattr(fake, what, {"voices": row, "data": row})
    report = sync.sync(channel)
    channel.refresh_from_db()
    assert "10000" in report.error
    assert channel.voices_problem == "Garbled"
    assert not Voice.objects.filter(external_id__in=["new_one", "many-1"]).exists()
    assert not SpeechModel.objects.filter(slug="openai-new-tts").exists()
    assert Voice.objects.get(external_id="af_heart").is_usable
    assert channel.offers.filter(model="openai-kokoro").exists()


def test_sound_is_sent_on_while_the_server_still_speaks(here: Site) -> None:
    fake, gave_up, heard = here.fakes[FIRST], [], threading.Event()
    Channel.objects.filter(slug=SECOND).update(is_enabled=False)

    async def flow(audio: bytes) -> AsyncIterator[bytes]:
        half = len(audio) // 4 * 2
        yield audio[:half]
        end = time.monotonic() + 15
        while not heard.is_set() and time.monotonic() < end:
            await asyncio.sleep(0.01)
        gave_up.extend([] if heard.is_set() else [True])
        yield audio[half:]

    async def listen() -> int:
        size = 0
        async for piece in streaming.listen(job):
            size += len(piece.audio)
            if piece.audio:
                heard.set()
        await adapters.leave()
        return size

    fake._flow = flow  # type: ignore[attr-defined]
    job = here.place(SENTENCE * 4, origin=Origin(reserve_seconds=30))
    size = asyncio.run(listen())
    here.work()
    assert settled(job).state == JobState.SUCCEEDED
    assert not gave_up
    assert size > 100_000
