"""Speech, dialogue and isolation through kie.ai's market tasks.

Every answer is an envelope `{code, msg, data}`, mostly with HTTP 200 whatever
happened: `code` decides. A submission is answered with a task id; the sound
comes later as links in a JSON text inside the JSON. There is no idempotency
key and no list of tasks, so a submission whose answer was lost stays unclear.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import PurePath
from typing import Any, ClassVar

import httpx

from speechsite.providers.errors import (
    Forged,
    Garbled,
    Moderated,
    ProviderError,
    Rejected,
    TaskFailed,
    Unavailable,
    Unclear,
    Unsupported,
)
from speechsite.providers.http import HttpAdapter, sane_cost
from speechsite.providers.kie import answers, orders
from speechsite.providers.kie.voices import VOICES
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

MEDIA_TYPES = frozenset(
    {"audio/mpeg", "audio/wav", "audio/x-wav", "audio/aac", "audio/mp4", "audio/ogg"}
)

MAX_UPLOAD = 10 * 1024 * 1024
SIGNATURE_AGE = 300  # seconds
UPLOAD_URL = "https://kieai.redpandaai.co"
UPLOAD_FOLDER = "speechsite"
MAX_BALANCE = Decimal(10**15)
FORMAT = "mp3_44100_128"


class Kie(HttpAdapter):
    """kie.ai: ElevenLabs' models as tasks that are polled or call back."""

    name = "kie"
    default_base_url = "https://api.kie.ai"
    features: ClassVar[frozenset[Feature]] = frozenset(
        {
            Feature.SUBMIT,
            Feature.SPEECH,
            Feature.DIALOGUE,
            Feature.ISOLATION,
            Feature.CONTEXT,
            Feature.CALLBACK,
            Feature.VOICES,
            Feature.BALANCE,
        }
    )
    controls: ClassVar[frozenset[str]] = frozenset({"stability", "similarity", "style", "speed"})
    takes: ClassVar[frozenset[str]] = frozenset({"language"})
    known_voices: ClassVar[tuple[VoiceInfo, ...]] = VOICES
    clock: Callable[[], float] = staticmethod(time.time)

    def error_from(self, response: httpx.Response) -> ProviderError | None:
        """The envelope's code, which counts for more than the HTTP status."""
        body = answers.json_of(response)
        code = answers.code_of(body)
        if code == 200 and response.is_success:
            return None
        if code is None or code == 200:
            return None if response.is_success else answers.gateway_error(response)
        return answers.refusal(code, answers.text_of(body.get("msg")), response, body)

    async def submit(self, order: Order) -> UpstreamEvent:
        """Create a task; an isolation's recording is uploaded first, which costs nothing."""
        body = {"model": order.model, "input": await self._input(order)}
        if order.callback_url:
            body["callBackUrl"] = order.callback_url
        response = await self.call("POST", "/api/v1/jobs/createTask", spends=True, json=body)
        answer = await self.json_of(response, spends=True)
        try:
            upstream_id = answers.task_id_of(answer)
        except Garbled as error:
            raise Unclear(error.message, vendor_code=error.vendor_code, raw=error.raw) from error
        raw = self.scrub(answer)
        return UpstreamEvent(UpstreamState.QUEUED, upstream_id=upstream_id, raw=raw)

    async def check(self, upstream_id: str) -> UpstreamEvent:
        """Ask for the record; one that is not there (yet, or any more) is unknown, not failed."""
        query = {"taskId": upstream_id}
        try:
            response = await self.call("GET", "/api/v1/jobs/recordInfo", params=query)
            answer = await self.json_of(response)
        except TaskFailed as error:
            return self._event(error.raw, upstream_id)
        except Rejected as error:
            if error.vendor_code not in ("404", "422"):
                raise
            return UpstreamEvent(UpstreamState.UNKNOWN, upstream_id=upstream_id, raw=error.raw)
        return self._event(answer, upstream_id)

    async def fetch(self, event: UpstreamEvent, order: Order) -> AsyncIterator[Chunk]:
        """The sound behind the first link; a link that fails is exchanged for a fresh one once."""
        if not event.result:
            raise Garbled("kie finished the task without a result", raw=event.raw)
        link, started = event.result[0], False
        try:
            async for piece in self.download(link):
                started = True
                yield Chunk(piece, FORMAT)
            return
        except (Garbled, Unavailable):
            if started:
                raise
        async for piece in self.download(await self._fresh_link(link)):
            yield Chunk(piece, FORMAT)

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> UpstreamEvent:
        """Read a callback. Its signature covers task id and time only, never the rest."""
        try:
            answer = json.loads(body)
            upstream_id = answers.task_id_of(answer)
        except (ValueError, RecursionError, Garbled) as error:
            raise Forged("the callback names no task") from error
        key = self.credentials.get("webhook_key", "")
        if key:
            self._verify(key, headers, upstream_id)
        return self._event(answer, upstream_id)

    async def list_voices(self) -> Sequence[VoiceInfo]:
        """The documented voices; there is nothing to ask."""
        return VOICES

    async def balance(self) -> Balance:
        """Credits left on the account."""
        answer = await self.json_of(await self.call("GET", "/api/v1/chat/credit"))
        left = answer.get("data") if isinstance(answer, dict) else None
        if isinstance(left, bool) or not isinstance(left, (int, float)):
            raise Garbled("kie did not tell the credits", raw=self.scrub({"body": answer}))
        return Balance(sane_cost(left, MAX_BALANCE), raw=self.scrub(answer))

    async def _input(self, order: Order) -> dict[str, Any]:
        if isinstance(order, SpeechOrder):
            return orders.speech_input(self, order)
        if order.model != orders.ISOLATION:
            raise Unsupported(f"kie does not clean with {order.model}")
        return {"audio_url": await self._upload(order)}

    async def _upload(self, order: CleaningOrder) -> str:
        if order.media_type not in MEDIA_TYPES:
            raise Unsupported(f"kie does not clean {order.media_type}")
        if order.path.stat().st_size > MAX_UPLOAD:
            raise Unsupported("kie cleans recordings of at most 10 MB")
        # The same name twice would overwrite, and a cache may serve the older one.
        name = secrets.token_hex(16) + PurePath(order.filename).suffix.lower()[:6]
        content = await asyncio.to_thread(order.path.read_bytes)
        host = str(self.options.get("upload_url") or UPLOAD_URL).rstrip("/")
        response = await self.call(
            "POST",
            f"{host}/api/file-stream-upload",
            files={"file": (name, content, order.media_type)},
            data={"uploadPath": UPLOAD_FOLDER, "fileName": name},
        )
        answer = await self.json_of(response)
        data = answers.data_of(answer)
        link = data.get("downloadUrl") or data.get("fileUrl")
        if not isinstance(link, str):
            raise Garbled("kie took the upload and named no link", raw=self.scrub({"body": answer}))
        return link

    async def _fresh_link(self, link: str) -> str:
        path, body = "/api/v1/common/download-url", {"url": link}
        try:
            answer = await self.json_of(await self.call("POST", path, json=body))
        except Rejected as error:
            raise Garbled("the result is gone", raw=error.raw) from error
        fresh = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(fresh, str):
            raise Garbled("the result is gone", raw=self.scrub({"body": answer}))
        return fresh

    def _verify(self, key: str, headers: Mapping[str, str], upstream_id: str) -> None:
        given = {name.lower(): value for name, value in headers.items()}
        sent_at = given.get("x-webhook-timestamp", "")
        if not re.fullmatch(r"[0-9]{1,12}", sent_at):
            raise Forged("the callback does not say when it was sent")
        if abs(self.clock() - int(sent_at)) > SIGNATURE_AGE:
            raise Forged("the callback is too old")
        expected = signature(key, upstream_id, sent_at)
        signed = given.get("x-webhook-signature", "")
        if not hmac.compare_digest(expected.encode(), signed.encode("utf-8", "replace")):
            raise Forged("the callback's signature is wrong")

    def _event(self, answer: Any, upstream_id: str) -> UpstreamEvent:
        """What a record or a callback says; a word that we do not know changes nothing."""
        data = answers.data_of(answer)
        state = answers.STATES.get(
            answers.text_of(data.get("state")).lower(), UpstreamState.UNKNOWN
        )
        if answers.code_of(answer) in (408, 501):
            state = UpstreamState.FAILED
        billed = data.get("creditsConsumed", data.get("consumeCredits"))
        return UpstreamEvent(
            state,
            upstream_id=upstream_id,
            result=answers.links_of(data) if state is UpstreamState.SUCCEEDED else (),
            cost=sane_cost(billed),
            error=self._failure(answer, data) if state is UpstreamState.FAILED else None,
            raw=self.scrub(answers.without_order(answer)),
        )

    def _failure(self, answer: Any, data: Mapping[str, Any]) -> ProviderError:
        message = (
            answers.text_of(data.get("failMsg"))
            or answers.text_of(answer.get("msg"))
            or "kie failed the task"
        )
        code = answers.text_of(data.get("failCode")) or str(answers.code_of(answer) or "")
        kind: type[ProviderError] = TaskFailed
        if answers.CONTENT_WORDS.search(message):
            kind = Moderated
        elif code in ("400", "422"):
            kind = Rejected
        return self.scrubbed(kind(message, vendor_code=code))


def signature(key: str, upstream_id: str, sent_at: str) -> str:
    """kie's callback signature: it covers nothing but the task id and the time."""
    digest = hmac.new(key.encode(), f"{upstream_id}.{sent_at}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
