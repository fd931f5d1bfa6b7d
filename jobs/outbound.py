"""Tells partners how their jobs ended: Standard Webhooks, tried for about three days.

A delivery is written in the transaction that ends the job, so none is ever lost; it
is sent by the process for duties. What the message says is built when it is sent, by the
function that the API registers: this floor does not know the wire.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs import callbacks, sending
from jobs.errors import OrderError
from jobs.models import Job
from jobs.sending import Outcome
from jobs.webhook_models import EVENTS, Delivery, WebhookEndpoint
from speechsite.accounts.models import User
from speechsite.core import loops, safehttp, signing, sql
from speechsite.core.ids import new_id
from speechsite.duties import leases
from speechsite.upstreams import secrets

logger = logging.getLogger(__name__)

# Seconds before each try, as Standard Webhooks proposes: ten tries in some three days.
SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1
GIVE_UP = timedelta(days=3)  # of failures alone, before an endpoint is switched off
OVERLAP = timedelta(hours=24)  # for which a rotated secret signs as well
LEASE = timedelta(seconds=60)
TIMEOUT = 15.0
LOG_KEPT = 12
MOST_ENDPOINTS = 20
GONE = 410
PING = "webhook.test"
_HAS_WEBHOOK = "SELECT 1 FROM jobs_webhookendpoint WHERE user_id = %s AND is_enabled LIMIT 1"


def _plainly(job: Job) -> dict[str, Any]:
    return {"id": str(job.pk), "status": job.state}


_describe: Callable[[Job], dict[str, Any]] = _plainly


def describe_with(function: Callable[[Job], dict[str, Any]]) -> None:
    """Register how a job is written in a message; the API calls this once, when it loads."""
    global _describe  # noqa: PLW0603  (one wire format per site)
    _describe = function


def add_endpoint(
    user: User,
    *,
    url: str,
    name: str = "",
    event_types: list[str] | None = None,
    is_test: bool = False,
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret, which is shown once. Raises OrderError on `url`."""
    check_address(url)
    if user.webhooks.filter(deleted_at__isnull=True, is_test=is_test).count() >= MOST_ENDPOINTS:
        raise OrderError("url", _("There are too many webhooks already."), code="too_many_webhooks")
    secret = signing.new_secret()
    endpoint = WebhookEndpoint.objects.create(
        user=user,
        name=name[:80],
        url=url,
        event_types=checked_events(event_types),
        is_test=is_test,
        secret=_seal(secret),
    )
    return endpoint, secret


def rotate_secret(endpoint: WebhookEndpoint) -> str:
    """A new secret; for a day both sign, so that nobody misses a message."""
    secret = signing.new_secret()
    endpoint.previous_secret = endpoint.secret
    endpoint.previous_until = timezone.now() + OVERLAP
    endpoint.secret = _seal(secret)
    endpoint.save(update_fields=["secret", "previous_secret", "previous_until"])
    return secret


def check_address(url: str) -> None:
    """Only addresses that everybody can see. Raises OrderError on `url`."""
    try:
        safehttp.check_url(url)
    except safehttp.FetchError as error:
        raise OrderError("url", str(error), code="webhook_url_rejected") from error


def checked_events(event_types: list[str] | None) -> list[str]:
    """The kinds of events that an endpoint wants; all of them when it names none."""
    wanted = list(event_types or EVENTS)
    unknown = [name for name in wanted if name not in EVENTS]
    if unknown:
        message = _("There is no event called %s.")
        raise OrderError("event_types", message % unknown[0], code="validation_failed")
    return sorted(set(wanted))


def announce(job: Job, event_type: str) -> None:
    """Write a delivery for every endpoint that wants to know, in the caller's transaction."""
    callbacks.announce(job)
    if not sql.rows(_HAS_WEBHOOK, (job.user_id,)):
        return
    endpoints = WebhookEndpoint.objects.filter(
        user_id=job.user_id, is_test=job.is_test, is_enabled=True, deleted_at__isnull=True
    )
    wanting = [one for one in endpoints if event_type in one.event_types]
    if not wanting:
        return
    event_id = f"evt_{job.pk.hex}_{event_type.partition('.')[2]}"
    Delivery.objects.bulk_create(
        [
            Delivery(endpoint=one, job_id=job.pk, event_id=event_id, event_type=event_type)
            for one in wanting
        ],
        ignore_conflicts=True,
    )


def send_test(endpoint: WebhookEndpoint) -> Delivery:
    """A message that says only that it arrived."""
    return Delivery.objects.create(
        endpoint=endpoint, event_id=f"evt_{new_id().hex}", event_type=PING
    )


def replay(delivery: Delivery) -> Delivery:
    """Send a message again, from the first try; the receiver sees the same id."""
    Delivery.objects.filter(pk=delivery.pk).update(
        state=Delivery.State.PENDING,
        attempts=0,
        due_at=timezone.now(),
        lease_until=None,
        finished_at=None,
    )
    delivery.refresh_from_db()
    return delivery


def anything_due() -> bool:
    """Whether there is a message that can be sent now."""
    return _due().filter(leases.free()).exists()


