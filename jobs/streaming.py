"""Speech that is heard while it is made, for a client that waits on the line.

The same story as everywhere: the web process claims the pieces itself, forwards the
sound as it comes and stores it. The work does not depend on the listener: who hangs
up leaves a job that ends by itself. If the web process dies, its leases run out and
a worker finishes the job.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from uuid import UUID

import numpy as np
from django.core.files.storage import default_storage
from django.utils import timezone

from jobs import adapters, attempts, briefs, claims, ending, intake, lifecycle, placing, renditions
from jobs.models import Job, Segment
from jobs.outcomes import Delivered, Outcome
from jobs.states import SegmentState
from speechsite.audio import encode
from speechsite.core import queue
from speechsite.core.threads import in_thread, slowly, together
from speechsite.providers.base import Adapter
from speechsite.providers.errors import ProviderError, Unsupported
from speechsite.providers.types import Chunk, Feature, SpeechOrder, WordTime
from speechsite.upstreams import channels
from speechsite.upstreams.models import Offer

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

RESERVE = 30.0  # seconds for which workers leave a streamed job alone
POLL = 0.1
PATIENCE = 240.0  # seconds that a listener waits for a piece that a worker makes
BEAT = 10.0  # seconds between renewals of a lease


class StreamBroken(Exception):
    """The sound broke off after some of it had been sent; the job goes on without us."""


class SpeechFailed(Exception):
    """The job failed before any sound was there. `code` and the message are for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Piece:
    """Some sound in the job's output format.

    `words` are positions in the job's text, timed from the start of the whole speech.
    """

    audio: bytes
    words: tuple[WordTime, ...] = ()


