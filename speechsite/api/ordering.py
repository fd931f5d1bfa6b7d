"""Orders of partners: names of models and voices become ours, limits are checked.

Raises only `ApiError`. A test key may name any model of the catalogue and any voice that clients
know: the work then runs on the built-in engine, and the names that were asked for are kept on the
job. What a live key would be refused for its form, a test key is refused as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from jobs import lifecycle, orders, streaming, uploads
from jobs.errors import OrderError
from jobs.models import Job, Upload
from jobs.placing import DEFAULT_FORMAT, Origin
from speechsite.api import idempotency, limits
from speechsite.api.auth import Caller
from speechsite.api.errors import ApiError, Invalid, NotFound, from_order
from speechsite.audio.wording import Wording
from speechsite.credits.errors import CreditError
from voices import known, library
from voices.models import SpeechModel, Voice

TEST_MODELS = {
    SpeechModel.Kind.SPEECH: "builtin-speech",
    SpeechModel.Kind.DIALOGUE: "builtin-speech",
    SpeechModel.Kind.ISOLATION: "builtin-cleaning",
}
SHOWN = 60  # characters of a name that nobody has
DEFAULT_CLEANING = ("elevenlabs-audio-isolation", "builtin-cleaning")


def speech(
    caller: Caller,
    *,
    model_name: str,
    voice_id: str,
    text: str | Wording,
    voice_settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    output_format: str = DEFAULT_FORMAT,
    title: str = "",
    idempotency_key: str | None = None,
    request_body: Any = None,
    reference: str = "",
    reserve_seconds: float = 0.0,
    is_heard: bool = False,
) -> Job:
    """Order speech for a partner; `is_heard` where its beginning is sent while the rest is made."""
    asked = _asked(model_name, voice_id, reference)
    origin = _origin(caller, asked, idempotency_key, request_body, reserve_seconds)
    origin = replace(origin, is_heard=is_heard)
    if (first := idempotency.replayed(caller, idempotency_key, origin.request_hash)) is not None:
        return first
    voice = find_voice(caller, voice_id)
    model = find_model(caller, model_name, kind=SpeechModel.Kind.SPEECH, voice=voice)
    _check_pair(caller, model_name, [voice_id])
    with _refusals(caller):
        job = lifecycle.place(
            caller.user,
            model=model,
            voice=voice,
            text=text,
            voice_settings=_settings(caller, model_name, model, voice_settings),
            options=options,
            output_format=output_format,
            title=_printable(title),
            origin=origin,
        )
    return idempotency.checked(job, origin.request_hash)


def dialogue(
    caller: Caller,
    *,
    model_name: str,
    lines: Sequence[tuple[str, str | Wording]],
    voice_settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    output_format: str = DEFAULT_FORMAT,
    title: str = "",
    idempotency_key: str | None = None,
    request_body: Any = None,
    reference: str = "",
    reserve_seconds: float = 0.0,
) -> Job:
    """Order a dialogue; `lines` are (voice id, text)."""
    if not lines:
        raise Invalid(_("A dialogue needs at least one line."), field="inputs", code="empty_text")
    with _refusals(caller):
        orders.check_lines(len(lines))
    asked = _asked(model_name, lines[0][0], reference)
    origin = _origin(caller, asked, idempotency_key, request_body, reserve_seconds)
    if (first := idempotency.replayed(caller, idempotency_key, origin.request_hash)) is not None:
        return first
    voices = {voice_id: find_voice(caller, voice_id) for voice_id, _text in lines}
    voiced = [(voices[voice_id], text) for voice_id, text in lines]
    model = find_model(caller, model_name, kind=SpeechModel.Kind.DIALOGUE, voice=voiced[0][0])
    _check_pair(caller, model_name, voices)
    with _refusals(caller):
        job = lifecycle.place_dialogue(
            caller.user,
            model=model,
            lines=voiced,
            voice_settings=_settings(caller, model_name, model, voice_settings),
            options=options,
            output_format=output_format,
            title=_printable(title),
            origin=origin,
        )
    return idempotency.checked(job, origin.request_hash)


def cleaning(
    caller: Caller,
    *,
    upload: Upload,
    model_name: str = "",
    output_format: str = DEFAULT_FORMAT,
    title: str = "",
    idempotency_key: str | None = None,
    request_body: Any = None,
    reference: str = "",
) -> Job:
    """Order the noise to be removed from a recording."""
    asked = _asked(model_name, "", reference)
    origin = _origin(caller, asked, idempotency_key, request_body, 0.0)
    if (first := idempotency.replayed(caller, idempotency_key, origin.request_hash)) is not None:
        return _with_one_recording(first, upload)
    name = model_name or _default_cleaning()
    model = find_model(caller, name, kind=SpeechModel.Kind.ISOLATION)
    with _refusals(caller):
        job = lifecycle.place_cleaning(
            caller.user,
            model=model,
            upload=upload,
            output_format=output_format,
            title=_printable(title),
            origin=origin,
        )
    return _with_one_recording(idempotency.checked(job, origin.request_hash), upload)


def _with_one_recording(job: Job, upload: Upload) -> Job:
    """Of one order that came twice at once, each time with its recording, one is kept."""
    if job.is_replay and job.upload_id != upload.pk:
        uploads.discard(upload)
    return job


def find_model(
    caller: Caller, name: str, *, kind: str = SpeechModel.Kind.SPEECH, voice: Voice | None = None
) -> SpeechModel:
    """The model that a partner calls by any of its names. Raises NotFound.

    A live order gets only what some channel sells: anything else would wait for nobody. A test
    order may name any model of the catalogue, and is spoken by the built-in engine.
    """
    model = library.model_named(name) if name else None
    if model is None and not name and voice is not None:
        model = next(iter(library.models_for(voice)), None)
    is_fit = model is not None and (
        model.kind == kind
        # Any model that speaks can hold a dialogue, a voice at a time.
        or (kind == SpeechModel.Kind.DIALOGUE and model.kind == SpeechModel.Kind.SPEECH)
    )
    if caller.is_test and (is_fit or not name):
        return SpeechModel.objects.get(slug=TEST_MODELS[SpeechModel.Kind(kind)])
    if model is not None and is_fit and library.is_on_offer(model):
        return model
    raise NotFound(
        _("There is no model called %s here.") % (_printable(name)[:SHOWN] or "—"),
        code="model_not_found",
        field="model",
    )


def find_voice(caller: Caller, voice_id: str) -> Voice:
    """The voice of an id, in any family, that speaks an order. Raises NotFound.

    For a test key a voice that is only known, or nobody's at a provider, has a stand-in.
    """
    voice = asked_voice(caller, voice_id)
    if voice.pk is None or (caller.is_test and not voice.is_usable):
        return library.default_voice(caller.user)
    return voice


def asked_voice(caller: Caller, voice_id: str) -> Voice:
    """The voice that a partner names; for a test key also one of those that clients know.

    Raises NotFound. What is only known is not in the database.
    """
    is_id = voice_id.isprintable()
    voice = library.voice_of_id(voice_id, caller.user) if is_id else None
    if voice is not None and voice.owner_id is not None and voice.is_test != caller.is_test:
        voice = None
    if caller.is_test and (voice is None or not voice.is_usable):
        voice = known.voice_of(voice_id)
    if voice is None:
        raise NotFound(
            _("There is no voice with the id %s here.") % (_printable(voice_id)[:SHOWN] or "—"),
            code="voice_not_found",
            field="voice",
        )
    return voice


def default_model(caller: Caller, voice_id: str) -> str:
    """The model that speaks with a voice where none is named; empty when there is none."""
    if not caller.is_test:
        return find_model(caller, "", voice=find_voice(caller, voice_id)).slug
    voice = asked_voice(caller, voice_id)
    able = SpeechModel.objects.filter(kind=SpeechModel.Kind.SPEECH, is_enabled=True)
    return next((model.slug for model in able if library.can_speak(model, voice)), "")


def _check_pair(caller: Caller, model_name: str, voice_ids: Iterable[str]) -> None:
    """A test order may not pair what no live order could: the engine would hide it."""
    model = library.model_named(model_name) if caller.is_test else None
    if model is None:
        return
    with _refusals(caller):
        for voice in [asked_voice(caller, voice_id) for voice_id in set(voice_ids)]:
            orders.check_voice(voice, model, caller.user, is_test=voice.is_test)


@contextmanager
def _refusals(caller: Caller) -> Iterator[None]:
    """What placing refuses, as partners are told."""
    try:
        yield
    except (OrderError, CreditError) as error:
        refusal = from_order(error)
        if refusal.code == "text_too_long":
            plan = caller.user.plan
            own = plan.characters_per_job if plan is not None else None
            is_own = own is not None and own < settings.MAX_TEXT
            refusal.limit = "plan_characters_per_job" if is_own else "characters_per_job"
        raise refusal from error


def _settings(
    caller: Caller, name: str, model: SpeechModel, given: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """The settings for the model that does the work.

    A test order is held to the bounds of the model that it names, and is then spoken
    with what the built-in engine understands of it.
    """
    if not caller.is_test or not given:
        return given or {}
    named = library.model_named(name)
    with _refusals(caller):
        checked = orders.check_settings(named, given) if named is not None else given
    return {setting: value for setting, value in checked.items() if setting in model.controls}


def _default_cleaning() -> str:
    on_offer = library.offered_models()
    return next((slug for slug in DEFAULT_CLEANING if slug in on_offer), DEFAULT_CLEANING[-1])


def _asked(model_name: str, voice_id: str, reference: str) -> dict[str, str]:
    asked = {"model": model_name, "voice": voice_id, "reference": reference[:128]}
    return {name: _printable(value)[:200] for name, value in asked.items() if value}


def _printable(text: str) -> str:
    """Without what a database refuses or a page cannot show."""
    return "".join(filter(str.isprintable, text))


def _origin(
    caller: Caller,
    asked: Mapping[str, str],
    idempotency_key: str | None,
    request_body: Any,
    reserve_seconds: float,
) -> Origin:
    return Origin(
        source=Job.Source.API,
        api_key=caller.key,
        is_test=caller.is_test,
        idempotency_key=idempotency.scoped(caller, idempotency_key),
        reserve_seconds=reserve_seconds,
        speaker=streaming.speaker() if reserve_seconds else None,
        check=limits.check_for(caller),
        request_hash=idempotency.digest(request_body) if idempotency_key else "",
        asked=asked,
    )


__all__ = ["ApiError", "cleaning", "dialogue", "find_model", "find_voice", "speech"]
