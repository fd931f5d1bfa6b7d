"""Samples: in the voice's own language, made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.files.storage import default_storage

from speechsite.audio import probe
from speechsite.providers.builtin.espeak.voices import VOICES
from tests.fakes.server import serving
from tests.fakes.tones import tone
from tests.fakes.upstream import Upstream
from voices import library, samples
from voices.greetings import COUNTING, GREETINGS, greeting
from voices.models import Voice


@pytest.fixture(autouse=True)
def _own_media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["en-us", "zh-cn", "ja", "cy"])
def test_a_built_in_voice_greets(name: str) -> None:
    library.load()
    voice = Voice.objects.get(external_id=name)
    stored = samples.preview_for(voice)
    with default_storage.open(stored) as file:
        assert 800 < probe.probe(file.read()).duration_ms < 12_000
    assert samples.preview_for(voice) == stored


@pytest.mark.django_db
def test_a_sample_that_cannot_be_had_is_no_error() -> None:
    voice = Voice.objects.create(
        family="kie", external_id="x", name="X", preview_url="http://127.0.0.1:9/x.mp3"
    )
    assert samples.has_preview(voice)
    assert samples.preview_for(voice) == ""


@pytest.mark.django_db
def test_a_providers_sample_is_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shelf(Upstream):
        async def answer(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=tone("mp3_44100_128", 900))

    monkeypatch.setenv("ALLOW_PRIVATE_NETWORKS", "1")
    shelf = Shelf()
    with serving(shelf) as url:
        voice = Voice.objects.create(
            family="elevenlabs", external_id="y", name="Y", preview_url=f"{url}/y.mp3"
        )
        assert samples.preview_for(voice) == samples.preview_for(voice) != ""
    assert shelf.requests == 1


def test_every_language_has_something_to_say() -> None:
    for voice in VOICES:
        assert greeting(voice.languages[0])
    assert greeting("xx") == COUNTING
    assert greeting("pt-BR") == GREETINGS["pt"]
