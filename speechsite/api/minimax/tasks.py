"""Long texts as tasks: one number names a task and its result."""

from __future__ import annotations

from django.core import signing
from django.core.files.storage import default_storage
from django.db import transaction

from jobs import numbers
from jobs.models import Job, NumberedFile
from jobs.orders import cleaned, normal
from speechsite.api import ordering, worlds
from speechsite.api.auth import Caller
from speechsite.api.idempotency import Once
from speechsite.api.minimax import texts, wire
from speechsite.api.minimax.answers import INVALID, Refusal
from speechsite.audio import markup

INPUT, RESULT = "t2a_async_input", "t2a_async"
SALT = "api.minimax.tasks"


def place(caller: Caller, order: wire.Order, once: Once) -> NumberedFile:
    """Order what t2a_async_v2 asks for; the answer names the job by its number."""
    # A repeated one first: its file of texts may be gone since.
    if (first := once.known(caller)) is not None:
        return numbers.give(first, purpose=RESULT)
    if order.text_file is None:
        return _spoken(caller, order, order.text, once)
    parts = _parts(caller, order.text_file)
    if parts[0].name:
        return _archive(caller, order, parts, once)
    return _spoken(caller, order, parts[0].text, once)


def job_of(caller: Caller, number: int) -> tuple[NumberedFile, Job]:
    """The task of a number. Raises Refusal for what is not there or somebody else's."""
    numbered = worlds.numbered(caller, number)
    if numbered is None or numbered.job is None:
        raise Refusal(INVALID, "invalid params, the task does not exist")
    return numbered, numbered.job


def file_of(caller: Caller, number: int) -> NumberedFile:
    """The file of a number: an uploaded text, or the result of a task."""
    numbered = worlds.numbered(caller, number)
    if numbered is None:
        raise Refusal(INVALID, "invalid params, the file does not exist")
    return numbered


def token_of(numbered: NumberedFile) -> str:
    """A sign that a task was taken; nothing asks for it later."""
    return signing.dumps(numbered.number, salt=SALT)


def _spoken(caller: Caller, order: wire.Order, text: str, once: Once) -> NumberedFile:
    with transaction.atomic():
        job = ordering.speech(
            caller,
            model_name=order.model,
            voice_id=order.voice,
            text=text,
            voice_settings=order.voice_settings,
            options=order.options,
            output_format=order.sound.output_format,
            **once.order,
        )
        return numbers.give(job, purpose=RESULT)


def _archive(
    caller: Caller, order: wire.Order, parts: tuple[texts.Part, ...], once: Once
) -> NumberedFile:
    """Many texts, one job: each becomes a turn with a recording of its own."""
    # As the order will read them, so that the lengths find the turns again.
    said = [(part.name, cleaned(normal(part.text)).stripped()) for part in parts]
    said = [(name, text) for name, text in said if markup.is_speakable(text.spoken)]
    if not said:
        raise Refusal(INVALID, "invalid params, the file holds no text")
    with transaction.atomic():
        job = ordering.dialogue(
            caller,
            model_name=order.model,
            lines=[(order.voice, text) for _, text in said],
            voice_settings=order.voice_settings,
            options=order.options,
            output_format=order.sound.output_format,
            **once.order,
        )
        parts_of_job = [(name, len(text.spoken)) for name, text in said]
        return numbers.give(job, purpose=RESULT, parts=parts_of_job)


def _parts(caller: Caller, number: int) -> tuple[texts.Part, ...]:
    numbered = worlds.numbered(caller, number)
    if numbered is None or not numbered.file or not default_storage.exists(numbered.file):
        raise Refusal(INVALID, "invalid params, text_file_id does not exist")
    with default_storage.open(numbered.file) as file:
        return texts.read(file)
