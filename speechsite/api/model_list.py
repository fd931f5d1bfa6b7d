"""The one path that two dialects share: each client gets the list that it can read."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from speechsite.api.elevenlabs import models as elevenlabs
from speechsite.api.openai import models as openai


@csrf_exempt
def by_client(request: HttpRequest) -> HttpResponseBase:
    """OpenAI's object for a Bearer key, ElevenLabs' bare list for their own header."""
    view = openai.listed if openai.is_asked(request) else elevenlabs.models
    return view(request)