@dataclass(slots=True)
class Speech:
    """A job that is spoken here, and what was said of it so far and not yet heard."""

    job: Job
    inbox: asyncio.Queue[Piece | Exception | None] = field(default_factory=asyncio.Queue)

    async def pieces(self) -> AsyncIterator[Piece]:
        """The sound as it is made. Leaving early does not stop the job.

        Raises SpeechFailed when there is nothing to hear, StreamBroken when it broke off.
        """
        while (item := await self.inbox.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item


async def begin(place: Callable[..., Job], *args: Any) -> Speech:
    """Place an order, which blocks, and speak it.

    What is placed is spoken, also when whoever asked is canceled meanwhile.
    """
    return await asyncio.shield(_kept(_begin(place, *args)))


async def listen(job: Job) -> AsyncIterator[Piece]:
    """The sound of a job that was placed before; see `Speech.pieces`."""
    speech = Speech(job)
    _kept(_tell(speech, None))
    async for piece in speech.pieces():
        yield piece


_running: set[asyncio.Task[Any]] = set()  # kept here, or the collector would end them


def _kept(work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_let_go)
    return task


def _let_go(task: asyncio.Task[Any]) -> None:
    """Look at how it ended, so that nobody is told that nobody did."""
    _running.discard(task)
    if not task.cancelled():
        task.exception()


async def _begin(place: Callable[..., Job], *args: Any) -> Speech:
    job, begun = await together(_ordered, place, *args)
    speech = Speech(job)
    _kept(_tell(speech, begun))
    return speech


def _ordered(place: Callable[..., Job], *args: Any) -> tuple[Job, _Begun | None]:
    job = place(*args)
    first, job.first_claim = job.first_claim, None
    return job, None if first is None else _begun(claims.Claim(*first))


@dataclass(frozen=True, slots=True)
class _Begun:
    """A piece that is ours to speak, and how its provider is asked for it."""

    segment: Segment
    order: SpeechOrder | Unsupported


def _begun(claim: claims.Claim) -> _Begun:
    try:
        return _Begun(claim.segment, cast(SpeechOrder, briefs.brief(claim.segment, claim.offer)))
    except Unsupported as error:
        return _Begun(claim.segment, error)


async def _tell(speech: Speech, begun: _Begun | None) -> None:
    """Speak all pieces in order into the listener's inbox."""
    job, inbox = speech.job, speech.inbox
    at_ms = 0
    sent = is_over = False
    try:
        first = [begun.segment] if begun is not None else []
        is_all = bool(first) and job.segment_count == 1
        for segment in first if is_all else await in_thread(_segments_of, job.pk):
            speaker = _Speaker(job, segment, at_ms, inbox)
            at_ms += await speaker.run(begun if segment.index == 0 else None)
            sent, is_over = True, speaker.is_over
        inbox.put_nowait(None)
        if job.segment_count == 1 and not is_over:
            is_over = await slowly(ending.end, claims.worker_name(), job.pk)
    except SpeechFailed as error:
        inbox.put_nowait(StreamBroken(error.message) if sent else error)
    except Exception as error:
        logger.exception("job %s: streaming failed", job.pk)
        inbox.put_nowait(StreamBroken(type(error).__name__))
    finally:
        if not is_over:
            await in_thread(queue.enqueue, placing.WORK)


@dataclass
class _Speaker:
    """One piece: spoken by ourselves where an adapter can, else awaited from a worker."""

    job: Job
    segment: Segment
    at_ms: int
    inbox: asyncio.Queue[Piece | Exception | None]
    encoder: encode.Encoder | None = None
    has_sent: bool = False
    is_over: bool = False  # the job ended with this piece
    next_beat: asyncio.TimerHandle | None = None  # while the provider speaks

    async def run(self, begun: _Begun | None) -> int:
        """Milliseconds of sound that this piece lasts."""
        begun = begun or await in_thread(_taken, self.segment.pk)
        if begun is None:
            return await self._await_worker()
        if isinstance(begun.order, Unsupported):
            # Nothing was sent: another channel may have all the voices.
            await in_thread(lifecycle.record, begun.segment, attempts.not_here(begun.order))
            await in_thread(_release, self.segment.pk)
            return await self._await_worker()
        outcome = await self._speak(begun.segment, begun.order)
        if isinstance(outcome, Delivered):
            return outcome.duration_ms
        if self.has_sent:
            raise StreamBroken("the provider broke off")
        return await self._await_worker()

    async def _speak(self, segment: Segment, order: SpeechOrder) -> Outcome:
        adapter: Adapter | None = None
        self.next_beat = self._beat_later(segment)
        try:
            adapter = adapters.here().of(segment.channel)
            return await self._forward(adapter, order, segment)
        except ProviderError as error:
            known = adapter or channels.adapter_class("builtin")()
            outcome = attempts.outcome_of(error, known, segment)
            await in_thread(lifecycle.record, segment, outcome)
            return outcome
        finally:
            beat, self.next_beat = self.next_beat, None
            if beat is not None:
                beat.cancel()

    async def _forward(self, adapter: Adapter, order: SpeechOrder, segment: Segment) -> Outcome:
        with tempfile.SpooledTemporaryFile(max_size=intake.IN_MEMORY) as file:
            collected = intake.Collected(file)
            async with aclosing(cast(AsyncGenerator[Chunk], adapter.speak(order))) as chunks:
                async for chunk in chunks:
                    collected.take(chunk)
                    await self._send(chunk)
            await self._flush(collected)
            outcome = await slowly(intake.store, collected, segment)
        self.is_over = await together(ending.record, segment, outcome)
        return outcome

    async def _send(self, chunk: Chunk) -> None:
        words = tuple(_placed(word, self.segment.start, self.at_ms) for word in chunk.words)
        wanted = self.job.output_format
        if chunk.format == wanted:
            self._put(chunk.audio, words)
        elif chunk.format.startswith("pcm_"):
            rate = int(chunk.format.partition("_")[2])
            if self.encoder is None:
                self.encoder = encode.Encoder(wanted, rate)
            samples = np.frombuffer(chunk.audio[: len(chunk.audio) // 2 * 2], dtype="<i2")
            self._put(await slowly(self.encoder.write, samples), words)
        elif words:
            self._put(b"", words)

    async def _flush(self, collected: intake.Collected) -> None:
        """The rest of an encoder; all of a sound that could not be turned piece by piece."""
        if self.encoder is not None:
            self._put(await slowly(self.encoder.finish))
        elif collected.format != self.job.output_format:
            collected.file.seek(0)
            sound = collected.file.read()
            hint = renditions.hint(collected.format)
            wanted = self.job.output_format
            self._put(await slowly(encode.transcode, sound, wanted, source_format=hint))

    def _put(self, audio: bytes, words: tuple[WordTime, ...] = ()) -> None:
        if audio or words:
            self.has_sent = self.has_sent or bool(audio)
            self.inbox.put_nowait(Piece(audio, words))

    def _beat_later(self, segment: Segment) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_later(BEAT, lambda: _kept(self._beat(segment)))

    async def _beat(self, segment: Segment) -> None:
        """Keep our lease while the provider speaks; most are done before the first beat."""
        if self.next_beat is not None:
            self.next_beat = self._beat_later(segment)
            await in_thread(claims.renew, segment.worker, [segment.pk], [])

    async def _await_worker(self) -> int:
        """A worker makes this piece: wait for it, then send it whole."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < deadline:
            segment = await in_thread(Segment.objects.get, pk=self.segment.pk)
            if segment.state == SegmentState.FAILED:
                raise SpeechFailed(segment.failure_code, segment.failure_message)
            if segment.state == SegmentState.DONE:
                sound = await slowly(_whole, segment, self.job.output_format)
                timed = [WordTime(*word) for word in segment.words]
                words = tuple(_placed(word, segment.start, self.at_ms) for word in timed)
                self._put(sound, words)
                return segment.duration_ms
            await asyncio.sleep(POLL)
        raise SpeechFailed("timed_out", "The speech took too long.")


def _segments_of(job_id: UUID) -> list[Segment]:
    return list(Segment.objects.filter(job_id=job_id).order_by("index"))


def _taken(pk: int) -> _Begun | None:
    """A waiting piece, taken to be spoken here; None where a worker has to speak it."""
    claim = claims.claim_one(claims.worker_name(), pk, _can_speak)
    if claim is not None:
        return _begun(claim)
    _release(pk)
    return None


def speaker() -> placing.Speaker:
    """Names this process as one that speaks the first piece of what it places."""
    return placing.Speaker(claims.worker_name(), _can_speak)


def _can_speak(offer: Offer) -> bool:
    return Feature.SPEAK in channels.features_of(offer.channel)


def _release(pk: int) -> None:
    """We do not speak this piece after all: let a worker have it now."""
    released = Segment.objects.filter(pk=pk, state=SegmentState.WAITING)
    if released.update(due_at=timezone.now()):
        queue.enqueue(placing.WORK)


def _placed(word: WordTime, start: int, at_ms: int) -> WordTime:
    return WordTime(
        start + word.start, start + word.end, at_ms + word.start_ms, at_ms + word.end_ms
    )


def _whole(segment: Segment, wanted: str) -> bytes:
    with default_storage.open(segment.audio) as file:
        sound = file.read()
    if segment.audio_format == wanted:
        return sound
    return encode.transcode(sound, wanted, source_format=renditions.hint(segment.audio_format))
