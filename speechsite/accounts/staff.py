"""Who may enter the administration: staff, and with which proof.

Everybody signs in through one door, which asks for a second factor whoever has one. Here
it is decided who must have one, and whether this very session showed it: a session may be
older than the factor.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, cast

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.http import HttpRequest

from speechsite.accounts.models import User

_REMEMBERED = "_second_factor"  # on the request: one page asks many times


class Missing(Enum):
    """What still stands between somebody of the staff and the administration."""

    NOTHING = "nothing"
    FACTOR = "factor"  # there is none yet
    PROOF = "proof"  # there is one, and this session has not shown it


def may_administer(request: HttpRequest) -> bool:
    """Active staff, with the second factor where one is asked for."""
    user: Any = request.user
    return user.is_active and user.is_staff and missing(request) is Missing.NOTHING


def missing(request: HttpRequest) -> Missing:
    """What this session lacks; asks the database once a request, and only where it must."""
    found = getattr(request, _REMEMBERED, None)
    if found is None:
        found = _missing(request)
        setattr(request, _REMEMBERED, found)
    return found


def _missing(request: HttpRequest) -> Missing:
    user = cast(User, request.user)
    records = get_authentication_records(request, user)
    if any(record.get("method") == "mfa" for record in records) or not _is_asked_of(user):
        return Missing.NOTHING
    return Missing.PROOF if is_mfa_enabled(user) else Missing.FACTOR


def _is_asked_of(user: User) -> bool:
    """Of all staff where the operator says so; else of superusers once one of them has it.

    One superuser without a second factor is as good as none with it.
    """
    if settings.STAFF_SECOND_FACTOR == "required":
        return True
    if settings.STAFF_SECOND_FACTOR == "off" or not user.is_superuser:
        return False
    codes = Authenticator.Type.RECOVERY_CODES
    theirs = Authenticator.objects.filter(user__is_superuser=True, user__is_active=True)
    return theirs.exclude(type=codes).exists()
