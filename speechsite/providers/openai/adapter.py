"""Speech through `POST /v1/audio/speech`, at OpenAI or at a server of one's own.

There is no history to look into and no key against doing it twice. A server that asks for no
key sends no bill either: what it lost on the way may be said again, there or by another one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx

from speechsite.core import answers
from speechsite.providers.errors import Garbled, ProviderError, Rejected, Unsupported
from speechsite.providers.http import HttpAdapter
from speechsite.providers.openai import known, lists, refusals, sound, wire
from speechsite.providers.types import Chunk, Feature, ModelInfo, SpeechOrder, VoiceInfo

LONGEST_LIST = 4 * 1024 * 1024  # bytes
LIST_SECONDS = 20.0


class OpenAI(HttpAdapter):
    """A speech server. Its address may be given with or without the `/v1` at its end.

    Options, each a text: `voices` and `models` (names, by commas) where the server lists none,
    `language` of voices that do not tell theirs, `format` to ask for.
    """

    name = "openai"
    default_base_url = "https://api.openai.com"
    features: ClassVar[frozenset[Feature]] = frozenset(
        {Feature.SPEAK, Feature.SPEECH, Feature.VOICES, Feature.MODELS}
    )
    controls: ClassVar[frozenset[str]] = frozenset({"speed"})
    formats: ClassVar[frozenset[str] | None] = frozenset({f"pcm_{wire.RATE}"})

    def __init__(
        self,
        base_url: str = "",
        credentials: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        downloads: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(base_url, credentials, options, transport, downloads)
        self.base_url = self.base_url.removesuffix("/v1")

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI itself."""
        return urlsplit(self.base_url).hostname == urlsplit(self.default_base_url).hostname

    @property
    def bills(self) -> bool:
        """A server that asks for no key knows nobody to send a bill to."""
        return bool(self.credentials.get("api_key"))

    def auth_headers(self) -> dict[str, str]:
        return super().auth_headers() if self.bills else {}

    def error_from(self, response: httpx.Response) -> ProviderError | None:
        return refusals.error_from(response)

    async def speak(self, order: SpeechOrder) -> AsyncIterator[Chunk]:
        """Speak, handing out what comes as it comes."""
        self.check_settings(order.settings)
        speed = self.number(order, "speed", 1.0, wire.SPEEDS)
        kind = str(self.options.get("format") or wire.FORMATS[0])
        if kind not in wire.FORMATS:
            raise Unsupported(f"a speech server is asked for {', '.join(wire.FORMATS)}, not {kind}")
        body = wire.body(order, speed=speed, kind=kind, is_openai=self.is_openai)
        try:
            async with self.stream(
                "POST", wire.PATH, spends=self.bills, json=body, largest=sound.largest(order.text)
            ) as response:
                async for chunk in sound.read(response, kind):
                    yield chunk
        except ProviderError as error:
            if isinstance(error.__cause__, answers.TooLarge):
                raise Garbled("the sound is longer than any reading of the text") from error
            raise self.scrubbed(error) from error.__cause__

    async def list_voices(self) -> Sequence[VoiceInfo]:
        """What the server lists; else those of the setting; else OpenAI's own."""
        listed = None if self.is_openai else await self._list("/v1/audio/voices")
        language = str(self.options.get("language") or "")
        if listed is not None:
            return lists.voices(listed, language)
        named = lists.names(self.options.get("voices"))
        # Nothing was asked yet that could tell a wrong key or address.
        await self.list_models()
        return lists.voices(named, language) if named else known.VOICES

    async def list_models(self) -> Sequence[ModelInfo]:
        """Those of the setting, else the ones of the server's list that speak."""
        listed = await self._list("/v1/models")
        if named := lists.names(self.options.get("models")):
            return self._costed(lists.models(named))
        if listed is None:
            raise Garbled("the server lists no models: name them in the setting")
        return self._costed(lists.speaking(listed))

    def _costed(self, models: Sequence[ModelInfo]) -> Sequence[ModelInfo]:
        return known.with_costs(models) if self.is_openai else models

    async def _list(self, path: str) -> Any:
        """One of its lists; None where the server has no such list."""
        try:
            async with self.stream(
                "GET", path, largest=LONGEST_LIST, seconds=LIST_SECONDS
            ) as response:
                await response.aread()
        except Rejected as error:
            if error.status in refusals.ELSEWHERE:
                return None
            raise
        return await self.json_of(response)
