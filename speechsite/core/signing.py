"""Signatures on webhooks, as Standard Webhooks writes them.

    webhook-id, webhook-timestamp, webhook-signature: v1,<base64 of HMAC-SHA256>

The signed text is `id.timestamp.body`; while a secret is rotated the header holds
two signatures, one for each secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"


def new_secret() -> str:
    """A fresh secret with 192 bits of chance, in the form that receivers paste."""
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def headers(
    signing_secrets: Sequence[str], *, message_id: str, sent_at: datetime, body: bytes
) -> dict[str, str]:
    """The three headers that let a receiver check a message."""
    timestamp = str(int(sent_at.timestamp()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    signatures = [f"v1,{_signature(secret, signed)}" for secret in signing_secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
