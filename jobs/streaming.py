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
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import adapters, attempts, briefs, claims, disk, ending, intake, lifecycle, placing
from jobs.models import Job, Segment
from jobs.outcomes import Delivered, Outcome
from jobs.states import FINAL_JOB, SegmentState
from speechsite.audio import markup
from speechsite.audio.answer import Answer, CannotGoOn
from speechsite.audio.decode import NotAudio
from speechsite.core import queue
from speechsite.core.threads import in_thread, slowly, together
from speechsite.providers.base import Adapter
from speechsite.providers.errors import Garbled, ProviderError, Unsupported
from speechsite.providers.types import Chunk, Feature, SpeechOrder, WordTime
from speechsite.upstreams import channels
from speechsite.upstreams.models import Offer

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

RESERVE = 30.0  # seconds for which workers leave a streamed job alone
POLL = 0.1
PATIENCE = 240.0  # seconds that a listener waits for a piece that a worker makes
BEAT = 10.0  # seconds between renewals of a lease
JOINED_HERE_MS = 300_000  # longer sound is put together by a worker
LAST_BYTE = 20.0  # seconds at most between the sound and its last byte


class StreamBroken(Exception):
    """The sound broke off after some of it had been sent; the message is for people.

    The job may go on without us: what it makes is kept and can be heard in the history.
    """

    def __init__(self, message: str = "") -> None:
        self.message = message or _(
            "The sound broke off. What is made of it is kept in the history."
        )
        super().__init__(self.message)


