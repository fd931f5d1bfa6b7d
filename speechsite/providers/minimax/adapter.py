"""The MiniMax adapter: tasks for long texts, a stream for the interactive path.

Words and shapes live beside it: orders in `wire`, codes in `refusals`, results
in `archive`, sentence times in `titles`, the event stream in `stream`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from speechsite.core import safehttp
from speechsite.providers.errors import (
    Garbled,
    ProviderError,
    Rejected,
    TaskFailed,
    Unclear,
    Unsupported,
)
from speechsite.providers.http import DOWNLOAD_LIMIT, HttpAdapter, sane_cost
from speechsite.providers.minimax import archive, known, refusals, stream, titles, voices, wire
from speechsite.providers.types import (
    Chunk,
    CleaningOrder,
    Feature,
    Order,
    Sample,
    SpeechOrder,
    UpstreamEvent,
    UpstreamState,
    VoiceInfo,
    WordTime,
)

# In lower case: the pages write these words in three ways.
STATES = {
    "preparing": UpstreamState.QUEUED,
    "queueing": UpstreamState.QUEUED,
    "processing": UpstreamState.RUNNING,
    "success": UpstreamState.SUCCEEDED,
    "failed": UpstreamState.FAILED,
    "expired": UpstreamState.FAILED,
}
UPLOAD_PATH = "/v1/files/upload"
LONGEST_SUBTITLES = 16 * 1024 * 1024


class MiniMax(HttpAdapter):
    """Long texts as tasks that are asked for, short ones as a stream.

    The base URL may hold a gateway's prefix, and `options["upload_path"]` its
    way of uploading. Nothing calls back, and a lost submission cannot be found.
    """

    name = "minimax"
    default_base_url = "https://api.minimax.io"
    controls = frozenset(wire.SETTINGS)
    takes = frozenset({"language", "pronunciations", "voice_modify", "watermark"})
    known_voices = known.VOICES
    features = frozenset(
        {
            Feature.SUBMIT,
            Feature.SPEAK,
            Feature.SPEECH,
            Feature.WORD_TIMES,
            Feature.VOICES,
            Feature.CLONE,
            Feature.DELETE_VOICE,
        }
    )

    def error_from(self, response: httpx.Response) -> ProviderError | None:
        return refusals.error_from(response)

    async def submit(self, order: Order) -> UpstreamEvent:
        """Hand over a text, or the file that `extra["text_file"]` names."""
        speech = self._speech(order)
        text_file_id = speech.extra.get("text_file_id")
        if path := speech.extra.get("text_file"):
            text = await asyncio.to_thread(Path(path).read_bytes)
            text_file_id = await self._upload("t2a_async_input", Path(path).name, text)
        body = wire.task_body(speech, text_file_id)
        answer = await self._spend("/v1/t2a_async_v2", body)
        # The token would let its finder read the task.
        raw = self.scrub({key: part for key, part in answer.items() if key != "task_token"})
        task_id = str(answer.get("task_id") or "")
        if task_id in ("", "0"):
            raise Unclear("the order was taken without a task id", raw=raw)
        return UpstreamEvent(
            state=UpstreamState.QUEUED,
            upstream_id=task_id,
            cost=sane_cost(answer.get("usage_characters")),
            raw=raw,
        )

    async def check(self, upstream_id: str) -> UpstreamEvent:
        """Ask how a task stands; only this answer's file id is the right one."""
        response = await self.call(
            "GET", "/v1/query/t2a_async_query_v2", params={"task_id": upstream_id}
        )
        answer = _object(_body(response))
        state = STATES.get(str(answer.get("status", "")).lower(), UpstreamState.UNKNOWN)
        complaint = self.error_from(response)
        if type(complaint) is Rejected and state is UpstreamState.UNKNOWN:
            # Nobody knows the task, or not yet.
            return UpstreamEvent(state, upstream_id, raw=self.scrub(answer))
        if complaint is not None and state is not UpstreamState.FAILED:
            raise self.scrubbed(complaint)
        if not answer:
            raise Garbled("the query was not answered with an object")
        file_id = str(answer.get("file_id") or "")
        if state is UpstreamState.SUCCEEDED and not file_id:
            raise Garbled("the task succeeded without a file", raw=self.scrub(answer))
        failed = state is UpstreamState.FAILED
        return UpstreamEvent(
            state=state,
            upstream_id=upstream_id,
            result=(file_id,) if state is UpstreamState.SUCCEEDED else (),
            error=self._failure(answer, complaint) if failed else None,
            raw=self.scrub(answer),
        )

    async def fetch(self, event: UpstreamEvent, order: Order) -> AsyncIterator[Chunk]:
        """Download a result to a temporary file, unpack it there, and hand it on."""
        speech = self._speech(order)
        if not event.result:
            raise Garbled("there is no file to fetch", raw=event.raw)
        setting = wire.audio_setting(speech, wire.CODECS)
        with tempfile.TemporaryFile() as file:
            async for piece in self._result(event.result[0]):
                file.write(piece)
            sound = archive.open_sound(file, setting.codec)
            words = titles.read(sound.titles, wire.script_of(speech))
            name = setting.truth(sound.codec, sound.notes)
            for piece in archive.read(file, sound):
                yield Chunk(piece, name, words)
                words = ()

    async def speak(self, order: SpeechOrder) -> AsyncIterator[Chunk]:
        """Speak a short text; times, where there are any, come with the last chunk."""
        speech = self._speech(order)
        name = wire.audio_setting(speech, wire.STREAMED_CODECS).format
        body = wire.stream_body(speech)
        try:
            async with self.stream("POST", "/v1/t2a_v2", spends=True, json=body) as response:
                async for piece in stream.pieces(response):
                    if piece.notes is None:
                        yield Chunk(piece.audio, name)
                        continue
                    cost = sane_cost(piece.notes.get("usage_characters"))
                    words = await self._subtitles(piece.subtitles, speech)
                    yield Chunk(piece.audio, name, words, cost)
        except ProviderError as error:
            raise self.scrubbed(error) from error

    async def list_voices(self) -> Sequence[VoiceInfo]:
        response = await self.call("POST", "/v1/get_voice", json={"voice_type": "all"})
        return list(voices.read(_object(await self.json_of(response))))

    async def clone(
        self, name: str, samples: Sequence[Sample], labels: Mapping[str, str]
    ) -> VoiceInfo:
        """Make a voice from one recording; MiniMax drops it after a week without use."""
        if len(samples) != 1:
            raise Unsupported("MiniMax clones from exactly one recording")
        sample = samples[0]
        file_id = await self._upload("voice_clone", sample.filename, sample.audio)
        voice = f"{voices.OURS}{secrets.token_hex(8)}"
        answer = await self._spend("/v1/voice_clone", {"file_id": file_id, "voice_id": voice})
        return VoiceInfo(
            id=voice,
            name=name,
            category="cloned",
            preview_url=str(answer.get("demo_audio") or ""),
            labels=dict(labels),
        )

    async def delete_voice(self, voice: str) -> None:
        body = {"voice_type": "voice_cloning", "voice_id": voice}
        await self.json_of(await self.call("POST", "/v1/delete_voice", json=body))

    def _speech(self, order: Order) -> SpeechOrder:
        if isinstance(order, CleaningOrder):
            raise Unsupported("MiniMax does not clean recordings")
        if order.lines:
            raise Unsupported("MiniMax speaks with one voice at a time")
        self.check_settings(order.settings)
        return order

    async def _spend(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        response = await self.call("POST", path, spends=True, json=body)
        return _object(await self.json_of(response, spends=True))

    async def _upload(self, purpose: str, filename: str, file: bytes) -> int:
        response = await self.call(
            "POST",
            str(self.options.get("upload_path") or UPLOAD_PATH),
            data={"purpose": purpose},
            files={"file": (filename, file)},
        )
        answer = _object(await self.json_of(response))
        file_id = _object(answer.get("file")).get("file_id")
        if not str(file_id).isdecimal():
            raise Garbled("the upload came back without a file id", raw=self.scrub(answer))
        # As text it would be refused later.
        return int(str(file_id))

    async def _result(self, file_id: str) -> AsyncIterator[bytes]:
        query = {"file_id": file_id}
        try:
            answer = await self.json_of(await self.call("GET", "/v1/files/retrieve", params=query))
        except Rejected as error:
            raise Garbled("the result is gone", vendor_code=error.vendor_code) from error
        link = str(_object(_object(answer).get("file")).get("download_url") or "")
        if link:
            async for piece in self.download(link):
                yield piece
            return
        size = 0
        async with self.stream("GET", "/v1/files/retrieve_content", params=query) as response:
            if response.headers.get("content-type", "").startswith("application/json"):
                await response.aread()
                raise self.error_from(response) or Garbled("the result is not sound")
            async for piece in response.aiter_bytes():
                size += len(piece)
                if size > DOWNLOAD_LIMIT:
                    raise Garbled("the result is too long")
                yield piece

    async def _subtitles(self, link: str, order: SpeechOrder) -> tuple[WordTime, ...]:
        """Sentence times behind a link; sound without them is better than neither."""
        if not link:
            return ()
        text = bytearray()
        try:
            async for piece in safehttp.stream(self.download_client, link, limit=LONGEST_SUBTITLES):
                text += piece
            return titles.read(json.loads(text), wire.script_of(order))
        except (safehttp.FetchError, ValueError, RecursionError):
            return ()

    def _failure(self, answer: Mapping[str, Any], complaint: ProviderError | None) -> ProviderError:
        if isinstance(complaint, Rejected):
            return self.scrubbed(complaint)
        said = str(answer.get("status", "")).lower()
        # An expired task was carried out, and billed: doing it again would cost twice.
        kind = Garbled if said == "expired" else TaskFailed
        return kind(f"the task {said}", vendor_code=said, raw=self.scrub(answer))


def _body(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
