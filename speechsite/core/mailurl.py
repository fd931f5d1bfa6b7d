"""EMAIL_URL (smtp://user:password@host:587/?tls=1) as Django's mail settings."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from speechsite.core.env import BadSetting

PATIENCE = 30  # seconds that a mail server may be silent
EXAMPLE = "EMAIL_URL must look like smtp://user:password@host:587/?tls=1"


def email_settings(url: str) -> dict[str, Any]:
    """Django's EMAIL_* settings; smtps:// means TLS from the first byte."""
    parts = urlsplit(url)
    if parts.scheme == "console":
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    try:
        port = parts.port
    except ValueError as error:
        raise BadSetting(EXAMPLE) from error
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise BadSetting(EXAMPLE)
    query = parse_qs(parts.query)
    is_ssl = parts.scheme == "smtps"
    return {
        # No page waits for a mail server: mails are duties, sent by MAIL_BACKEND.
        "EMAIL_BACKEND": "speechsite.pages.mails.OutboxBackend",
        "MAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_TIMEOUT": PATIENCE,
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or (465 if is_ssl else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": is_ssl,
        "EMAIL_USE_TLS": not is_ssl and query.get("tls", ["1"])[0] != "0",
    }
