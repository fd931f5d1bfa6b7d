"""Who is calling: from a key in a header, or in a socket's first message."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from speechsite.accounts import keys
from speechsite.accounts.keys import SCOPES
from speechsite.accounts.models import ApiKey, User
from speechsite.api.errors import (
    AddressDenied,
    KeyExpired,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    ScopeDenied,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """A partner's account and the key it used."""

    user: User
    key: ApiKey

    @property
    def is_test(self) -> bool:
        """Work of a test key runs on the built-in engine and costs nothing."""
        return self.key.mode == ApiKey.Mode.TEST

    @property
    def scopes(self) -> frozenset[str]:
        """What the key may do; a key that names nothing may do everything."""
        return frozenset(self.key.scopes or SCOPES)


def caller_of(request: HttpRequest, *, scope: str) -> Caller:
    """The caller behind a request. Raises one of the 401 or 403 errors."""
    return caller_of_secret(secret_in(request), address_of(request), scope=scope)


async def acaller_of(request: HttpRequest, *, scope: str) -> Caller:
    """`caller_of` for async views."""
    return await sync_to_async(caller_of)(request, scope=scope)


def caller_of_secret(secret: str, address: str, *, scope: str) -> Caller:
    """The caller behind a secret that came some other way."""
    if not secret:
        raise KeyMissing(_("Send an API key."))
    key = keys.known_key(secret)
    if key is None or not key.user.is_active:
        raise KeyInvalid(_("This API key is not known here."))
    if key.revoked_at is not None:
        raise KeyRevoked(_("This API key was revoked."))
    if key.expires_at is not None and key.expires_at <= timezone.now():
        raise KeyExpired(_("This API key has expired."))
    if not _may_come_from(key, address):
        raise AddressDenied(_("This API key may not be used from your address."))
    caller = Caller(key.user, key)
    if scope not in caller.scopes:
        raise ScopeDenied(_("This API key lacks the scope %s.") % scope)
    keys.note_use(key)
    return caller


def secret_in(request: HttpRequest) -> str:
    """The key in a request's headers: xi-api-key, or a Bearer token."""
    given = request.headers.get("xi-api-key", "").strip()
    if given:
        return given
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def address_of(request: HttpRequest) -> str:
    """Where a request came from, as far as it can be trusted."""
    return trusted_address(
        peer=request.META.get("REMOTE_ADDR", ""),
        forwarded=request.headers.get("X-Forwarded-For", ""),
    )


def trusted_address(*, peer: str, forwarded: str) -> str:
    """The client's address: the peer's, or what our own proxy says of it."""
    if not settings.SECURE_PROXY_SSL_HEADER:
        return peer
    # Our proxy adds the last one; what stands before it the client may have made up.
    return forwarded.rpartition(",")[2].strip() or peer


def _may_come_from(key: ApiKey, address: str) -> bool:
    if not key.ip_allow:
        return True
    try:
        here = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket that listens for both families calls 192.0.2.7 by ::ffff:192.0.2.7.
    here = getattr(here, "ipv4_mapped", None) or here
    return any(here in ipaddress.ip_network(network) for network in key.ip_allow)
