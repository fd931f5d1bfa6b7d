"""Voices whose making may be asked for twice, as the answer to the first request was lost.

A row is written before a provider is called, so that two requests at once never make two voices,
and names the voice in the transaction that writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from speechsite.accounts.models import User
from voices import cloning
from voices.cloning import CloningError
from voices.models import Addition, Voice

# Longer than any call to a provider: whoever began one has died then.
LEASE = timedelta(minutes=5)
RETRY_AFTER = 2.0  # seconds


def add(
    user: User, *, key: str | None, request_hash: str, check: Callable[[str], None], **more: Any
) -> Voice:
    """`cloning.add`, once for all requests with this key.

    `check` is given what the first request said, by its hash, and raises where this one says
    something else. Raises CloningError `under_way` while the first is still being served. What
    is refused leaves its key free.
    """
    if key is None:
        return cloning.add(user, **more)
    addition, is_ours = _taken(user, key, request_hash)
    if not is_ours:
        check(addition.request_hash)
        return _made(addition)
    try:
        return cloning.add(user, addition=addition, **more)
    except BaseException:
        Addition.objects.filter(pk=addition.pk, voice=None).delete()
        raise


def known(user: User, *, key: str | None, check: Callable[[str], None]) -> Voice | None:
    """The voice that this key made before."""
    found = Addition.objects.filter(user=user, key=key, voice__isnull=False).first()
    if found is None:
        return None
    check(found.request_hash)
    return _made(found)


def _taken(user: User, key: str, request_hash: str) -> tuple[Addition, bool]:
    """The row of a key, and whether it is ours to carry out."""
    try:
        with transaction.atomic():
            return Addition.objects.create(user=user, key=key, request_hash=request_hash), True
    except IntegrityError:
        found = Addition.objects.filter(user=user, key=key).select_related("voice").first()
    if found is None:
        # It was refused at this moment, and so was free again.
        raise _under_way()
    now = timezone.now()
    left = Addition.objects.filter(pk=found.pk, voice=None, begun_at__lt=now - LEASE)
    return found, bool(left.update(begun_at=now, request_hash=request_hash))


def _made(addition: Addition) -> Voice:
    if addition.voice is None:
        raise _under_way()
    addition.voice.is_replay = True
    return addition.voice


def _under_way() -> CloningError:
    return CloningError("under_way", _("The first request with this key is still being served."))
