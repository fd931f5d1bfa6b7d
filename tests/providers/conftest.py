"""The cast of the adapter tests: a case, its fake, orders, and a recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speechsite.providers.types import CleaningOrder, Feature, Line, Order, SpeechOrder
from tests.fakes import sound
from tests.providers.cases import CASES, Case

TEXT = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(params=CASES, ids=lambda make: make.__name__)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param()


@pytest.fixture
def fake(case: Case) -> Any:
    return case.fake()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "noisy.mp3"
    path.write_bytes(sound.tone(1.0))
    return path


@pytest.fixture
def order_for(case: Case, recording: Path) -> Callable[..., Order]:
    """An order that the case's adapter takes: `order_for(Feature.SPEECH, seed=1)`."""

    def make(feature: Feature = Feature.SPEECH, **more: Any) -> Order:
        common = {"model": case.models[feature], "key": "order-1", **more}
        if feature is Feature.ISOLATION:
            return CleaningOrder(recording, "noisy.mp3", "audio/mpeg", 1000, **common)
        if feature is Feature.DIALOGUE:
            lines = (Line("Hello, Ben.", case.voice), Line("Hello, Ada.", case.voice))
            common["lines"] = lines
        text = "Hello, Ben.\nHello, Ada." if feature is Feature.DIALOGUE else TEXT
        return SpeechOrder(text=text, voice=case.voice, **common)

    return make
