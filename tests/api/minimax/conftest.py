"""Partners who speak MiniMax's language."""

from __future__ import annotations

import pytest

from speechsite.api.auth import Caller
from tests.api.minimax.talk import Partner


@pytest.fixture
def partner(live: tuple[Caller, str]) -> Partner:
    """With a live key."""
    return Partner(live[1])


@pytest.fixture
def tester(trial: tuple[Caller, str]) -> Partner:
    """With a test key."""
    return Partner(trial[1])
