"""API keys: made here, shown once, found again by their prefix.

What a key may do on the API is decided there; this module only knows whether a
secret is one of ours and still usable.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import models, transaction
from django.utils import timezone

from speechsite.accounts.models import ApiKey, User
from speechsite.core import sql
from speechsite.core.ids import new_token

OVERLAP = timedelta(hours=24)
# What a key can be allowed to do; one that names nothing may do everything.
SCOPES = (
    "models:read",
    "voices:read",
    "voices:write",
    "generations:create",
    "generations:read",
    "files:create",
    "files:read",
    "credits:read",
    "history:read",
    "history:write",
    "webhooks:manage",
)

_MODES = frozenset(ApiKey.Mode.values)
_PREFIX_LENGTH = len("sps_live_") + 8
_KEY = re.compile(r"sps_(live|test)_[0-9a-z]{8}[A-Za-z0-9_-]{43}", re.ASCII)
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_WITH_PREFIX = sql.Query(
    lambda prefix: ApiKey.objects.select_related("user__plan").filter(prefix=prefix),
    models.CharField(),
)


def issue_key(
    user: User,
    *,
    name: str = "",
    mode: str = ApiKey.Mode.LIVE,
    scopes: Iterable[str] = (),
    expires_at: datetime | None = None,
    ip_allow: Iterable[str] = (),
    daily_cap: int | None = None,
    monthly_cap: int | None = None,
    total_cap: int | None = None,
    replaces: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its secret, which cannot be shown again: only its hash is kept.

    Raises ValueError for a mode, a scope or an address that there is not.
    """
    if mode not in _MODES:
        raise ValueError(f"a key is live or test, not {mode!r}")
    prefix = f"sps_{mode}_{_random_letters()}"
    secret = prefix + new_token()
    key = ApiKey.objects.create(
        user=user,
        name=name[:80],
        mode=mode,
        prefix=prefix,
        secret_hash=_hash(secret),
        # A key that replaces another keeps its scopes, also those of an earlier version.
        scopes=list(scopes) if replaces else _known(scopes),
        expires_at=expires_at,
        ip_allow=_networks(ip_allow),
        daily_cap=daily_cap,
        monthly_cap=monthly_cap,
        total_cap=total_cap,
        replaces=replaces,
    )
    return key, secret


def find_key(secret: str) -> ApiKey | None:
    """The key that a secret belongs to, unless it is revoked, expired or its owner is barred."""
    key = known_key(secret)
    return key if key is not None and key.is_usable and key.user.is_active else None


def known_key(secret: str) -> ApiKey | None:
    """The key that a secret belongs to, also one that may no longer be used: to say why."""
    if not isinstance(secret, str) or _KEY.fullmatch(secret) is None:
        return None
    key = _WITH_PREFIX.first(secret[:_PREFIX_LENGTH])
    if key is None or not hmac.compare_digest(key.secret_hash, _hash(secret)):
        return None
    return key


def rotate(key: ApiKey, *, overlap: timedelta = OVERLAP) -> tuple[ApiKey, str]:
    """A new key with the same rights; the old one works on for a while, then ends."""
    with transaction.atomic():
        fresh, secret = issue_key(
            key.user,
            name=key.name,
            mode=key.mode,
            scopes=key.scopes,
            expires_at=key.expires_at,
            ip_allow=key.ip_allow,
            daily_cap=key.daily_cap,
            monthly_cap=key.monthly_cap,
            total_cap=key.total_cap,
            replaces=key,
        )
        ends = timezone.now() + overlap
        if key.expires_at is None or key.expires_at > ends:
            ApiKey.objects.filter(pk=key.pk).update(expires_at=ends)
    return fresh, secret


def change(
    key: ApiKey,
    *,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None,
    ip_allow: Iterable[str],
    daily_cap: int | None,
    monthly_cap: int | None,
    total_cap: int | None,
) -> ApiKey:
    """Other rights for a key; its secret stays."""
    ApiKey.objects.filter(pk=key.pk).update(
        name=name[:80],
        scopes=_known(scopes),
        expires_at=expires_at,
        ip_allow=_networks(ip_allow),
        daily_cap=daily_cap,
        monthly_cap=monthly_cap,
        total_cap=total_cap,
    )
    key.refresh_from_db()
    return key


def note_use(key: ApiKey) -> None:
    """Remember when a key was last used, to the minute."""
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > timedelta(minutes=1):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        key.last_used_at = now


def revoke(key: ApiKey) -> ApiKey:
    """End a key now. Again changes nothing: the first moment stays."""
    ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
    key.refresh_from_db()
    return key


def _known(scopes: Iterable[str]) -> list[str]:
    """The scopes as they were named. One that nobody checks would be a right to nothing."""
    named = list(scopes)
    for scope in named:
        if scope not in SCOPES:
            raise ValueError(f"there is no scope {scope!r}; there are {', '.join(SCOPES)}")
    return named


def _networks(written: Iterable[str]) -> list[str]:
    """Addresses and networks as they are compared; a bare address is a network of one."""
    return [str(ipaddress.ip_network(network, strict=False)) for network in written]


def _hash(secret: str) -> str:
    # 256 bits of chance cannot be guessed, so a slow hash would only slow down our callers.
    return hashlib.sha256(secret.encode()).hexdigest()


def _random_letters() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))
