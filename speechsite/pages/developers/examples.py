"""Examples to copy, for every dialect, and requests to try in the browser.

A secret is filled in only where it was made a moment ago; else the examples say where
it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from speechsite.accounts import keys
from speechsite.accounts.models import ApiKey, User
from speechsite.core import addresses
from speechsite.pages.developers import attempts, once, programs
from speechsite.pages.developers.keys import MOST_KEYS, usable
from speechsite.pages.developers.programs import Snippet
from speechsite.pages.requests import SignedIn
from voices import library

PLACEHOLDER = "YOUR_TEST_KEY"
TEXT = "Hello! This is a first test."
# Names that clients of each provider use today; with a test key they all work.
THEIRS = {
    "elevenlabs_model": "eleven_turbo_v2_5",
    "elevenlabs_voice": "TX3LPaxmHKxFdv7VOQHJ",
    "kie_model": "elevenlabs/text-to-speech-multilingual-v2",
    "kie_voice": "EkK5I93UQWFDigLMpZcX",
    "minimax_model": "speech-2.8-turbo",
    "minimax_voice": "English_Graceful_Lady",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format that this site speaks, and what a client changes to use it."""

    slug: str
    name: str
    address: str
    secret: str
    says: str
    snippets: list[Snippet]


DIALECTS = (
    ("native", gettext_lazy("Speechsite"), "/api/v1", "Authorization: Bearer",
     gettext_lazy("Everything this site can do: work, files, credits, webhooks.")),
    ("elevenlabs", "ElevenLabs", "/v1", "xi-api-key",
     gettext_lazy("Their official SDKs work unchanged: set the base URL and the key.")),
    ("kie", "kie.ai", "/api/v1/jobs", "Authorization: Bearer",
     gettext_lazy("Tasks that are created and then asked after, with callbacks.")),
    ("minimax", "MiniMax", "/minimax/v1", "Authorization: Bearer",
     gettext_lazy("At once or as a task; long texts from a file.")),
    ("openai", "OpenAI", "/v1/audio/speech", "Authorization: Bearer",
     gettext_lazy("For the many programs that speak it: set the base URL and the key.")),
)  # fmt: skip
LANGUAGES = {
    "curl": ("curl", "curl", "curl"),
    "python": ("Python", "Python SDK", "Python"),
    "node": ("Node", "Node SDK", "Node"),
}
WITH_SDK = ("elevenlabs", "openai")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def examples(request: SignedIn) -> HttpResponse:
    """The examples; a POST makes a test key and fills it in, once."""
    made = _new_key(request)
    context = {
        "dialects": dialects(request, request.user, made["secret"] or PLACEHOLDER),
        "programs": [(slug, labels[0]) for slug, labels in LANGUAGES.items()],
        "placeholder": PLACEHOLDER,
        "ticket": once.ticket(),
        **made,
    }
    return render(request, "developers/examples.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def attempt(request: SignedIn) -> HttpResponse:
    """Send a request from the browser and look at the answer; a POST makes a key for it first."""
    context = {
        "attempts": attempts.ready_made(names_for(request.user), TEXT),
        "site": addresses.origin_of(request),
        "ticket": once.ticket(),
        **_new_key(request),
    }
    return render(request, "developers/attempt.html", context)


def dialects(request: HttpRequest, user: User, key: str) -> list[Dialect]:
    """Every dialect with its snippets, ready to copy."""
    values = {"site": addresses.origin_of(request), "key": key, "text": TEXT, **names_for(user)}
    return [
        Dialect(slug, str(name), values["site"] + path, header, str(says), _snippets(slug, values))
        for slug, name, path, header, says in DIALECTS
    ]


def names_for(user: User) -> dict[str, str]:
    """Models and voices that the examples name: ours exist here, so live keys work too."""
    voice = library.default_voice(user)
    models = library.models_for(voice)
    model = models[0].slug if models else "builtin-speech"
    return {"model": model, "voice": voice.external_id, **THEIRS}


def _snippets(dialect: str, values: dict[str, str]) -> list[Snippet]:
    form = 1 if dialect in WITH_SDK else 2
    return [
        programs.snippet(dialect, language, labels[form], values)
        for language, labels in LANGUAGES.items()
    ]


def _new_key(request: SignedIn) -> dict[str, Any]:
    """The secret of the test key that was just asked for, or why there is none."""
    if request.method != "POST" or not once.take(request):
        return {"secret": "", "has_too_many": False}
    if len(usable(request.user)) >= MOST_KEYS:
        return {"secret": "", "has_too_many": True}
    _key, secret = keys.issue_key(request.user, name=_("Examples"), mode=ApiKey.Mode.TEST)
    return {"secret": secret, "has_too_many": False}
