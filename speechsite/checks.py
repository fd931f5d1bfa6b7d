"""System checks: a bad setting is named together with its cure.

What cannot be read at all never gets here: `core.env` refuses it while settings load.
"""

from __future__ import annotations

import difflib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from speechsite.core import env

# Settings that are read later than settings.py, or by a library.
READ_ELSEWHERE = {
    "ADMIN_EMAIL", "ADMIN_PASSWORD",
    "ELEVENLABS_API_KEY", "ELEVENLABS_BASE_URL",
    "KIE_API_KEY", "KIE_BASE_URL", "KIE_UPLOAD_URL", "KIE_WEBHOOK_KEY",
    "MINIMAX_API_KEY", "MINIMAX_BASE_URL", "MINIMAX_UPLOAD_PATH",
    "OPENAI_SPEECH_API_KEY", "OPENAI_SPEECH_BASE_URL", "OPENAI_SPEECH_VOICES",
    "OPENAI_SPEECH_MODELS", "OPENAI_SPEECH_LANGUAGE", "OPENAI_SPEECH_FORMAT",
    "RIVYA_API_KEY", "RIVYA_BASE_URL",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "TEST_DATABASE_URL", "TEST_REDIS_URL",
}  # fmt: skip
OUR_PREFIXES = ("SPEECHSITE_", "ELEVENLABS_", "KIE_", "MINIMAX_", "OPENAI_SPEECH_", "RIVYA_")
LIKENESS = 0.85
SHORTEST_SECRET = 32


@register()
def check_environment(**_: Any) -> list[CheckMessage]:
    """Names that look like settings and are none: most often a slip of the finger."""
    return [
        Warning(
            f"{name} is not a setting.",
            hint=f"Did you mean {nearest}?" if nearest else "Remove it; README.md lists them all.",
            id="speechsite.W001",
        )
        for name, nearest in unknown_settings(os.environ)
    ]


