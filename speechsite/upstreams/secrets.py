"""Credentials at rest: sealed with a key derived from SECRET_KEY, opened only for a call."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class SealBroken(Exception):
    """The credentials were sealed under another SECRET_KEY and must be entered again."""


def seal(credentials: Mapping[str, str]) -> str:
    """Encrypt and authenticate; empty credentials stay an empty string."""
    if not credentials:
        return ""
    return _box(settings.SECRET_KEY).encrypt(json.dumps(dict(credentials)).encode()).decode()


def open_sealed(sealed: str) -> dict[str, str]:
    """The credentials. Raises SealBroken when the key has changed."""
    if not sealed:
        return {}
    try:
        return json.loads(_box(settings.SECRET_KEY).decrypt(sealed.encode()))
    except InvalidToken as error:
        raise SealBroken("the credentials were sealed under another SECRET_KEY") from error


@lru_cache(maxsize=4)
def _box(secret: str) -> Fernet:
    derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"speechsite channels")
    return Fernet(base64.urlsafe_b64encode(derive.derive(secret.encode())))
