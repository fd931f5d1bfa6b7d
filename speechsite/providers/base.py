"""The promise every adapter makes, and the refusals it inherits.

An adapter never sleeps, never retries and never touches a database. What it
does not override refuses aloud with `Unsupported`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NoReturn, Self

import httpx

from speechsite.providers.errors import Unsupported
from speechsite.providers.types import (
    Balance,
    Chunk,
    CleaningOrder,
    Feature,
    ModelInfo,
    Order,
    Sample,
    SpeechOrder,
    UpstreamEvent,
    VoiceInfo,
)


class Adapter:
    """One configured account at one provider.

    `transport` carries the API calls and is injected by tests; `downloads`
    carries result links, whose addresses come from outside. Use an adapter as
    an async context manager, or call `aclose()`.
    """

    name: ClassVar[str]
    features: ClassVar[frozenset[Feature]] = frozenset()
    controls: ClassVar[frozenset[str]] = frozenset()
    # Output formats by our names; None where any name is taken and the nearest is sent.
    formats: ClassVar[frozenset[str] | None] = None
    # Of what an order may ask beside its settings, what this provider can be told; an order
    # for it carries nothing else. Neighbouring text is `Feature.CONTEXT`.
    takes: ClassVar[frozenset[str]] = frozenset()
    # Voices that can be ordered before the account has been asked for its own.
    known_voices: ClassVar[tuple[VoiceInfo, ...]] = ()

    def __init__(
        self,
        base_url: str = "",
        credentials: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        downloads: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.credentials = dict(credentials or {})
        self.options = dict(options or {})
        self.transport = transport
        self.downloads = downloads
        # (calls under way, calls allowed) as the provider last said; None where it does not.
        self.concurrency: tuple[int, int] | None = None

    @property
    def bills(self) -> bool:
        """Whether a call may cost the operator something, also one whose sound cannot be used."""
        return True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of connections and child processes."""

    def speak(self, order: SpeechOrder) -> AsyncIterator[Chunk]:
        """Speak, handing out audio as it arrives. Closing the iterator cancels."""
        self._refuse("speak")

    def clean(self, order: CleaningOrder) -> AsyncIterator[Chunk]:
        """Remove noise, handing out audio as it arrives."""
        self._refuse("clean")

    async def submit(self, order: Order) -> UpstreamEvent:
        """Hand over an order; the event carries the provider's task id.

        Raises `Unclear` when the order went out and no answer came back.
        """
        self._refuse("submit")

    async def check(self, upstream_id: str) -> UpstreamEvent:
        """Ask how a task stands."""
        self._refuse("check")

    def fetch(self, event: UpstreamEvent, order: Order) -> AsyncIterator[Chunk]:
        """Download the result of a succeeded task."""
        self._refuse("fetch")

    async def find(
        self, order: Order, since: datetime, known: Collection[str] = ()
    ) -> UpstreamEvent | None:
        """Look up an order whose answer was lost; None means that it is not there.

        Items named in `known` belong to other orders and are passed over.
        """
        self._refuse("find")

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> UpstreamEvent:
        """Read a callback. Raises `Forged` when its signature is wrong.

        The event is a hint: the caller asks the provider before it believes it.
        """
        self._refuse("read_webhook")

    async def list_voices(self) -> Sequence[VoiceInfo]:
        """All voices that this account can use."""
        self._refuse("list_voices")

    async def list_models(self) -> Sequence[ModelInfo]:
        """The models that speak here, where only the provider knows them."""
        self._refuse("list_models")

    async def clone(
        self, name: str, samples: Sequence[Sample], labels: Mapping[str, str]
    ) -> VoiceInfo:
        """Make a voice from reference recordings."""
        self._refuse("clone")

    async def delete_voice(self, voice: str) -> None:
        """Delete a cloned voice at the provider."""
        self._refuse("delete_voice")

    async def balance(self) -> Balance:
        """What is left on the operator's account; also the test that spends nothing."""
        self._refuse("balance")

    def _refuse(self, what: str) -> NoReturn:
        raise Unsupported(f"{self.name} does not offer {what}")
