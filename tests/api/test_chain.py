"""One Speechsite as the provider of another: the far one runs in processes of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, cast

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs import lifecycle, uploads
from jobs.models import Job
from jobs.states import JobState
from speechsite.accounts.models import User
from speechsite.audio import probe
from speechsite.credits import prices
from speechsite.providers.openai import OpenAI
from speechsite.providers.types import Chunk, SpeechOrder
from speechsite.upstreams import secrets
from speechsite.upstreams.models import Channel, Offer
from tests.fakes import sound
from tests.jobs.conftest import work
from tests.jobs.upstream_site import Site as Here
from tests.jobs.upstream_site import hurry, settled
from tests.running import EMAIL, Site, kill
from voices import sync
from voices.models import SpeechModel, Voice

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("chain"),
    pytest.mark.django_db(transaction=True),
]
SENTENCE = "The harbour was quiet that morning, and a few gulls were about. "
LIAM = "TX3LPaxmHKxFdv7VOQHJ"
PREFIXES = {"minimax": "/minimax"}
MODELS = {
    "elevenlabs": ("elevenlabs-multilingual-v2", "elevenlabs"),
    "kie": ("elevenlabs-multilingual-v2", "elevenlabs"),
    "minimax": ("minimax-speech-2.8-hd", "minimax"),
    "openai": ("openai-tts-1", "openai"),
    "rivya": ("elevenlabs-multilingual-v2", "elevenlabs"),
}
VOICES = {"minimax": "male-qn-qingse", "openai": "alloy"}
VARIABLES = {"openai": "OPENAI_SPEECH"}


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """A site elsewhere, and a test key of ours there."""
    with Site(tmp_path_factory.mktemp("far"), WORKERS="1") as site:
        yield site, key_of_a_test(site)


@pytest.fixture(autouse=True)
def _own_media(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def channel(
    request: pytest.FixtureRequest,
    far: tuple[Site, str],
    monkeypatch: pytest.MonkeyPatch,
    ada: User,
) -> str:
    """The far site as a channel of this one, in one of the languages."""
    name, (site, key) = request.param, far
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    prefix = VARIABLES.get(name, name.upper())
    monkeypatch.setenv(f"{prefix}_API_KEY", key)
    monkeypatch.setenv(f"{prefix}_BASE_URL", site.url + PREFIXES.get(name, ""))
    monkeypatch.setenv("KIE_UPLOAD_URL", site.url)
    prices.load_default_prices()
    errors = [report for report in sync.sync_all() if report.error]
    assert not errors, errors
    return name


@pytest.mark.parametrize("channel", MODELS, indirect=True)
def test_speech_is_made_by_the_other_site(channel: str, ada: User) -> None:
    slug, family = MODELS[channel]
    # The far site lists its own voices; with a test key it takes those that a provider is known for.
    name = VOICES.get(channel, LIAM)
    voice = Voice.objects.filter(family=family, external_id=name).first()
    voice = voice or Voice.objects.create(family=family, external_id=name, name="Liam")
    job = lifecycle.place(
        ada,
        model=SpeechModel.objects.get(slug=slug),
        voice=voice,
        text="Said by one site, spoken by another.",
    )
    work()
    job.refresh_from_db()
    assert (job.state, job.charged) == (JobState.SUCCEEDED, job.quoted)
    assert job.segments.get().channel.slug == channel
    assert length(job) > 1000


@pytest.mark.parametrize("channel", ["elevenlabs", "kie", "rivya"], indirect=True)
def test_a_recording_is_cleaned_by_the_other_site(channel: str, ada: User) -> None:
    file = SimpleUploadedFile("noisy.mp3", sound.tone(1.0))
    job = lifecycle.place_cleaning(
        ada,
        model=SpeechModel.objects.get(slug="elevenlabs-audio-isolation"),
        upload=uploads.take(ada, file),
    )
    work()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert job.segments.get().channel.slug == channel
    assert abs(length(job) - 1000) < 150


def test_speech_of_the_other_site_is_heard_while_it_is_made(far: tuple[Site, str]) -> None:
    """Its dialect sends samples as they come: the first are here while it still works."""
    site, key = far
    text = "Each sentence is followed by another one. " * 500
    order = SpeechOrder(text, "alloy", "tts-1", "order-1")

    async def states_at_the_first() -> list[Any]:
        async with (
            OpenAI(site.url + "/v1", {"api_key": key}) as adapter,
            aclosing(cast(AsyncGenerator[Chunk], adapter.speak(order))) as chunks,
        ):
            async for chunk in chunks:
                if chunk.audio:
                    return site.rows("SELECT state FROM jobs_job ORDER BY created_at DESC LIMIT 1")
        return []

    assert asyncio.run(states_at_the_first()) == [("processing",)]


@pytest.mark.parametrize("channel", ["openai"], indirect=True)
def test_killing_one_of_two_sites_in_mid_run_moves_its_work(
    channel: str,
    ada: User,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    hurry(settings, monkeypatch)
    settings.WAITING_DEADLINE_SECONDS = 60
    with Site(tmp_path_factory.mktemp("doomed"), WORKERS="1") as doomed:
        sealed = secrets.seal({"api_key": key_of_a_test(doomed)})
        Channel.objects.create(
            slug="doomed", name="Doomed", adapter="openai", base_url=doomed.url, credentials=sealed
        )
        assert not [report for report in sync.sync_all() if report.error]
        Channel.objects.filter(adapter="openai").update(concurrency=2)
        Offer.objects.filter(channel__adapter="openai").update(max_characters=len(SENTENCE))
        here = Here(ada)
        job = lifecycle.place(
            ada,
            model=SpeechModel.objects.get(slug="openai-tts-1"),
            voice=Voice.objects.get(family="openai", external_id="alloy"),
            text=SENTENCE * 16,
        )
        killed: list[int] = []

        def kill_after_two() -> bool:
            if not killed and job.segments.filter(state="done", channel__slug="doomed").count() > 1:
                for process in doomed.family():
                    kill(process)
                killed.append(1)
            return False

        here.work(seconds=120, until=kill_after_two)
    job = settled(job)
    assert killed
    assert job.state == JobState.SUCCEEDED
    assert not job.segments.exclude(state="done").exists()
    by = Counter(job.segments.values_list("channel__slug", flat=True))
    assert by["doomed"] >= 2
    assert by["openai"] > 8
    words, are_exact = job.segments.values_list("words", "words_are_exact").first() or ([], True)
    assert words
    assert not are_exact


def key_of_a_test(site: Site) -> str:
    """A test key of somebody on another site."""
    opened = site.manage("createaccount", EMAIL, "--password", "correct 9", "--plan", "pro")
    assert opened.returncode == 0, opened.stderr
    key = site.manage("createkey", EMAIL, "--test")
    assert key.returncode == 0, key.stderr
    return key.stdout.strip()


def length(job: Job) -> int:
    with default_storage.open(job.audio) as file:
        return probe.probe(file.read()).duration_ms
