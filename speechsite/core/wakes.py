"""Brokers for tasks that only wake: what is taken is gone, and the same wish is taken once.

django-q2's own keep a row locked while its task runs, which is hours for a run that has
died, and hand out each of a thousand equal tasks. Ours mean "there may be work": what
there is stands in other rows, so one of them is as good as all, and none has to come back.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from django.core.signing import BadSignature
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from django_q.signing import SignedPackage

MOST = 1000  # that are taken in one go
Taken = list[tuple[None, Any]]


class DatabaseWakes(ORM):
    """Wakes in the site's database."""

    def dequeue(self) -> Taken | None:
        rows = self.get_connection().filter(key=self.list_key, lock__lte=timezone.now())
        found = dict(rows.order_by("pk").values_list("pk", "payload")[:MOST])
        if not found:
            time.sleep(Conf.POLL)
            return None
        # Another cluster may take the same at this moment: then there are two runs.
        self.get_connection().filter(pk__in=list(found)).delete()
        return _each_once(found.values())


class RedisWakes(Redis):
    """Wakes in Redis."""

    def dequeue(self) -> Taken | None:
        first = self.connection.blpop(self.list_key, 1)
        if not first:
            return None
        return _each_once([first[1], *(self.connection.lpop(self.list_key, MOST) or ())])


def _each_once(payloads: Iterable[Any]) -> Taken:
    """One task of each kind, with nothing to acknowledge."""
    kinds: dict[str, Any] = {}
    for payload in payloads:
        try:
            task = SignedPackage.loads(payload)
        except (TypeError, BadSignature):
            kinds[repr(payload)] = payload  # for the cluster, which says what is wrong with it
        else:
            kinds.setdefault(repr((task["func"], task["args"], task["kwargs"])), payload)
    return [(None, payload) for payload in kinds.values()]
