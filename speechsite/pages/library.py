"""The voices library: find a voice by what it is for, and hear it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_safe

from jobs import ranges
from speechsite.pages.picker import picker
from speechsite.pages.requests import SignedIn
from voices import samples
from voices.models import Voice

PREVIEW_SECONDS = 24 * 3600


@login_required
@require_GET
def voices(request: SignedIn) -> HttpResponse:
    found = picker(request.user, request.GET)
    template = "library/_results.html" if request.htmx else "library/voices.html"
    return render(request, template, {"picker": found})


@login_required
@require_safe
def preview(request: SignedIn, voice_id: int) -> HttpResponseBase:
    """A short sample of a voice: free, and kept once made."""
    voice = get_object_or_404(Voice.objects.usable().visible_to(request.user), pk=voice_id)
    if not samples.has_preview(voice):
        raise Http404
    name = samples.preview_for(voice)
    if not name:
        raise Http404
    response = ranges.respond(
        request,
        default_storage.open(name),
        size=default_storage.size(name),
        media_type="audio/mpeg",
        etag=f'"{name}"',
    )
    response["Cache-Control"] = f"private, max-age={PREVIEW_SECONDS}"
    return response
