"""Speech, dialogue and isolation through Rivya's Public API v1.

A generation is created under our own `Idempotency-Key`, so a create whose
answer was lost may be sent again: the first task comes back. Results are
polled for. Its webhooks are signed by a recipe that is not public, so a
webhook is only a nudge to ask.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from speechsite.providers.errors import (
    Forged,
    Garbled,
    ProviderError,
    Rejected,
    Unclear,
    Unsupported,
)
from speechsite.providers.http import HttpAdapter, sane_cost
from speechsite.providers.rivya import answers, orders
from speechsite.providers.types import (
    Balance,
    Chunk,
    CleaningOrder,
    Feature,
    Order,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
    VoiceInfo,
)

VOICES = (
    VoiceInfo(id="TX3LPaxmHKxFdv7VOQHJ", name="Liam"),
    VoiceInfo(id="cgSgspJ2msm6clMCkdW9", name="Jessica"),
    VoiceInfo(id="pNInz6obpgDQGcFmaJgB", name="Adam"),
    VoiceInfo(id="BIvP0GN1cAtSRTxNHnWS", name="Ellen"),
    VoiceInfo(id="aMSt68OGf4xUZAnLpTU8", name="Juniper"),
)
MEDIA_TYPES = frozenset(
    {"audio/mpeg", "audio/mp4", "audio/wav", "audio/x-wav", "audio/aac", "audio/ogg"}
)
MAX_UPLOAD = 10 * 1024 * 1024
UPLOADS_KEPT = 512
MAX_BALANCE = Decimal(10**15)
FORMAT = "mp3_44100_128"


class Rivya(HttpAdapter):
    """Rivya: ElevenLabs' models as generations that may be repeated safely."""

    name = "rivya"
    default_base_url = "https://rivya.ai"
    features: ClassVar[frozenset[Feature]] = frozenset(
        {
            Feature.SUBMIT,
            Feature.SPEECH,
            Feature.DIALOGUE,
            Feature.ISOLATION,
            Feature.CONTEXT,
            Feature.REPEAT,
            Feature.VOICES,
            Feature.BALANCE,
        }
    )
    controls: ClassVar[frozenset[str]] = frozenset({"stability", "similarity", "style", "speed"})
    takes: ClassVar[frozenset[str]] = frozenset({"language"})
    known_voices: ClassVar[tuple[VoiceInfo, ...]] = VOICES

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        # A repeated create must say the same, so an upload is kept under its order's key.
        self._uploads: dict[str, dict[str, Any]] = {}

    def error_from(self, response: httpx.Response) -> ProviderError | None:
        return None if response.is_success else answers.refusal(response)

    async def submit(self, order: Order) -> UpstreamEvent:
        """Create a generation. The same order with the same key gives the first task again."""
        body = {
            "model": order.model,
            "client_request_id": order.key[:128],
            **await self._fields(order),
        }
        response = await self.call(
            "POST",
            "/api/v1/generations",
            spends=True,
            json=body,
            headers={"Idempotency-Key": order.key},
        )
        answer = await self.json_of(response, spends=True)
        if not answers.task_id_of(answer):
            raise Unclear("rivya named no task", raw=self.scrub({"body": answer}))
        return self._event(answer)

    async def check(self, upstream_id: str) -> UpstreamEvent:
        """Ask for the generation; one that is not there is unknown, not failed."""
        try:
            response = await self.call("GET", f"/api/v1/generations/{quote(upstream_id, safe='')}")
        except Rejected as error:
            if error.status != 404:
                raise
            return UpstreamEvent(UpstreamState.UNKNOWN, upstream_id=upstream_id, raw=error.raw)
        answer = await self.json_of(response)
        if answers.task_id_of(answer) != upstream_id:
            raise Garbled("rivya answered for another task", raw=self.scrub({"body": answer}))
        return self._event(answer)

    async def fetch(self, event: UpstreamEvent, order: Order) -> AsyncIterator[Chunk]:
        """The sound behind the main link; nobody says how long it lives, so fetch at once."""
        if not event.result:
            raise Garbled("rivya finished the task without a result", raw=event.raw)
        async for piece in self.download(event.result[0]):
            yield Chunk(piece, FORMAT)

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> UpstreamEvent:
        """Read only which task is meant: the signature cannot be checked."""
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Forged("the webhook is not JSON") from error
        for place in answers.PLACES_OF_TASK:
            upstream_id = answers.task_id_of(answers.part_of(answer, place))
            if upstream_id:
                raw = self.scrub(answer)
                return UpstreamEvent(UpstreamState.UNKNOWN, upstream_id=upstream_id, raw=raw)
        raise Forged("the webhook names no task")

    async def list_voices(self) -> Sequence[VoiceInfo]:
        """The voices that the speech models offer now; the documented ones where none are told."""
        known = {voice.id: voice for voice in VOICES}
        offered: dict[str, VoiceInfo] = {}
        for model in await self.models():
            if model.get("id") in (orders.TURBO, orders.MULTILINGUAL):
                for voice in answers.voices_of(model):
                    offered[voice] = known.get(voice) or VoiceInfo(id=voice, name=voice)
        return tuple(offered.values()) or VOICES

    async def models(self) -> list[dict[str, Any]]:
        """The models as Rivya lists them; the catalogue finds new ones here."""
        answer = await self.json_of(await self.call("GET", "/api/v1/models"))
        listed = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise Garbled("rivya listed no models", raw=self.scrub({"body": answer}))
        return [model for model in listed if isinstance(model, dict)]

    async def balance(self) -> Balance:
        """Credits left on the account."""
        answer = await self.json_of(await self.call("GET", "/api/v1/credits"))
        left = answer.get("current_credits") if isinstance(answer, dict) else None
        if isinstance(left, bool) or not isinstance(left, (int, float)):
            raise Garbled("rivya did not tell the credits", raw=self.scrub({"body": answer}))
        return Balance(sane_cost(left, MAX_BALANCE), raw=self.scrub(answer))

    async def _fields(self, order: Order) -> dict[str, Any]:
        if isinstance(order, SpeechOrder):
            return orders.speech_fields(self, order)
        if order.key not in self._uploads:
            while len(self._uploads) >= UPLOADS_KEPT:
                del self._uploads[next(iter(self._uploads))]
            self._uploads[order.key] = await self._upload(order)
        return {"params": {"referenceMediaItems": [self._uploads[order.key]]}}

    async def _upload(self, order: CleaningOrder) -> dict[str, Any]:
        """Send the recording; the answer is what a generation wants to hear about it."""
        if order.media_type not in MEDIA_TYPES:
            raise Unsupported(f"rivya does not clean {order.media_type}")
        if order.path.stat().st_size > MAX_UPLOAD:
            raise Unsupported("rivya cleans recordings of at most 10 MB")
        content = await asyncio.to_thread(order.path.read_bytes)
        response = await self.call(
            "POST",
            "/api/v1/files",
            files={"file": (order.filename, content, order.media_type)},
            data={"kind": "audio", "model": order.model, "client_request_id": order.key[:128]},
        )
        answer = await self.json_of(response)
        # The page with the exact form is not public: look inside a wrapper as well.
        file = answers.part_of(answer, "data") or answers.part_of(answer, "file") or answer
        link = file.get("url") if isinstance(file, dict) else None
        if not isinstance(link, str):
            raise Garbled("rivya took the file and named no link", raw=self.scrub({"body": answer}))
        token = file.get("duration_token") or file.get("durationToken")
        item = {
            "url": link,
            "kind": "audio",
            "name": order.filename,
            "mimeType": order.media_type,
            "durationSeconds": round(order.duration_ms / 1000, 3),
        }
        return item | ({"durationToken": token} if token else {})

    def _event(self, answer: Any) -> UpstreamEvent:
        event = answers.event_of(answer, self.scrub(answer))
        if event.error is not None:
            self.scrubbed(event.error)
        return event
