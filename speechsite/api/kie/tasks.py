"""Tasks as kie.ai's clients know them: placing an order, its record, its callback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from jobs import callbacks, files
from jobs.errors import OrderError
from jobs.models import Callback, Job
from jobs.states import JobState
from speechsite.api import ordering, worlds
from speechsite.api.auth import Caller
from speechsite.api.idempotency import Once
from speechsite.api.kie import recordings, wire
from voices import known, library
from voices.models import SpeechModel

STYLE = "kie"
FORMAT = "mp3_44100_128"
# What the person's input is to blame for; the rest went wrong behind us.
INPUT_FAILURES = frozenset({"rejected", "moderated", "unsupported", "invalid_text"})


def place(caller: Caller, order: wire.Order, once: Once, *, origin: str) -> Job:
    """Order what a createTask asks for, and its callback with it."""
    if order.callback_url:
        _check_callback(order.callback_url)
    kind = _kind_of(order)
    if kind == SpeechModel.Kind.ISOLATION:
        upload = recordings.at(caller, wire.audio_url_of(order.input))
        with transaction.atomic():
            job = ordering.cleaning(
                caller,
                upload=upload,
                model_name=order.model,
                output_format=FORMAT,
                **once.order,
            )
            return _with_callback(job, order, origin)
    if kind == SpeechModel.Kind.DIALOGUE:
        dialogue = wire.dialogue_of(order.input)
        lines = [(_voice_id(caller, voice), text) for voice, text in dialogue.lines]
        with transaction.atomic():
            job = ordering.dialogue(
                caller,
                model_name=order.model,
                lines=lines,
                voice_settings=dialogue.voice_settings,
                options=dialogue.options,
                output_format=FORMAT,
                **once.order,
            )
            return _with_callback(job, order, origin)
    speech = wire.speech_of(order.input)
    with transaction.atomic():
        job = ordering.speech(
            caller,
            model_name=order.model,
            voice_id=_voice_id(caller, speech.voice),
            text=speech.text,
            voice_settings=speech.voice_settings,
            options=speech.options,
            output_format=FORMAT,
            **once.order,
        )
        return _with_callback(job, order, origin)


def find(caller: Caller, task_id: str) -> Job | None:
    """The job behind a task id; None for what is not there or somebody else's."""
    try:
        job_id = UUID(hex=task_id)
    except ValueError:
        return None
    jobs = worlds.jobs(caller).select_related("model", "voice")
    return jobs.filter(pk=job_id).first()


def described(job: Job, *, origin: str) -> wire.Task:
    """A job as its record tells of it."""
    callback = Callback.objects.filter(pk=job.pk).first()
    links = (f"{origin}{files.link(job, 'audio')}",) if job.state == JobState.SUCCEEDED else ()
    is_failed = job.state in (JobState.FAILED, JobState.CANCELED)
    return wire.Task(
        id=job.pk.hex,
        model=_model_name(job),
        state=job.state,
        input=_input(job, origin),
        callback_url=callback.url if callback is not None else "",
        links=links,
        failure_code=_failure_code(job) if is_failed else "",
        failure_message=job.failure_message or ("Canceled." if is_failed else ""),
        created_at=job.created_at,
        updated_at=job.finished_at or job.started_at or job.created_at,
        finished_at=job.finished_at,
        credits=_credits(job.charged),
    )


def message(callback: Callback) -> callbacks.Message:
    """What is posted to `callBackUrl`; its signature covers the task's id and the time."""
    job = callback.job
    body = wire.callback(described(job, origin=callback.origin))
    sent_at = str(int(timezone.now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "X-Webhook-Timestamp": sent_at,
        "X-Webhook-Signature": signature(callbacks.signing_key(job.user), job.pk.hex, sent_at),
    }
    return callbacks.Message(json.dumps(body, ensure_ascii=False).encode(), headers)


def signature(key: str, task_id: str, sent_at: str) -> str:
    """kie's signature of a callback."""
    digest = hmac.new(key.encode(), f"{task_id}.{sent_at}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _check_callback(url: str) -> None:
    try:
        callbacks.check_address(url)
    except OrderError as error:
        raise wire.Refusal(422, f"callBackUrl cannot be called: {error.message}") from error


def _with_callback(job: Job, order: wire.Order, origin: str) -> Job:
    if order.callback_url:
        callbacks.ask(job, url=order.callback_url, style=STYLE, origin=origin)
    return job


def _kind_of(order: wire.Order) -> str:
    """By the model; a model that only a test key may name is told by its input."""
    model = library.model_named(order.model)
    if model is not None:
        return model.kind
    if "audio_url" in order.input:
        return SpeechModel.Kind.ISOLATION
    return SpeechModel.Kind.DIALOGUE if "dialogue" in order.input else SpeechModel.Kind.SPEECH


def _voice_id(caller: Caller, named: str) -> str:
    """The id of a voice; kie's clients also call ElevenLabs' voices by their names."""
    visible = worlds.voices(caller).usable()
    if visible.filter(external_id=named).exists():
        return named
    is_called = Q(name__iexact=named) | Q(name__istartswith=f"{named} ")
    voice = visible.filter(is_called, family="elevenlabs").first()
    if voice is not None:
        return voice.external_id
    return (known.id_of(named) if caller.is_test else None) or named


def _model_name(job: Job) -> str:
    return job.asked.get("model") or wire.MODELS.get(job.model.slug, job.model.slug)


def _input(job: Job, origin: str) -> dict[str, object]:
    voice = job.asked.get("voice") or (job.voice.external_id if job.voice else "")
    if job.kind == Job.Kind.ISOLATION:
        upload = job.upload
        is_there = upload is not None and upload.deleted_at is None
        return {"audio_url": recordings.link(upload, origin)} if upload and is_there else {}
    lines: list[dict[str, str]] = []
    if job.kind == Job.Kind.DIALOGUE:
        for segment in job.segments.order_by("index").select_related("voice"):
            spoken = segment.voice.external_id if segment.voice else voice
            lines += segment.lines or [{"text": segment.text.rstrip("\n"), "voice": spoken}]
    return wire.input_of(job.kind, job.text, voice, lines, job.voice_settings)


def _failure_code(job: Job) -> str:
    return "422" if job.failure_code in INPUT_FAILURES else "500"


def _credits(millicredits: int) -> float:
    whole, rest = divmod(millicredits, 1000)
    return whole if not rest else millicredits / 1000
