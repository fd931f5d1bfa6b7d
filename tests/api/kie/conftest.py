"""Partners who speak kie.ai's language."""

from __future__ import annotations

import pytest

from speechsite.api.auth import Caller
from speechsite.upstreams import catalogue
from speechsite.upstreams.models import Channel
from tests.api.kie.talk import Partner


@pytest.fixture
def partner(live: tuple[Caller, str]) -> Partner:
    """With a live key, on a site that sells what kie.ai sells; nothing is ever sent there."""
    catalogue.load_offers(Channel.objects.create(slug="kie", name="kie", adapter="kie"))
    return Partner(live[1])


@pytest.fixture
def tester(trial: tuple[Caller, str]) -> Partner:
    """With a test key."""
    return Partner(trial[1])
