"""A library, a model and a way to place and settle jobs without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from jobs import lifecycle
from jobs.models import Job, Segment
from jobs.outcomes import Delivered
from jobs.states import SegmentState
from jobs.worker import Worker
from speechsite.accounts.models import User
from speechsite.credits import prices
from speechsite.credits.models import Wallet
from tests.fakes.tones import tone
from tests.jobs.upstream_site import Site, site
from voices import library
from voices.models import SpeechModel, Voice


@pytest.fixture(autouse=True)
def _own_media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def catalogue(db: None) -> None:
    """Channels, offers, models, prices and the built-in voices."""
    library.load()
    prices.load_default_prices()


@pytest.fixture
def model(catalogue: None) -> SpeechModel:
    return SpeechModel.objects.get(slug="builtin-speech")


@pytest.fixture
def voice(catalogue: None) -> Voice:
    return Voice.objects.get(family="builtin", external_id="en-us")


@pytest.fixture
def place(ada: User, model: SpeechModel, voice: Voice) -> Callable[..., Job]:
    """Place a job of Ada's; every argument has a default."""

    def place(text: str = "Good morning to everybody.", **changes: Any) -> Job:
        order = {"model": model, "voice": voice, "text": text, **changes}
        return lifecycle.place(order.pop("user", ada), **order)

    return place


@pytest.fixture
def open_site(
    ada: User, wallet: Wallet, catalogue: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Site]]:
    opened: list[AbstractContextManager[Site]] = []

    def open_(*names: str) -> Site:
        opened.append(site(ada, monkeypatch, *names))
        return opened[-1].__enter__()

    yield open_
    for one in opened:
        one.__exit__(None, None, None)


def claimed(segment: Segment, worker: str = "test") -> Segment:
    """The segment as a worker would hold it."""
    Segment.objects.filter(pk=segment.pk).update(state=SegmentState.SUBMITTING, worker=worker)
    segment.refresh_from_db()
    return segment


def delivered(segment: Segment, milliseconds: int = 500) -> Delivered:
    """A stored piece of sound for a segment."""
    name = default_storage.save(
        f"jobs/{segment.pk}.flac", ContentFile(tone("flac_22050", milliseconds))
    )
    words = [[0, min(4, len(segment.text)), 0, milliseconds]]
    return Delivered(name, "flac_22050", milliseconds, words=words, words_are_exact=True)


def work() -> None:
    """Run a worker until nothing is under way."""
    asyncio.run(Worker(lambda: False).run())
