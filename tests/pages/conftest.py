"""The portal for one person: a library, jobs in every state, and plain static files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from jobs import lifecycle
from jobs.models import Job, Segment
from jobs.outcomes import Delivered
from jobs.states import SegmentState
from speechsite.accounts.models import User
from speechsite.credits import prices
from voices import library
from voices.models import SpeechModel, Voice

TEXT = "Good morning to everybody. The second sentence follows."


@pytest.fixture(autouse=True)
def _plain_files(settings: Any, tmp_path: Path) -> None:
    """No manifest is needed for the stylesheets, and media goes to a folder of its own."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def catalogue(db: None) -> None:
    library.load()
    prices.load_default_prices()


@pytest.fixture
def model(catalogue: None) -> SpeechModel:
    return SpeechModel.objects.get(slug="builtin-speech")


@pytest.fixture
def voice(catalogue: None) -> Voice:
    return Voice.objects.get(family="builtin", external_id="en-us")


@pytest.fixture
def page(ada: User, catalogue: None) -> Client:
    """Ada's browser."""
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def eves_page(eve: User, catalogue: None) -> Client:
    """A stranger's browser."""
    client = Client()
    client.force_login(eve)
    return client


@pytest.fixture
def place(ada: User, model: SpeechModel, voice: Voice) -> Callable[..., Job]:
    """Place a job of Ada's; every argument has a default."""

    def place(text: str = TEXT, **changes: Any) -> Job:
        order = {"model": model, "voice": voice, "text": text, **changes}
        return lifecycle.place(order.pop("user", ada), **order)

    return place


@pytest.fixture
def finished(place: Callable[..., Job]) -> Callable[..., Job]:
    """Place a job and let it be spoken and joined."""

    def finished(text: str = TEXT, **changes: Any) -> Job:
        job = place(text, **changes)
        lifecycle.start([job.pk])
        for segment in job.segments.all():
            speak(segment)
        audio = default_storage.save(f"jobs/{job.pk}.mp3", ContentFile(b"sound"))
        length = 1000 * job.segment_count
        lifecycle.finish(job, audio=audio, size=5, duration_ms=length, peaks=[3, 200, 90])
        job.refresh_from_db()
        return job

    return finished


def speak(segment: Segment) -> None:
    """Deliver one second of sound for a segment, as a worker would."""
    Segment.objects.filter(pk=segment.pk).update(state=SegmentState.SUBMITTING, worker="test")
    segment.refresh_from_db()
    name = default_storage.save(f"segments/{segment.pk}.flac", ContentFile(b"sound"))
    words = [[0, 4, 0, 300], [5, 12, 300, 1000]]
    assert lifecycle.record(
        segment, Delivered(name, "flac_22050", 1000, words=words, words_are_exact=True)
    )
