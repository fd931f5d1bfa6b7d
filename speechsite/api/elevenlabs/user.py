"""The owner of a key, and what is left to spend.

Counts are characters of the default model: what is left is how many of them the
wallet still pays for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from speechsite.accounts import plans
from speechsite.api import worlds
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import ids, orders
from speechsite.api.elevenlabs.answers import by_method, serves
from speechsite.api.elevenlabs.wire import account as wire
from speechsite.credits import ledger

SCOPE = "credits:read"


def get_user(request: HttpRequest, caller: Caller) -> dict[str, Any]:
    return wire.user(_account(caller))


def get_subscription(request: HttpRequest, caller: Caller) -> dict[str, Any]:
    return wire.full_subscription(_account(caller))


def _account(caller: Caller) -> wire.Account:
    user = caller.user
    wallet = ledger.open_wallet(user)
    used = max(ledger.received(wallet) - wallet.available, wallet.held)
    if caller.is_test:
        used = 0  # what the live keys used is not this key's business, and its own is free
    per_character = orders.millicredits_per_character()
    left = wallet.available // per_character
    used_characters = -(-used // per_character)
    return wire.Account(
        user_id=ids.public(user.public_id),
        name=user.name,
        created_unix=int(user.date_joined.timestamp()),
        tier=plans.plan_of(user).slug,
        used=used_characters,
        limit=used_characters + left,
        voices=worlds.own_voices(caller).count(),
        key_preview=f"{caller.key.prefix[-4:]}…",
        resets_unix=_next_month(),
    )


def _next_month() -> int:
    """Credits do not run out by the month; clients want a date, so it is the next first."""
    first = timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int((first + timedelta(days=32)).replace(day=1).timestamp())


user = by_method(GET=serves(SCOPE)(get_user))
subscription = by_method(GET=serves(SCOPE)(get_subscription))
