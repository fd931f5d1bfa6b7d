"""All of a speech, for a client that waits for the whole of it.

A stream that breaks off is not the end of its job, which goes on and is paid for: then the
sound that the job is put together to is the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from jobs import renditions, streaming
from jobs.models import Job
from jobs.states import JobState
from speechsite.api import waiting
from speechsite.api.errors import Conflict
from speechsite.audio.answer import Answer
from speechsite.core.threads import in_thread, slowly
from speechsite.providers.types import WordTime

PATIENCE = 200.0  # seconds until a whole answer must be there


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole speech: its sound and its words."""

    audio: bytes
    words: tuple[WordTime, ...]


async def begin(
    place: Callable[..., Job], *args: Any, is_stream: bool = True, answer: Answer | None = None
) -> streaming.Speech:
    """Place an order and speak it; an order that was placed before is answered as it was kept.

    Its sound comes whole then, once it is all there: nobody speaks it a second time.
    """
    speech = await streaming.begin(place, *args, is_stream=is_stream, answer=answer)
    if speech.job.is_replay:
        try:
            again = Heard(await stored(speech.job), await in_thread(_timeline, speech.job))
            speech.inbox.put_nowait(streaming.Piece(again.audio, again.words))
            speech.inbox.put_nowait(None)
        except streaming.SpeechFailed as error:
            speech.inbox.put_nowait(error)
    return speech


async def whole(speech: streaming.Speech) -> Heard:
    """All of a speech that was begun as no stream. Raises SpeechFailed."""
    audio: list[bytes] = []
    words: list[WordTime] = []
    try:
        async for piece in speech.pieces():
            audio.append(piece.audio)
            words.extend(piece.words)
    except streaming.StreamBroken:
        sound = await stored(speech.job)
        return Heard(sound, await in_thread(_timeline, speech.job))
    return Heard(b"".join(audio), tuple(words))


async def stored(job: Job) -> bytes:
    """The sound of a job once it is put together.

    Raises SpeechFailed, and Conflict when it was stopped or deleted since.
    """
    done = await waiting.finished(job.pk, PATIENCE)
    if done.deleted_at is not None or (done.state == JobState.CANCELED and not done.audio):
        raise Conflict(_("What was ordered with this was stopped or deleted since."), code="gone")
    if done.state == JobState.FAILED:
        raise streaming.SpeechFailed(done.failure_code, done.failure_message)
    if not done.audio:
        message = _("The speech is not ready yet. It will be in the history.")
        raise streaming.SpeechFailed("timed_out", message)
    return await slowly(_read, done.audio)


def _timeline(job: Job) -> tuple[WordTime, ...]:
    words, _length, _exact = renditions.timeline(job)
    return tuple(WordTime(word.start, word.end, word.start_ms, word.end_ms) for word in words)


def _read(name: str) -> bytes:
    with default_storage.open(name) as file:
        return file.read()
