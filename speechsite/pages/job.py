"""One job: its progress, its player, its text and its price."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from jobs import files, lifecycle, names, progress, renditions
from jobs.models import BULKY, Job
from jobs.states import FINAL_JOB, JobState, SegmentState
from speechsite.audio import formats
from speechsite.pages import cleanup, readalong, waveform
from speechsite.pages.posting import only_posted
from speechsite.pages.requests import SignedIn

PLAYER_FORMAT = "mp3_44100_128"
DOWNLOADS = (
    ("mp3_44100_128", gettext_lazy("MP3"), gettext_lazy("plays everywhere")),
    ("m4a_44100_128", gettext_lazy("M4A"), gettext_lazy("AAC, for phones and films")),
    ("wav_44100", gettext_lazy("WAV"), gettext_lazy("for editing")),
    ("flac_44100", gettext_lazy("FLAC"), gettext_lazy("lossless")),
    ("opus_48000_64", gettext_lazy("Opus"), gettext_lazy("for messengers")),
)
# What else can be ordered; offered to whoever ordered it.
SPECIAL = {
    "mp3_44100_192": gettext_lazy("MP3 192 kbit/s"),
    "mp3_22050_32": gettext_lazy("MP3 32 kbit/s"),
    "ulaw_8000": gettext_lazy("µ-law 8 kHz"),
    "alaw_8000": gettext_lazy("A-law 8 kHz"),
}
CAPTIONS = (
    ("srt", gettext_lazy("SRT")),
    ("vtt", gettext_lazy("WebVTT")),
    ("json", gettext_lazy("Word times (JSON)")),
)
NOSCRIPT_PARTS = 5


@login_required
@never_cache
@require_safe
def job(request: SignedIn, job_id: uuid.UUID) -> HttpResponse:
    found = _own(request, job_id)
    context = _state(found) | {
        "parts": readalong.parts_of(found),
        "price": found.price,
        "controls": _changed_settings(found),
    }
    if found.audio:
        context |= _results(found)
    if found.kind == Job.Kind.ISOLATION:
        return render(request, "cleanup/job.html", context | cleanup.comparison(found))
    return render(request, "job/job.html", context)


@login_required
@require_safe
def status(request: SignedIn, job_id: uuid.UUID) -> HttpResponse:
    """The moving part of the page. Unchanged: 304, so polling costs little."""
    found = _own(request, job_id, defer=BULKY)
    context = _state(found)
    told = f"{found.state} {context['progress']!r} {context['lengths']} {found.charged}"
    told += f" {found.audio} {found.is_joinable} {context['problems']} {context['late']}"
    etag = f'"{hashlib.sha256(told.encode()).hexdigest()[:24]}"'
    unchanged = get_conditional_response(request, etag=etag)
    response = unchanged or render(request, "job/_status.html", context)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


@login_required
@require_safe
def segment(request: SignedIn, job_id: uuid.UUID, index: int) -> HttpResponse:
    """One part of a long text; without JavaScript a small page of its own."""
    found = _own(request, job_id, defer=BULKY)
    part = readalong.part_of(found, get_object_or_404(found.segments, index=index))
    context = {"job": found, "part": part, "last": found.segment_count - 1}
    is_fragment = request.htmx or request.headers.get("X-Fragment")
    return render(request, "job/_part.html" if is_fragment else "job/part.html", context)


@login_required
@require_safe
def segment_audio(request: SignedIn, job_id: uuid.UUID, index: int) -> HttpResponse:
    """Where a finished part can be heard; a playlist needs no signed links then."""
    found = _own(request, job_id, defer=BULKY)
    if not found.segments.with_sound().filter(index=index).exists():
        raise Http404
    return redirect(files.link(found, "segment", segment=index))


@login_required
@require_safe
def text(request: SignedIn, job_id: uuid.UUID) -> HttpResponse:
    """The source text, as it was ordered."""
    found = _own(request, job_id)
    response = HttpResponse(found.text, content_type="text/plain; charset=utf-8")
    names.attach(response, names.file_name(found, "txt"))
    return response


@login_required
@only_posted("pages:job", "job_id")
def cancel(request: SignedIn, job_id: uuid.UUID) -> HttpResponse:
    found = _own(request, job_id)
    if found.state in FINAL_JOB:
        messages.info(request, _("It was finished before it could be canceled."))
        return redirect("pages:job", found.pk)
    lifecycle.cancel(found)
    messages.success(request, _("Canceled. Credits that were not used are back in your wallet."))
    return redirect("pages:job", found.pk)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: SignedIn, job_id: uuid.UUID) -> HttpResponse:
    """Asks first: the audio cannot be brought back."""
    found = _own(request, job_id, defer=("peaks",))
    if request.method != "POST":
        return render(request, "history/delete.html", {"jobs": [found]})
    lifecycle.delete(found)
    messages.success(request, _("Deleted."))
    return redirect("pages:history")


def _own(request: SignedIn, job_id: uuid.UUID, defer: tuple[str, ...] = ()) -> Job:
    """The person's own job; anybody else's does not exist."""
    jobs = (
        Job.objects.of(request.user)
        .select_related("voice", "model", "price", "upload")
        .defer(*defer)
    )
    return get_object_or_404(jobs, pk=job_id)


def _state(found: Job) -> dict[str, Any]:
    """What the live part shows, on the page and in the fragment alike."""
    is_live = found.state not in FINAL_JOB
    is_whole = bool(found.audio)
    lengths = [] if is_whole else readalong.playable_lengths(found)
    failed = found.segments.filter(state=SegmentState.FAILED)
    late = failed.with_sound().count()
    return {
        "job": found,
        "progress": progress.of(found),
        "is_live": is_live,
        "lengths": ",".join(map(str, lengths)) if any(lengths) else "",
        "ready_parts": [place for place, length in enumerate(lengths) if length][:NOSCRIPT_PARTS],
        "problems": failed.count() - late if found.state == JobState.SUCCEEDED else 0,
        "late": 0 if is_live else late,
        "given_back": max(0, found.quoted - found.charged),
    }


def _results(found: Job) -> dict[str, Any]:
    downloads = [
        (label, note, files.link(found, "audio", format=name, download=True))
        for name, label, note in _offered(found)
    ]
    captions = [(label, files.link(found, kind, download=True)) for kind, label in CAPTIONS]
    return {
        "audio_url": files.link(found, "audio", format=PLAYER_FORMAT),
        "captions_url": files.link(found, "vtt"),
        "downloads": downloads,
        "captions": captions,
        "wave": waveform.path(renditions.outline_of(found)),
        "wave_width": waveform.width(),
    }


def _offered(found: Job) -> list[tuple[str, Any, Any]]:
    """What can be downloaded: what was ordered, and then all that could be."""
    offered: dict[str, tuple[Any, Any]] = {name: (label, note) for name, label, note in DOWNLOADS}
    if found.kind == Job.Kind.ISOLATION:
        offered |= {n: (SPECIAL[n], _("high")) for n, _label in cleanup.FORMATS if n in SPECIAL}
    ordered = found.output_format
    form = formats.parse(ordered)
    label = SPECIAL.get(ordered) or f"{form.codec.upper()} {form.rate / 1000:g} kHz"
    first = {ordered: offered.get(ordered) or (label, _("as ordered"))}
    return [(name, label, note) for name, (label, note) in (first | offered).items()]


def _changed_settings(found: Job) -> list[tuple[str, Any]]:
    from speechsite.pages.ordering import CONTROL_LABELS

    return [(CONTROL_LABELS.get(k, k), v) for k, v in found.voice_settings.items()]
