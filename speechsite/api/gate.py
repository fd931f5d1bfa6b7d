"""What may come in, by path and by who sends it; what a refusal says in every dialect."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY

from speechsite.accounts import keys, quota
from speechsite.accounts.models import User
from speechsite.core import bodies
from speechsite.core.threads import in_thread

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MB = 1024 * 1024
LARGEST_BODY = 512 * MB
# Everything that is no upload is text, and the longest text is some 12 MB as JSON.
LARGEST_TEXT = 17 * MB
UPLOADS = (
    "/api/v1/files", "/v1/audio-isolation", "/v1/voices/", "/minimax/v1/files/upload",
    "/api/file-", "/cleanup/",
)  # fmt: skip
# Nobody's key is in these, and they are short.
HOOKS = "/hooks/"
LARGEST_HOOK = 256 * 1024
FORM = 64 * 1024  # bytes of an upload that are not its file
OVER_QUOTA = 400  # the status of every dialect for an upload that the plan does not keep

anybody = bodies.Room(bodies.ALL_OF_ANYBODY)
# One account takes half of it at most, so that nobody's uploads keep all others out.
known = bodies.Room(
    settings.MAX_BODIES_MB * MB, max(settings.MAX_BODIES_MB * MB // 2, LARGEST_BODY)
)

# status: our code, type in the dialects of ElevenLabs and OpenAI, MiniMax' code, words
_WORDS = {
    OVER_QUOTA: (quota.Full.code, "invalid_request", 2013, "Your plan keeps no more uploads."),
    401: ("api_key_invalid", "authentication_error", 1004, "Send a valid API key, or sign in."),
    404: ("not_found", "invalid_request", 2013, "There is nothing at this address."),
    408: ("request_timeout", "invalid_request", 1001, "The request came in too slowly."),
    413: ("request_too_large", "invalid_request", 2013, "At most %s MB can be sent at once here."),
    429: ("too_many_uploads", "rate_limit_error", 1002, "You are sending too much at once."),
    431: ("headers_too_large", "invalid_request", 2013, "The headers are too large."),
    503: ("busy", "service_unavailable", 1000, "Too much is being sent at once. Try again soon."),
}


def body_of(scope: Scope, receive: Receive) -> bodies.Body:
    """A request's body, within the bounds of its path."""
    path = scope["path"]
    is_hook = path.startswith(HOOKS)
    return bodies.Body(
        scope,
        receive,
        largest=LARGEST_HOOK if is_hook else largest(path),
        allowed=_anything if is_hook else lambda: in_thread(_allowed, scope),
        anybody=anybody,
        known=known,
    )


def largest(path: str) -> int:
    """Bytes that one request to a path may have."""
    return LARGEST_BODY if path.startswith(UPLOADS) else LARGEST_TEXT


async def refuse(scope: Scope, receive: Receive, send: Send, status: int) -> None:
    """Say no, in words that every dialect can read: each looks at its own key."""
    body = json.dumps(_refusal(status, scope["path"])).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if status in {429, 503}:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await bodies.drain(receive)
    await send({"type": "http.response.body", "body": b""})


def _refusal(status: int, path: str) -> dict[str, Any]:
    code, kind, number, words = _WORDS[status]
    message = words % (largest(path) // MB) if "%s" in words else words
    return {
        "detail": {"type": kind, "code": code, "status": code, "message": message},
        "error": {
            "type": "invalid_request_error" if kind == "invalid_request" else kind,
            "code": code,
            "message": message,
            "param": None,
        },
        "code": status,
        "msg": message,
        "base_resp": {"status_code": number, "status_msg": message},
    }


async def _anything() -> bodies.Allowance:
    return bodies.Allowance(LARGEST_HOOK)


def _allowed(scope: Scope) -> bodies.Allowance:
    """How much may come with this key or session. Asks the database. Raises bodies.Refused."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    given = headers.get(b"xi-api-key", "").strip()
    bearer = headers.get(b"authorization", "").partition(" ")[2].strip()
    secret = given or bearer
    key = keys.known_key(secret) if secret else None
    if key is not None and key.is_usable and key.user.is_active:
        return replace(_room(key.user, scope), whose=str(key.user.pk))
    if not secret and (visitor := _signed_in(headers.get(b"cookie", ""))):
        # A page of ours says in its own words what does not fit.
        return bodies.Allowance(LARGEST_BODY, whose=visitor)
    raise bodies.Refused(401)


def _room(user: User, scope: Scope) -> bodies.Allowance:
    if scope["method"] != "POST" or not scope["path"].startswith(UPLOADS):
        return bodies.Allowance(LARGEST_BODY)
    try:
        room = quota.room(user)
    except quota.Full:
        room = 0
    if room is None:
        return bodies.Allowance(LARGEST_BODY)
    # A form is a little longer than its files, and base64 by a third: who keeps the file counts it.
    return bodies.Allowance(room * 3 // 2 + FORM, OVER_QUOTA)


def _signed_in(cookie: str) -> str:
    """The account of a session as a word; empty when there is none."""
    try:
        found = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    if found is None:
        return ""
    engine = import_module(settings.SESSION_ENGINE)
    return str(engine.SessionStore(found.value).get(SESSION_KEY, ""))