def deliver(is_stopping: Callable[[], bool]) -> None:
    """Send everything that is due; the duties' process calls this."""
    loops.run(send_due(is_stopping))


async def send_due(is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Send everything that is due now, many at once; how many messages went out."""
    return await sending.drain(sending.Post(_claim, _send, _note), is_stopping)


def oldest_wait() -> float:
    """Seconds for which the first message has been due: also one that is on its way."""
    return sending.oldest_wait(_due())


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery with everything that is needed to send it."""

    delivery: Delivery
    url: str
    body: bytes
    headers: dict[str, str]


def _due() -> QuerySet[Delivery]:
    due = Delivery.objects.filter(
        state=sql.Constant(Delivery.State.PENDING), due_at__lte=timezone.now()
    )
    # Whoever was switched off hears the rest when it is switched on again.
    return due.filter(endpoint__is_enabled=True, endpoint__deleted_at__isnull=True)


def _claim(
    limit: int = sending.AT_ONCE, busy: Counter[UUID] | None = None
) -> list[tuple[UUID, Message]]:
    busy = busy or Counter()
    now = timezone.now()
    due = _due().filter(leases.free()).exclude(endpoint__in=sending.full(busy))
    rows = due.order_by("due_at").values_list("pk", "endpoint")[: sending.SEEN]
    ids = sending.fairly(rows, limit, busy)
    pending = Delivery.objects.filter(leases.free(), state=sql.Constant(Delivery.State.PENDING))
    taken = [pk for pk in ids if pending.filter(pk=pk).update(lease_until=now + LEASE)]
    found = Delivery.objects.filter(pk__in=taken).select_related(
        "endpoint", "job__voice", "job__model", "job__user"
    )
    return [(delivery.endpoint_id, _message(delivery)) for delivery in found]


def _message(delivery: Delivery) -> Message:
    now = timezone.now()
    endpoint = delivery.endpoint
    body = json.dumps(
        {
            "id": delivery.event_id,
            "type": delivery.event_type,
            "api_version": "2026-05-11",
            "created_at": delivery.created_at.isoformat(timespec="milliseconds"),
            "data": _describe(delivery.job) if delivery.job is not None else {},
        },
        ensure_ascii=False,
    ).encode()
    headers = signing.headers(
        _secrets(endpoint), message_id=delivery.event_id, sent_at=now, body=body
    )
    return Message(delivery, endpoint.url, body, {"Content-Type": "application/json", **headers})


async def _send(message: Message) -> Outcome:
    begun = time.monotonic()
    status, error = 0, ""
    try:
        async with safehttp.client(user_agent="speechsite-webhooks/1") as client:
            answer = await safehttp.post(
                client, message.url, message.body, message.headers, timeout=TIMEOUT
            )
        status = answer.status
    except safehttp.FetchError as failed:
        error = str(failed)
    return Outcome(status, error[:200], round((time.monotonic() - begun) * 1000))


def _note(message: Message, outcome: Outcome) -> None:
    """Write down how a try went, and when the next one is."""
    delivery = message.delivery
    now = timezone.now()
    attempts = delivery.attempts + 1
    entry = {
        "at": now.isoformat(timespec="seconds"),
        "status": outcome.status,
        "error": outcome.error,
        "milliseconds": outcome.milliseconds,
    }
    changes: dict[str, Any] = {
        "attempts": attempts,
        "lease_until": None,
        "log": [*delivery.log, entry][-LOG_KEPT:],
    }
    if outcome.is_taken:
        changes |= {"state": Delivery.State.DELIVERED, "finished_at": now}
    elif outcome.status == GONE or attempts >= len(SCHEDULE):
        changes |= {"state": Delivery.State.FAILED, "finished_at": now}
    else:
        wait = SCHEDULE[attempts] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        changes["due_at"] = now + timedelta(seconds=wait)
    Delivery.objects.filter(pk=delivery.pk).update(**changes)
    _note_health(delivery.endpoint, outcome)


def _note_health(endpoint: WebhookEndpoint, outcome: Outcome) -> None:
    """An endpoint that is gone, or fails for days, is switched off and says why."""
    now = timezone.now()
    row = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    if outcome.is_taken:
        row.update(failing_since=None, failure_count=0)
        return
    row.update(failure_count=F("failure_count") + 1)
    row.filter(failing_since__isnull=True).update(failing_since=now)
    if outcome.status == GONE:
        row.update(is_enabled=False, disabled_reason="The receiver answered 410 Gone.")
    row.filter(failing_since__lte=now - GIVE_UP, is_enabled=True).update(
        is_enabled=False, disabled_reason="Every delivery failed for three days."
    )


def _secrets(endpoint: WebhookEndpoint) -> list[str]:
    sealed = [endpoint.secret]
    if endpoint.previous_secret and (endpoint.previous_until or timezone.now()) > timezone.now():
        sealed.append(endpoint.previous_secret)
    return [secrets.open_sealed(one)["secret"] for one in sealed]


def _seal(secret: str) -> str:
    return secrets.seal({"secret": secret})
