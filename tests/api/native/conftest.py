"""Partners of the native API: Ada with a live and a test key, Eve beside her."""

from __future__ import annotations

import pytest

from speechsite.accounts import keys, plans
from speechsite.accounts.models import User
from speechsite.api.auth import Caller
from tests.api.native.talk import Partner

Given = tuple[Caller, str]


@pytest.fixture
def partner(live: Given) -> Partner:
    """Ada's live key."""
    return Partner(live[1])


@pytest.fixture
def tester(trial: Given) -> Partner:
    """Ada's test key."""
    return Partner(trial[1])


@pytest.fixture
def stranger(eve: User, catalogue: None) -> Partner:
    """Eve, with a live key of her own."""
    plans.put_on_plan(eve, "enterprise")
    return Partner(keys.issue_key(eve)[1])
