"""Who is behind an open page, and whether they may still look."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from speechsite.accounts.models import User


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person and the session that they came with; a request without one has no key."""

    user_id: int
    session_key: str = ""
    auth_hash: str = ""


async def visitor_of(request: HttpRequest, user: Any) -> Visitor:
    """Who asks, so that it can be asked again later."""
    session = getattr(request, "session", None)
    if session is None or not session.session_key:
        return Visitor(user.pk)
    return Visitor(user.pk, session.session_key, await session.aget(HASH_SESSION_KEY, ""))


def still_welcome(visitors: Collection[Visitor]) -> set[Visitor]:
    """Those whose account is not blocked, whose session goes on and whose password is the same.

    Two queries, however many there are.
    """
    named = {one.user_id for one in visitors}
    users = User.objects.filter(is_active=True).only("pk", "password").in_bulk(named)
    keys = {one.session_key for one in visitors if one.session_key}
    running = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    known = set(running.values_list("session_key", flat=True))
    return {one for one in visitors if _is_welcome(one, users.get(one.user_id), known)}


def _is_welcome(visitor: Visitor, user: User | None, sessions: Collection[str]) -> bool:
    if user is None or not visitor.session_key:
        return user is not None
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    is_same = any(constant_time_compare(visitor.auth_hash, one) for one in hashes)
    return visitor.session_key in sessions and is_same