@register()
def check_addresses(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.SITE_URL and not _is_site_url(settings.SITE_URL):
        found.append(
            Error(
                f"SITE_URL is {settings.SITE_URL!r}.",
                hint="Give scheme and host alone, such as https://speech.example.com.",
                id="speechsite.E001",
            )
        )
    is_redis = settings.REDIS_URL.startswith(("redis://", "rediss://", "unix://"))
    if settings.REDIS_URL and not is_redis:
        found.append(
            Error(
                "REDIS_URL is not the address of a Redis server.",
                hint="It looks like redis://host:6379/0.",
                id="speechsite.E002",
            )
        )
    email = env.text("ADMIN_EMAIL")
    if email and not _is_email(email):
        found.append(
            Error(
                f"ADMIN_EMAIL is {email!r}.",
                hint="Give an e-mail address, or leave it out.",
                id="speechsite.E003",
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_what_is_open(**_: Any) -> list[CheckMessage]:
    """What strangers may do on a site that is reached from outside."""
    found: list[CheckMessage] = []
    if not settings.SITE_URL:
        found.append(
            Warning(
                "SITE_URL is not set: links in mails begin with whatever allowed host was asked.",
                hint="Set SITE_URL to the address that people use.",
                id="speechsite.W004",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            Warning(
                "ALLOWED_HOSTS lets anybody choose the name that this site goes by.",
                hint="Leave it out: SITE_URL's host is answered then.",
                id="speechsite.W005",
            )
        )
    if settings.SIGNUP_OPEN and not settings.HAS_EMAIL:
        found.append(
            Info(
                "Anybody can open accounts here without an address that is confirmed.",
                hint="Set EMAIL_URL, or SIGNUP_OPEN=0.",
                id="speechsite.I001",
            )
        )
    return found


@register()
def check_secret_key(**_: Any) -> list[CheckMessage]:
    if len(settings.SECRET_KEY) >= SHORTEST_SECRET:
        return []
    return [
        Warning(
            f"SECRET_KEY has only {len(settings.SECRET_KEY)} characters.",
            hint=f"Use at least {SHORTEST_SECRET}, or leave it out: one is made in DATA_DIR.",
            id="speechsite.W002",
        )
    ]


@register()
def check_data_dir(**_: Any) -> list[CheckMessage]:
    place = settings.DATA_DIR
    while not place.exists():
        place = place.parent
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"DATA_DIR: {place} cannot be written.",
            hint="Name a folder that this user may write to.",
            id="speechsite.E004",
        )
    ]


@register()
def check_sqlite(**_: Any) -> list[CheckMessage]:
    """The ledger moves a pocket and reads it in one statement."""
    if not settings.IS_SQLITE or sqlite3.sqlite_version_info >= (3, 35):
        return []
    return [
        Error(
            f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or later is needed.",
            hint="Take a Python that brings a later one, or PostgreSQL.",
            id="speechsite.E010",
        )
    ]


@register()
def check_queue(**_: Any) -> list[CheckMessage]:
    """What keeps django-q2 from running one task twice at once, or for ever."""
    queue: dict[str, Any] = settings.Q_CLUSTER
    found: list[CheckMessage] = []
    if not 0 < (queue.get("timeout") or 0) < queue.get("retry", 0):
        found.append(
            Error(
                "Q_CLUSTER hands a task out again while it still runs.",
                hint="Set a timeout, and make retry longer than it.",
                id="speechsite.E005",
            )
        )
    if not queue.get("max_attempts"):
        found.append(
            Error(
                "Q_CLUSTER repeats a failing task for ever.",
                hint="Set max_attempts.",
                id="speechsite.E006",
            )
        )
    if not queue.get("redis") and queue.get("orm") != "default":
        found.append(
            Error(
                "Q_CLUSTER keeps tasks outside the site's database.",
                hint='Set orm to "default", so that a job and its task are committed together.',
                id="speechsite.E007",
            )
        )
    return found


@register()
def check_storage(**_: Any) -> list[CheckMessage]:
    """Half of an S3 configuration is worse than none."""
    found: list[CheckMessage] = []
    if bool(env.text("AWS_ACCESS_KEY_ID")) != bool(env.text("AWS_SECRET_ACCESS_KEY")):
        found.append(
            Error(
                "Only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set.",
                hint="Set both, or neither where the machine has a role.",
                id="speechsite.E008",
            )
        )
    has_details = settings.AWS_S3_ENDPOINT_URL or settings.AWS_S3_REGION_NAME
    if has_details and not settings.AWS_STORAGE_BUCKET_NAME:
        found.append(
            Warning(
                "AWS_S3_ENDPOINT_URL or AWS_S3_REGION_NAME is set, but files stay on this disk.",
                hint="Set AWS_STORAGE_BUCKET_NAME as well.",
                id="speechsite.W003",
            )
        )
    endpoint = settings.AWS_S3_ENDPOINT_URL
    if endpoint and urlsplit(endpoint).scheme not in {"http", "https"}:
        found.append(
            Error(
                f"AWS_S3_ENDPOINT_URL is {endpoint!r}.",
                hint="It begins with https://.",
                id="speechsite.E009",
            )
        )
    return found


@register()
def check_speech_servers(**_: Any) -> list[CheckMessage]:
    """An address that is none would only be noticed when somebody orders speech."""
    found: list[CheckMessage] = [
        Error(
            f"OPENAI_SPEECH_BASE_URL names {env.PASSWORD_IN_URL.sub('***', address)!r}.",
            hint="Give addresses such as http://gpu1:8880/v1, separated by commas.",
            id="speechsite.E011",
        )
        for address in env.words("OPENAI_SPEECH_BASE_URL")
        if not _is_address(address)
    ]
    kind = env.text("OPENAI_SPEECH_FORMAT")
    if kind and kind not in _speech_formats():
        found.append(
            Error(
                f"OPENAI_SPEECH_FORMAT is {kind!r}.",
                hint=f"Choose one of {', '.join(_speech_formats())}, or leave it out.",
                id="speechsite.E012",
            )
        )
    return found


def known_settings() -> set[str]:
    """The names of all settings."""
    return env.asked | READ_ELSEWHERE


def unknown_settings(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each name that is close to a setting, with the nearest one, or bears our prefix."""
    known = known_settings()
    for name in sorted(set(names)):
        if name.removesuffix("_FILE") in known or name in known:
            continue
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=LIKENESS)
        if nearest or name.startswith(OUR_PREFIXES):
            yield name, nearest[0] if nearest else ""


def _is_site_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  (refuses a port that is no port)
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return False
    has_more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    return not has_more and not any(character.isspace() for character in value)


def _speech_formats() -> tuple[str, ...]:
    from speechsite.providers.openai.wire import FORMATS  # with it comes what calls servers

    return FORMATS


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  (refuses a port that is no port)
    except ValueError:
        return False
    has_more = parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not has_more


def _is_email(value: str) -> bool:
    try:
        validate_email(value)
    except ValidationError:
        return False
    return True
