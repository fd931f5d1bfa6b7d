"""Voices: the library, and people's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _

from jobs import ranges
from speechsite.api import idempotency, reading, worlds
from speechsite.api.auth import Caller
from speechsite.api.elevenlabs import ids, preferences, selection
from speechsite.api.elevenlabs.answers import by_method, serves
from speechsite.api.elevenlabs.wire import voices as wire
from speechsite.api.errors import (
    WAIT_FOR_ROOM,
    ApiError,
    Conflict,
    Invalid,
    NotFound,
    Unavailable,
)
from speechsite.providers.errors import ProviderError
from voices import additions, cloning
from voices.cloning import CloningError
from voices.models import Sample, Voice

READ, WRITE = "voices:read", "voices:write"
OK = {"status": "ok"}
LARGEST_FORM = cloning.MOST_SAMPLES * cloning.LARGEST
BOUNDS = {"speed": (0.7, 1.2), "style": (0.0, 1.0)}


def list_voices(request: HttpRequest, caller: Caller) -> dict[str, Any]:
    """All of them at once, as the first version of this path does."""
    return {"voices": [wire.voice(seen) for seen in selection.all_seen(caller)]}


def search_voices(request: HttpRequest, caller: Caller, query: Mapping[str, Any]) -> dict[str, Any]:
    """A page of those that were asked for."""
    found = selection.chosen(selection.all_seen(caller), query)
    start, size = selection.start_of(query), selection.size_of(query)
    page, has_more = found[start : start + size], len(found) > start + size
    return {
        "voices": [wire.voice(seen) for seen in page],
        "has_more": has_more,
        "total_count": len(found) if query["include_total_count"] else 0,
        "next_page_token": str(start + size) if has_more else None,
    }


def get_voice(request: HttpRequest, caller: Caller, voice: str) -> dict[str, Any]:
    seen = selection.seen_by_id(caller, voice)
    stored = preferences.settings_of(caller, voice) or {}
    return wire.voice(replace(seen, settings=stored), with_settings=True)


def add_voice(request: HttpRequest, caller: Caller, form: Mapping[str, Any]) -> JsonResponse:
    """A voice made from recordings. Nothing here waits for a verification."""
    reading.check_size(request, LARGEST_FORM)
    once = idempotency.once_of(request)
    named = {"key": idempotency.scoped(caller, once.key), "check": once.check}
    made = _made(additions.known, caller.user, **named) if once.key else None
    if made is None:
        made = _made(
            additions.add,
            caller.user,
            request_hash=once.hash,
            name=_name(form),
            recordings=_recordings(request),
            description=form["description"] or "",
            labels=_labels(form["labels"]) or {},
            is_test=caller.is_test,
            **named,
        )
    return idempotency.marked(JsonResponse(_added(made)), made)


def _added(made: Voice) -> dict[str, Any]:
    return {
        "voice_id": made.external_id,
        "requires_verification": False,
        "name": made.name,
        "category": made.category,
    }


def edit_voice(
    request: HttpRequest, caller: Caller, voice: str, form: Mapping[str, Any]
) -> dict[str, Any]:
    own = _own(caller, voice)
    _made(
        cloning.edit,
        own,
        name=_name(form),
        description=form["description"],
        labels=_labels(form["labels"]),
        recordings=_recordings(request) if request.FILES else (),
    )
    return OK


def delete_voice(request: HttpRequest, caller: Caller, voice: str) -> dict[str, Any]:
    _made(cloning.retire, _own(caller, voice))
    return OK


def default_settings(request: HttpRequest, caller: Caller) -> dict[str, Any]:
    return wire.settings({})


def get_settings(request: HttpRequest, caller: Caller, voice: str) -> dict[str, Any]:
    selection.seen_by_id(caller, voice)
    return wire.settings(preferences.settings_of(caller, voice) or {})


def edit_settings(
    request: HttpRequest, caller: Caller, voice: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    selection.seen_by_id(caller, voice)
    given = {name: value for name, value in body.items() if value is not None}
    for name, (low, high) in BOUNDS.items():
        if not low <= given.get(name, low) <= high:
            message = _("%(name)s must lie between %(low)s and %(high)s.")
            raise Invalid(
                message % {"name": name, "low": low, "high": high},
                code="invalid_voice_settings",
                field=name,
            )
    preferences.keep_settings(caller, voice, given)
    return OK


def get_sample(request: HttpRequest, caller: Caller, voice: str, sample: str) -> HttpResponseBase:
    found = _sample(caller, voice, sample)
    file = default_storage.open(found.file)
    return ranges.respond(
        request, file, size=found.size, media_type=found.media_type, etag=f'"{found.sha256[:32]}"'
    )


def delete_sample(request: HttpRequest, caller: Caller, voice: str, sample: str) -> dict[str, Any]:
    cloning.drop(_sample(caller, voice, sample))
    return OK


def shared_voices(request: HttpRequest, caller: Caller) -> dict[str, Any]:
    """Nobody shares voices here."""
    return {"voices": [], "has_more": False, "last_sort_id": None, "total_count": 0}


def _own(caller: Caller, name: str) -> Voice:
    own = worlds.own_voices(caller).filter(external_id=name).first()
    if own is not None:
        return own
    selection.seen_by_id(caller, name)
    raise ApiError(_("This voice is not yours."), code="voice_access_denied", status=403)


def _sample(caller: Caller, voice: str, sample: str) -> Sample:
    own = worlds.own_voices(caller).filter(external_id=voice)
    rows = Sample.objects.filter(voice__in=own)
    key = ids.private(sample)
    found = rows.filter(pk=key).first() if key else None
    if found is None:
        raise NotFound(_("There is no such sample."), code="sample_not_found")
    return found


def _recordings(request: HttpRequest) -> list[cloning.Recording]:
    reading.check_size(request, LARGEST_FORM)
    return _made(cloning.read, _files(request))


def _files(request: HttpRequest) -> Iterable[Any]:
    # Some clients name the repeated part with brackets.
    return [*request.FILES.getlist("files"), *request.FILES.getlist("files[]")]


def _made(verb: Any, *args: Any, **more: Any) -> Any:
    try:
        return verb(*args, **more)
    except CloningError as error:
        if error.code == "under_way":
            raise Conflict(error.message, retry_after=additions.RETRY_AFTER) from error
        if error.code == "disk_full":
            raise Unavailable(error.message, code=error.code, retry_after=WAIT_FOR_ROOM) from error
        if error.code == "feature_not_available":
            raise ApiError(error.message, code="no_cloning", status=403) from error
        raise ApiError(error.message, code=error.code, status=400) from error
    except ProviderError as error:
        if error.retryable or error.operator:
            raise Unavailable(_("The provider does not clone voices just now.")) from error
        raise Invalid(error.message, code="bad_request") from error


def _name(form: Mapping[str, Any]) -> str:
    name = form["name"].strip()
    if not name:
        raise Invalid(_("A voice needs a name."), code="missing_required_field", field="name")
    return name


def _labels(text: str | None) -> dict[str, str] | None:
    """A JSON object in a form field; the four letters null are what a client sends for none."""
    try:
        labels = json.loads(text) if text else None
    except (ValueError, RecursionError):
        labels = text
    if labels is None:
        return None
    if not isinstance(labels, dict) or len(labels) > 50 or len(text or "") > 5000:
        raise Invalid(
            _("labels is a JSON object of short texts."), code="invalid_parameters", field="labels"
        )
    return {name: str(value) for name, value in labels.items() if value is not None}


voices = by_method(GET=serves(READ)(list_voices))
voices_v2 = by_method(GET=serves(READ, query=wire.LIST_QUERY)(search_voices))
voice = by_method(GET=serves(READ)(get_voice), DELETE=serves(WRITE)(delete_voice))
adding = by_method(POST=serves(WRITE, form=wire.FORM)(add_voice))
editing = by_method(POST=serves(WRITE, form=wire.FORM)(edit_voice))
settings_default = by_method(GET=serves(READ)(default_settings))
settings = by_method(GET=serves(READ)(get_settings))
settings_editing = by_method(POST=serves(WRITE, body=wire.SETTINGS_BODY)(edit_settings))
sample = by_method(DELETE=serves(WRITE)(delete_sample))
sample_audio = by_method(GET=serves(READ)(get_sample))
shared = by_method(GET=serves(READ)(shared_voices))
