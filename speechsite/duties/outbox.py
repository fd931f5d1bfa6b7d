"""The outbox: small things to be done once, written in the transaction that asks for them.

Nothing of it can be lost with a queue or a process. Doing one must be safe to repeat: who
dies between doing it and saying so leaves it to be done again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Min
from django.utils import timezone
from django.utils.module_loading import import_string

from speechsite.duties import leases
from speechsite.duties.models import Duty

logger = logging.getLogger(__name__)

FIRST_PAUSE = 10.0  # seconds before the second try; each pause is twice the one before
LONGEST_PAUSE = 3600.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What is to be done with duties of one kind: `function(key, data)`, by its dotted name.

    `at_once` are taken together, one after the other. After `give_up` of failing it is
    left undone, with an error in the log; None is never.
    """

    name: str
    function: str
    at_once: int = 20
    give_up: timedelta | None = None


KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Say what is done with a kind; called when the site loads."""
    KINDS[kind.name] = kind


def add(kind: str, keys: Iterable[str], data: dict[str, Any] | None = None) -> None:
    """Have something done soon, once the caller's transaction is committed.

    What is asked for twice is done once; what is being done at this moment is done again.
    """
    rows = [Duty(kind=kind, key=key, data=data or {}) for key in dict.fromkeys(keys)]
    Duty.objects.bulk_create(
        rows,
        batch_size=100,
        update_conflicts=True,
        unique_fields=["kind", "key"],
        update_fields=["token", "due_at", "data"],
    )


def due_kinds() -> list[str]:
    """The kinds of which something can be taken now."""
    due = Duty.objects.filter(leases.free(), due_at__lte=timezone.now(), kind__in=KINDS)
    return list(due.order_by().values_list("kind", flat=True).distinct())


def work(name: str, is_stopping: Callable[[], bool]) -> None:
    """Do all of a kind that is due."""
    kind = KINDS[name]
    while not is_stopping() and (taken := _claim(kind)):
        with leases.kept(Duty.objects.filter(pk__in=[duty.pk for duty in taken])):
            for duty in taken:
                if is_stopping():
                    _row(duty).update(lease_until=None)
                else:
                    _do(kind, duty)


def ages() -> dict[str, float]:
    """For each kind, seconds for which the first one has been due: also what is being done."""
    now = timezone.now()
    due = Duty.objects.filter(due_at__lte=now).order_by().values_list("kind")
    first = dict(due.annotate(first=Min("due_at")))
    return {kind: (now - first[kind]).total_seconds() if kind in first else 0.0 for kind in KINDS}


def counts() -> dict[str, int]:
    """For each kind, how many are not done."""
    found = dict(Duty.objects.order_by().values_list("kind").annotate(number=Count("pk")))
    return {kind: found.get(kind, 0) for kind in KINDS}


def _claim(kind: Kind) -> list[Duty]:
    now = timezone.now()
    due = Duty.objects.filter(leases.free(), kind=kind.name, due_at__lte=now)
    ids = list(due.order_by("due_at").values_list("pk", flat=True)[: kind.at_once])
    taken = [pk for pk in ids if due.filter(pk=pk).update(lease_until=now + leases.LEASE)]
    return list(Duty.objects.filter(pk__in=taken).order_by("due_at"))


def _do(kind: Kind, duty: Duty) -> None:
    try:
        import_string(kind.function)(duty.key, duty.data)
    except Exception as error:
        _note_failure(kind, duty, error)
        return
    if not Duty.objects.filter(pk=duty.pk, token=duty.token).delete()[0]:
        _row(duty).update(lease_until=None)  # asked for again meanwhile


def _note_failure(kind: Kind, duty: Duty, error: Exception) -> None:
    now = timezone.now()
    said = f"{type(error).__name__}: {error}"[:200].replace("\x00", "")
    if kind.give_up is not None and now - duty.created_at > kind.give_up:
        logger.error("%s %s: given up: %s", kind.name, duty.key, said)
        Duty.objects.filter(pk=duty.pk, token=duty.token).delete()
        return
    logger.warning("%s %s: %s", kind.name, duty.key, said)
    pause = min(FIRST_PAUSE * 2 ** min(duty.attempts, 20), LONGEST_PAUSE)
    told: dict[str, Any] = {"attempts": duty.attempts + 1, "error": said, "lease_until": None}
    later = now + timedelta(seconds=pause)
    if not _row(duty).filter(token=duty.token).update(**told, due_at=later):
        _row(duty).update(**told)  # asked for again meanwhile: that is due now


def _row(duty: Duty) -> Any:
    return Duty.objects.filter(pk=duty.pk)
