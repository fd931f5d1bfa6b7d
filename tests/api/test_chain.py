"""One Speechsite as the provider of another: the far one runs in processes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs import lifecycle, uploads
from jobs.models import Job
from jobs.states import JobState
from speechsite.accounts.models import User
from speechsite.audio import probe
from speechsite.credits import prices
from tests.fakes import sound
from tests.jobs.conftest import work
from tests.running import EMAIL, Site
from voices import sync
from voices.models import SpeechModel, Voice

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("chain"),
    pytest.mark.django_db(transaction=True),
]
LIAM = "TX3LPaxmHKxFdv7VOQHJ"
PREFIXES = {"minimax": "/minimax"}
MODELS = {
    "elevenlabs": ("elevenlabs-multilingual-v2", "elevenlabs"),
    "kie": ("elevenlabs-multilingual-v2", "elevenlabs"),
    "minimax": ("minimax-speech-2.8-hd", "minimax"),
    "rivya": ("elevenlabs-multilingual-v2", "elevenlabs"),
}


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """A site elsewhere, and a test key of ours there."""
    with Site(tmp_path_factory.mktemp("far"), WORKERS="1") as site:
        opened = site.manage("createaccount", EMAIL, "--password", "correct 9", "--plan", "pro")
        assert opened.returncode == 0, opened.stderr
        key = site.manage("createkey", EMAIL, "--test")
        assert key.returncode == 0, key.stderr
        yield site, key.stdout.strip()


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
    """The far site as a channel of this one, in one of the four languages."""
    name, (site, key) = request.param, far
    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    monkeypatch.setenv(f"{name.upper()}_API_KEY", key)
    monkeypatch.setenv(f"{name.upper()}_BASE_URL", site.url + PREFIXES.get(name, ""))
    monkeypatch.setenv("KIE_UPLOAD_URL", site.url)
    prices.load_default_prices()
    errors = [report for report in sync.sync_all() if report.error]
    assert not errors, errors
    return name


@pytest.mark.parametrize("channel", MODELS, indirect=True)
def test_speech_is_made_by_the_other_site(channel: str, ada: User) -> None:
    slug, family = MODELS[channel]
    # The far site lists its own voices; with a test key it takes those that a provider is known for.
    name = "male-qn-qingse" if family == "minimax" else LIAM
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


def length(job: Job) -> int:
    with default_storage.open(job.audio) as file:
        return probe.probe(file.read()).duration_ms
