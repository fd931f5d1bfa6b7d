"""The adapters that somebody keeps open: one for each channel, as the channel is now."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from speechsite.providers.base import Adapter
from speechsite.providers.errors import BadCredentials, Unavailable
from speechsite.upstreams import channels, secrets
from speechsite.upstreams.models import Channel


class Adapters:
    """Opened when first needed, and closed together."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[str, Adapter]] = {}
        # Of channels that have changed. Something may still be said through them.
        self._former: list[Adapter] = []

    def of(self, channel: Channel | None) -> Adapter:
        """The adapter of a channel; a changed row gets a fresh one."""
        if channel is None:
            raise Unavailable("the channel was removed")
        settings = f"{channel.base_url}|{channel.credentials}|{channel.options}"
        known = self._open.get(channel.pk)
        if known is not None and known[0] == settings:
            return known[1]
        try:
            adapter = channels.open_adapter(channel)
        except secrets.SealBroken as error:
            raise BadCredentials(str(error)) from error
        if known is not None:
            self._former.append(known[1])
        self._open[channel.pk] = (settings, adapter)
        return adapter

    def known(self, channel: Channel | None) -> Adapter | None:
        """The adapter that was last used for a channel, if there is one."""
        found = self._open.get(channel.pk) if channel is not None else None
        return found[1] if found is not None else None

    async def aclose(self) -> None:
        """Close all; what is asked for afterwards is opened anew."""
        opened = [*self._former, *(adapter for _, adapter in self._open.values())]
        self._former.clear()
        self._open.clear()
        for adapter in opened:
            await adapter.aclose()


_here: WeakKeyDictionary[asyncio.AbstractEventLoop, Adapters] = WeakKeyDictionary()


def here() -> Adapters:
    """Those of the running loop; their connections cannot outlive it."""
    return _here.setdefault(asyncio.get_running_loop(), Adapters())


async def leave() -> None:
    """Close those of the running loop, which is about to end."""
    kept = _here.pop(asyncio.get_running_loop(), None)
    if kept is not None:
        await kept.aclose()
