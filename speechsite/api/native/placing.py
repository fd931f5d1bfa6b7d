"""Turns a checked request into an order: which kind it is, which voices and file it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from jobs.models import Job
from jobs.options import is_language
from speechsite.api import idempotency, ordering, worlds
from speechsite.api.auth import Caller
from speechsite.api.errors import ApiError, Conflict, Invalid
from speechsite.api.native import recordings
from voices import known, library
from voices.models import SpeechModel

SETTINGS = {
    "stability": "stability",
    "similarity_boost": "similarity",
    "style": "style",
    "speed": "speed",
    "speaker_boost": "speaker_boost",
    "pitch": "pitch",
    "volume": "volume",
    "emotion": "emotion",
}
OPTIONS = {
    "previous_text": "previous_text",
    "next_text": "next_text",
    "language_code": "language",
    "seed": "seed",
}
# Fields to blame, as orders name them: as this API does.
FIELDS = {
    "text": "prompt",
    "voice": "params.voice",
    "settings": "params",
    "format": "params.output_format",
    "inputs": "params.dialogue",
    "file": "params.file_id",
    **{ours: f"params.{theirs}" for theirs, ours in OPTIONS.items()},
}
FILES = ("referenceMediaItems", "file_id")
STRANGE = {
    SpeechModel.Kind.SPEECH: ("dialogue", "default_voice", *FILES),
    SpeechModel.Kind.DIALOGUE: FILES,
    SpeechModel.Kind.ISOLATION: ("dialogue", "default_voice", "voice", *SETTINGS),
}
DEFAULT_FORMAT = "mp3_44100_128"


def place(caller: Caller, order: Mapping[str, Any], *, key: str | None, body: Any) -> Job:
    """Order a generation. Raises ApiError, and then nothing was held."""
    try:
        return _place(caller, order, key=key, body=body)
    except ApiError as error:
        error.field = FIELDS.get(error.field, error.field)
        raise


def again(caller: Caller, job: Job, *, key: str | None) -> Job:
    """Order once more what a finished job was for; it is a new generation at today's price."""
    if not job.is_finished:
        raise Conflict(_("This generation is still under way."), code="generation_under_way")
    common = {
        "model_name": job.asked.get("model") or job.model.slug,
        "output_format": job.output_format,
        "title": job.title,
        "idempotency_key": key,
        "request_body": {"retry": job.pk.hex},
        "reference": job.asked.get("reference", ""),
    }
    if job.kind == Job.Kind.ISOLATION:
        if job.upload is None:
            raise Invalid(_("There is no recording any more."), code="file_not_found")
        return ordering.cleaning(caller, upload=job.upload, **common)
    if job.kind == Job.Kind.DIALOGUE:
        common |= {"voice_settings": job.voice_settings, "options": job.options}
        return ordering.dialogue(caller, lines=_lines(job), **common)
    return ordering.speech(
        caller,
        voice_id=job.asked.get("voice") or (job.voice.external_id if job.voice else ""),
        text=job.text,
        voice_settings=job.voice_settings,
        options=job.options,
        **common,
    )


def _place(caller: Caller, order: Mapping[str, Any], *, key: str | None, body: Any) -> Job:
    # Before the names are looked up: what could be ordered then may be gone now.
    first = idempotency.replayed(caller, key, idempotency.digest(body)) if key else None
    if first is not None:
        return first
    params = order.get("params") or {}
    kind = _kind_of(order["model"], params)
    common = {
        "model_name": order["model"],
        "output_format": params.get("output_format", DEFAULT_FORMAT),
        "idempotency_key": key,
        "request_body": body,
        "reference": order.get("client_request_id") or "",
    }
    _check_fit(kind, params)
    if kind == SpeechModel.Kind.ISOLATION:
        return ordering.cleaning(caller, upload=recordings.named(caller, params), **common)
    if kind == SpeechModel.Kind.DIALOGUE:
        return _dialogue(caller, params, common)
    return _speech(caller, order.get("prompt") or "", params, common)


def _kind_of(model_name: str, params: Mapping[str, Any]) -> str:
    """What the order is about. A model says so itself; one that we do not know, by its params."""
    model = library.model_named(model_name)
    if model is not None and model.kind != SpeechModel.Kind.SPEECH:
        return model.kind
    # Any model that speaks can hold a dialogue, a voice at a time.
    if "dialogue" in params:
        return SpeechModel.Kind.DIALOGUE
    if model is not None:
        return model.kind
    if "referenceMediaItems" in params or "file_id" in params:
        return SpeechModel.Kind.ISOLATION
    return SpeechModel.Kind.SPEECH


def _speech(caller: Caller, prompt: str, params: Mapping[str, Any], common: dict[str, Any]) -> Job:
    if not prompt:
        raise Invalid(_("prompt is required."), field="prompt", code="empty_text")
    if not params.get("voice"):
        raise Invalid(_("params.voice is required."), field="params.voice")
    return ordering.speech(
        caller,
        voice_id=_voice_id(caller, params["voice"]),
        text=prompt,
        voice_settings=_settings(params),
        options=_options(params),
        **common,
    )


def _dialogue(caller: Caller, params: Mapping[str, Any], common: dict[str, Any]) -> Job:
    if "dialogue" not in params:
        raise Invalid(_("params.dialogue is required."), field="params.dialogue")
    default = params.get("default_voice") or params.get("voice") or ""
    lines = []
    for number, line in enumerate(params["dialogue"]):
        voice = line.get("voice") or default
        if not voice:
            raise Invalid(_("A voice is required."), field=f"params.dialogue.{number}.voice")
        lines.append((_voice_id(caller, voice), line["text"]))
    return ordering.dialogue(
        caller,
        lines=lines,
        voice_settings=_settings(params),
        options=_options(params),
        **common,
    )


def _check_fit(kind: str, params: Mapping[str, Any]) -> None:
    """Refuses parameters of another kind of generation: they would not be heard."""
    for name in STRANGE[SpeechModel.Kind(kind)]:
        if params.get(name) is not None:
            message = _("This model does not take params.%s.") % name
            raise Invalid(message, field=f"params.{name}", code="unsupported_parameter")


def _settings(params: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: params.get(theirs) for theirs, name in SETTINGS.items()}
    return {name: value for name, value in given.items() if value is not None}


def _options(params: Mapping[str, Any]) -> dict[str, Any]:
    found = {ours: params.get(theirs) for theirs, ours in OPTIONS.items()}
    if not is_language(found["language"] or ""):
        found["language"] = None  # a soft wish: `unheard` tells of it
    return found


def _voice_id(caller: Caller, given: str) -> str:
    """The id of a voice that was named by its id or, where no id fits, by its name."""
    voices = worlds.voices(caller)
    if voices.filter(external_id=given).exists():
        return given
    named = voices.usable().filter(name__iexact=given).order_by("position", "pk").first()
    if named is not None:
        return named.external_id
    return (known.id_of(given) if caller.is_test else None) or given


def _lines(job: Job) -> list[tuple[str, str]]:
    """The turns of a dialogue as its segments kept them."""
    lines: list[tuple[str, str]] = []
    for segment in job.segments.select_related("voice").order_by("index"):
        voice = segment.voice.external_id if segment.voice else ""
        own = [(line["voice"], line["text"]) for line in segment.lines]
        lines += own or [(voice, segment.text.rstrip("\n"))]
    return lines
