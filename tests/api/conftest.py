"""Partners: Ada with a live and a test key, and a catalogue to order from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from speechsite.accounts import keys, plans
from speechsite.accounts.models import ApiKey, User
from speechsite.api.auth import Caller
from speechsite.credits import prices
from speechsite.credits.models import Wallet
from voices import library


@pytest.fixture(autouse=True)
def _own_media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def catalogue(db: None) -> None:
    library.load()
    prices.load_default_prices()


@pytest.fixture
def live(ada: User, wallet: Wallet, catalogue: None) -> tuple[Caller, str]:
    """Ada's live key, on a plan without limits, with 100 credits in her wallet."""
    plans.put_on_plan(ada, "enterprise")
    key, secret = keys.issue_key(ada, name="live")
    return Caller(ada, key), secret


@pytest.fixture
def trial(ada: User, wallet: Wallet, catalogue: None) -> tuple[Caller, str]:
    """Ada's test key."""
    plans.put_on_plan(ada, "enterprise")
    key, secret = keys.issue_key(ada, name="trial", mode=ApiKey.Mode.TEST)
    return Caller(ada, key), secret
