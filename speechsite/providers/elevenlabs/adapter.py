"""The ElevenLabs adapter: what it calls, and what it makes of the answers.

Words and shapes live beside it: orders in `wire`, refusals in `refusals`,
character times in `times`, voices in `voices`, lost orders in `history`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from speechsite.providers.elevenlabs import history, known, refusals, sound, voices, wire
from speechsite.providers.elevenlabs.times import WordTimer
from speechsite.providers.errors import Garbled, ProviderError, Rejected, Unclear, Unsupported
from speechsite.providers.http import HttpAdapter, sane_cost
from speechsite.providers.types import (
    Balance,
    Chunk,
    CleaningOrder,
    Feature,
    Order,
    Sample,
    SpeechOrder,
    UpstreamEvent,
    VoiceInfo,
)

CLEANED_FORMAT = "mp3_44100_128"
MOST_PAGES = 100
HISTORY_PAGES = 10


class ElevenLabs(HttpAdapter):
    """Speech and isolation in the same call; nothing to poll, nothing calls back.

    An order cannot be repeated safely, so a lost answer is looked up in the
    history. `concurrency` holds (current, maximum) as last heard.
    """

    name = "elevenlabs"
    default_base_url = "https://api.elevenlabs.io"
    controls = frozenset(wire.SETTINGS)
    formats = wire.FORMATS
    takes = frozenset({"language", "seed"})
    known_voices = known.VOICES
    features = frozenset(
        {
            Feature.SPEAK,
            Feature.SPEECH,
            Feature.DIALOGUE,
            Feature.ISOLATION,
            Feature.WORD_TIMES,
            Feature.CONTEXT,
            Feature.FIND,
            Feature.VOICES,
            Feature.CLONE,
            Feature.DELETE_VOICE,
            Feature.BALANCE,
        }
    )

    def auth_headers(self) -> dict[str, str]:
        return {"xi-api-key": self.credentials.get("api_key", "")}

    def error_from(self, response: httpx.Response) -> ProviderError | None:
        return refusals.error_from(response)

    async def speak(self, order: SpeechOrder) -> AsyncIterator[Chunk]:
        """Speak one voice, or a dialogue when the order has lines."""
        self.check_settings(order.settings)
        request = wire.dialogue(order) if order.lines else wire.speech(order)
        async with self.stream(
            "POST", request.path, spends=True, params=request.query, json=request.body
        ) as response:
            if order.with_times:
                timer = WordTimer(request.script)
                chunks = sound.timed(response, order.output_format, timer)
            else:
                chunks = sound.plain(response, order.output_format)
            async for chunk in self._billed(chunks, response):
                yield chunk

    async def clean(self, order: CleaningOrder) -> AsyncIterator[Chunk]:
        """Isolate the voice in a recording, which is read from disk while it is sent."""
        with order.path.open("rb") as recording:
            upload = {"audio": (order.filename, recording, order.media_type)}
            async with self.stream(
                "POST", "/v1/audio-isolation/stream", spends=True, files=upload
            ) as response:
                chunks = sound.plain(response, CLEANED_FORMAT)
                async for chunk in self._billed(chunks, response):
                    yield chunk

    async def find(
        self, order: Order, since: datetime, known: Collection[str] = ()
    ) -> UpstreamEvent | None:
        """Look in the history for what this order left there."""
        if isinstance(order, CleaningOrder):
            raise Unsupported("the history of isolations does not tell one recording from another")
        query: dict[str, Any] = {"page_size": 100, "date_after_unix": int(since.timestamp())}
        if not order.lines:
            query["voice_id"] = order.voice
        found: Mapping[str, Any] | None = None
        for _ in range(HISTORY_PAGES):
            page = await self._get("/v1/history", query)
            found = history.match(page.get("history") or (), order, known) or found
            query["start_after_history_item_id"] = page.get("last_history_item_id")
            if not page.get("has_more") or not query["start_after_history_item_id"]:
                break
        return history.event(self.scrub(found)) if found else None

    async def fetch(self, event: UpstreamEvent, order: Order) -> AsyncIterator[Chunk]:
        """Download what `find()` found, with the times that the history keeps."""
        if not event.result or not isinstance(order, SpeechOrder):
            raise Garbled("there is no history item to fetch", raw=event.raw)
        path = f"/v1/history/{wire.path_part(event.result[0])}/audio"
        asked = str(event.raw.get("output_format") or order.output_format)
        words = history.words(event.raw, order)
        try:
            async with self.stream("GET", path) as response:
                kept_as = _kept_format(response, asked)
                async for chunk in sound.plain(response, kept_as):
                    yield replace(chunk, words=words)
                    words = ()
        except Rejected as error:
            raise Garbled("the result is gone", status=error.status, raw=error.raw) from error

    async def list_voices(self) -> Sequence[VoiceInfo]:
        listed: list[VoiceInfo] = []
        query: dict[str, Any] = {"page_size": 100}
        for _ in range(MOST_PAGES):
            page = await self._get("/v2/voices", query)
            listed += [
                voices.read(voice)
                for voice in page.get("voices") or ()
                if isinstance(voice, Mapping) and voice.get("voice_id")
            ]
            query["next_page_token"] = page.get("next_page_token")
            if not page.get("has_more") or not query["next_page_token"]:
                break
        return listed

    async def clone(
        self, name: str, samples: Sequence[Sample], labels: Mapping[str, str]
    ) -> VoiceInfo:
        response = await self.call(
            "POST",
            "/v1/voices/add",
            spends=True,
            data={"name": name, "labels": json.dumps(dict(labels))},
            files=[
                ("files", (sample.filename, sample.audio, sample.media_type)) for sample in samples
            ],
        )
        made = await self.json_of(response, spends=True)
        if not isinstance(made, Mapping) or not made.get("voice_id"):
            raise Unclear("the new voice came without an id", raw={"body": made})
        return voices.read({"name": name, "category": "cloned", "labels": labels, **made})

    async def delete_voice(self, voice: str) -> None:
        await self.call("DELETE", f"/v1/voices/{wire.path_part(voice)}")

    async def balance(self) -> Balance:
        """Credits left in this period, before any overage that the plan may allow."""
        plan = await self._get("/v1/user/subscription", {})
        used, limit = plan.get("character_count"), plan.get("character_limit")
        if not isinstance(used, int) or not isinstance(limit, int):
            raise Garbled("the subscription does not say what is left", raw=self.scrub(plan))
        return Balance(Decimal(limit - used), raw=self.scrub(plan))

    async def _get(self, path: str, query: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await self.json_of(await self.call("GET", path, params=query))
        if not isinstance(answer, Mapping):
            raise Garbled(f"{path} did not answer with an object")
        return answer

    async def _billed(
        self, chunks: AsyncIterator[Chunk], response: httpx.Response
    ) -> AsyncIterator[Chunk]:
        """The chunks as they come; the first one carries what was billed and the item's id."""
        cost = sane_cost(response.headers.get("character-cost"))
        item = response.headers.get("history-item-id", "")
        try:
            async for chunk in chunks:
                yield replace(chunk, cost=cost, upstream_id=item)
                cost, item = None, ""
        except ProviderError as error:
            raise self.scrubbed(error) from error.__cause__

    def notice(self, response: httpx.Response) -> None:
        current, maximum = (
            response.headers.get(f"{which}-concurrent-requests", "")
            for which in ("current", "maximum")
        )
        if current.isdecimal() and maximum.isdecimal() and len(current + maximum) < 16:
            self.concurrency = (int(current), int(maximum))


def _kept_format(response: httpx.Response, asked: str) -> str:
    """The history keeps MP3 unless it says otherwise."""
    is_mp3 = response.headers.get("content-type", "").startswith("audio/mpeg")
    return CLEANED_FORMAT if is_mp3 and not asked.startswith("mp3_") else asked
