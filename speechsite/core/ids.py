"""Identifiers: sortable for rows, unguessable for secrets."""

from __future__ import annotations

import secrets
import time
import uuid


def new_id() -> uuid.UUID:
    """A random UUID that sorts by time of making (version 7, RFC 9562)."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return uuid.UUID(int=value)


def new_token() -> str:
    """43 URL-safe characters with 256 bits of chance."""
    return secrets.token_urlsafe(32)
