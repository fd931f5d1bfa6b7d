"""Tests a channel without spending anything, and says in words how it went."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from speechsite.providers.base import Adapter
from speechsite.providers.errors import (
    AccountEmpty,
    BadCredentials,
    Garbled,
    ProviderError,
    RateLimited,
    Unavailable,
    Unsupported,
)
from speechsite.providers.types import Balance
from speechsite.upstreams import channels, secrets
from speechsite.upstreams.models import Channel

PATIENCE = 30.0  # seconds that an administrator may wait for the page
# What the administrator can do about it; the provider's own words follow.
WORDS = {
    BadCredentials: gettext_lazy("The provider refuses the key."),
    AccountEmpty: gettext_lazy("The key works, but the account there has no funds."),
    RateLimited: gettext_lazy("The provider asks us to slow down. Try again in a minute."),
    Unavailable: gettext_lazy("The provider cannot be reached."),
    Garbled: gettext_lazy("This is not how the provider answers. Is the base URL right?"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """How one test went."""

    works: bool
    words: str


def test(channel: Channel) -> Finding:
    """Ask for the balance, else for the voices: neither costs anything. Never raises."""
    try:
        return Finding(True, asyncio.run(_asked(channel)))
    except secrets.SealBroken:
        return Finding(False, _("The stored key cannot be read: SECRET_KEY has changed since."))
    except Unsupported:
        return Finding(True, _("This provider has nothing that could be asked for free."))
    except TimeoutError:
        return Finding(False, _("No answer within %(n)d seconds.") % {"n": PATIENCE})
    except ProviderError as error:
        return Finding(False, _in_words(error))


async def _asked(channel: Channel) -> str:
    async with asyncio.timeout(PATIENCE), channels.open_adapter(channel) as adapter:
        try:
            return _balance_in_words(await adapter.balance())
        except Unsupported:
            return await _voices_in_words(adapter)


def _balance_in_words(balance: Balance) -> str:
    if balance.remaining is None:
        return _("It answers. Its balance has no limit.")
    told = {"left": f"{balance.remaining:,f}", "unit": balance.unit}
    return _("It answers. Left on the account: %(left)s %(unit)s.") % told


async def _voices_in_words(adapter: Adapter) -> str:
    count = len(await adapter.list_voices())
    return ngettext(
        "It answers and lists %(n)d voice.", "It answers and lists %(n)d voices.", count
    ) % {"n": count}


def _in_words(error: ProviderError) -> str:
    known = next((words for kind, words in WORDS.items() if isinstance(error, kind)), "")
    return f"{known} {error}".strip()