class SpeechFailed(Exception):
    """The job failed before any sound was there. `code` and the message are for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Piece:
    """Some sound in the job's output format: a part of one answer, which has one header.

    `words` are positions in the job's text, timed from the start of the whole speech.
    """

    audio: bytes
    words: tuple[WordTime, ...] = ()


@dataclass(slots=True)
class Speech:
    """A job that is spoken here, and what was said of it so far and not yet heard.

    An answer that several jobs share goes on after this one.
    """

    job: Job
    answer: Answer
    is_shared: bool = False
    inbox: asyncio.Queue[Piece | Exception | None] = field(default_factory=asyncio.Queue)
    settled: asyncio.Event = field(default_factory=asyncio.Event)  # nothing more is done here

    async def pieces(self) -> AsyncIterator[Piece]:
        """The sound as it is made. Leaving early does not stop the job.

        Raises SpeechFailed when there is nothing to hear, StreamBroken when it broke off.
        """
        while (item := await self.inbox.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item


async def begin(
    place: Callable[..., Job], *args: Any, is_stream: bool = True, answer: Answer | None = None
) -> Speech:
    """Place an order, which blocks, and speak it.

    What is placed is spoken, also when whoever asked is canceled meanwhile. What turns out to be
    a replay says nothing: its sound is, or will be, with the job. Who waits for all
    of the sound says that it is no stream: it then comes at the end, and states its length.
    Jobs that follow each other in one answer are given it; who shares it finishes it.
    """
    return await asyncio.shield(_kept(_begin(partial(place, *args), is_stream, answer)))


async def listen(job: Job) -> AsyncIterator[Piece]:
    """The sound of a job that was placed before; see `Speech.pieces`."""
    speech = _speech(job, True, None)
    _kept(_tell(speech, None))
    async for piece in speech.pieces():
        yield piece


def _speech(job: Job, is_stream: bool, shared: Answer | None) -> Speech:
    if shared is not None:
        return Speech(job, shared, is_shared=True)
    is_alone = job.segment_count == 1
    return Speech(job, Answer(job.output_format, is_alone=is_alone, is_stream=is_stream))


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


async def _begin(place: Callable[[], Job], is_stream: bool, shared: Answer | None) -> Speech:
    job, begun = await together(_ordered, place)
    speech = _speech(job, is_stream, shared)
    # What was placed before is spoken, or was, by whoever placed it.
    if not job.is_replay:
        _kept(_tell(speech, begun))
    return speech


def _ordered(place: Callable[[], Job]) -> tuple[Job, _Begun | None]:
    job = place()
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
    is_over = False
    speaker: _Speaker | None = None
    try:
        first = [begun.segment] if begun is not None else []
        is_all = bool(first) and job.segment_count == 1
        for segment in first if is_all else await in_thread(_segments_of, job.pk):
            has_begun = speaker is not None
            speaker = _Speaker(job, segment, at_ms, inbox, speech.answer, has_begun)
            at_ms += await speaker.run(begun if segment.index == 0 else None)
            is_over = speaker.is_over
        if not speech.is_shared and (last := await slowly(speech.answer.finish)):
            inbox.put_nowait(Piece(last))
        if speech.is_shared:
            # What is said next need not wait; who shares the answer waits before it ends.
            inbox.put_nowait(None)
        if not is_over:
            is_over = await _settled(job, at_ms)
        inbox.put_nowait(None)
    except SpeechFailed as error:
        has_begun = speaker is not None and speaker.has_begun
        inbox.put_nowait(StreamBroken(error.message) if has_begun else error)
    except StreamBroken as error:
        inbox.put_nowait(error)
    except Exception:
        logger.exception("job %s: streaming failed", job.pk)
        inbox.put_nowait(StreamBroken())
    finally:
        speech.settled.set()
        if not is_over:
            await in_thread(queue.enqueue, placing.WORK)


async def _settled(job: Job, heard_ms: int) -> bool:
    """End a job that was heard whole, before its last byte is given out; whether it is over.

    Whoever has the last byte finds the item, its charge and its sound in the history. What is
    short is joined here; what is long, or in other hands already, is waited for a moment.
    """
    if heard_ms <= JOINED_HERE_MS and await slowly(ending.end, claims.worker_name(), job.pk):
        return True
    await in_thread(queue.enqueue, placing.WORK)
    deadline = asyncio.get_running_loop().time() + LAST_BYTE
    while asyncio.get_running_loop().time() < deadline:
        if await in_thread(_is_final, job.pk):
            return True
        await asyncio.sleep(POLL)
    return False


def _is_final(pk: UUID) -> bool:
    return Job.objects.filter(pk=pk, state__in=FINAL_JOB).exists()


@dataclass
class _Speaker:
    """One piece: spoken by ourselves where an adapter can, else awaited from a worker."""

    job: Job
    segment: Segment
    at_ms: int
    inbox: asyncio.Queue[Piece | Exception | None]
    answer: Answer
    has_begun: bool = False  # some sound of this piece, or a piece before it, was there
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
        # What was heard of it stays heard: the next try goes on from there.
        try:
            self._put(await slowly(self.answer.begin_again))
        except CannotGoOn:
            raise StreamBroken from None
        # Nobody else knows yet that there is something to do.
        await in_thread(queue.enqueue, placing.WORK)
        return await self._await_worker()

    async def _rest(self, segment: Segment) -> Outcome:
        """Nothing that a voice could say: nobody is asked for it, and nobody pays."""
        outcome = await slowly(intake.silence, segment)
        name, form = outcome.audio, outcome.audio_format
        self._put(await slowly(_stored, name, form, self.answer))
        self.is_over = await together(ending.record, segment, outcome)
        return outcome

    async def _speak(self, segment: Segment, order: SpeechOrder) -> Outcome:
        adapter: Adapter | None = None
        if not markup.is_speakable(order.text):
            return await self._rest(segment)
        self.next_beat = self._beat_later(segment)
        try:
            adapter = adapters.here().of(segment.channel)
            return await self._forward(adapter, order, segment)
        except (ProviderError, NotAudio) as error:
            if isinstance(error, NotAudio):
                error = Garbled(f"the provider's audio does not decode: {error}")
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
            outcome = await slowly(intake.store, collected, segment)
            # Now, as what cannot be stored comes once more, and goes on where it was left.
            self._put(await slowly(self.answer.end_piece))
        self.is_over = await together(ending.record, segment, outcome)
        return outcome

    async def _send(self, chunk: Chunk) -> None:
        words = tuple(_placed(word, self.segment.start, self.at_ms) for word in chunk.words)
        if not chunk.audio or self.answer.passes(chunk.format):
            self._put(chunk.audio and self.answer.write(chunk.audio, chunk.format), words)
        else:
            self._put(await slowly(self.answer.write, chunk.audio, chunk.format), words)

    def _put(self, audio: bytes, words: tuple[WordTime, ...] = ()) -> None:
        if audio or words:
            self.has_begun = self.has_begun or bool(audio)
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
                sound = await slowly(_stored, segment.audio, segment.audio_format, self.answer)
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
    if released.update(due_at=timezone.now(), worker=""):
        queue.enqueue(placing.WORK)


def _placed(word: WordTime, start: int, at_ms: int) -> WordTime:
    return WordTime(
        start + word.start, start + word.end, at_ms + word.start_ms, at_ms + word.end_ms
    )


def _stored(name: str, form: str, answer: Answer) -> bytes:
    """A piece that a worker made, as the answer has it."""
    with ExitStack() as stack:
        return answer.add(disk.on_disk(name, stack), form)
