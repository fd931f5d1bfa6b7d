"""What an owner does with a webhook that exists: look at it, change it, remove it.

Adding one, its secrets and the sending of messages are in `outbound`.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from jobs import outbound
from jobs.webhook_models import Delivery, WebhookEndpoint
from speechsite.accounts.models import User
from speechsite.upstreams import secrets

SHOWN_OF_SECRET = 4


def of(user: User) -> QuerySet[WebhookEndpoint]:
    """A user's webhooks, without those that were removed."""
    return WebhookEndpoint.objects.filter(user=user, deleted_at__isnull=True)


def change(
    endpoint: WebhookEndpoint,
    *,
    name: str | None = None,
    url: str | None = None,
    event_types: list[str] | None = None,
    is_enabled: bool | None = None,
) -> WebhookEndpoint:
    """Change what is given, leave the rest. Raises OrderError on `url` or `event_types`.

    Switching on forgets old failures: its three days begin again.
    """
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = name[:80]
    if url is not None:
        outbound.check_address(url)
        changes["url"] = url
    if event_types is not None:
        changes["event_types"] = outbound.checked_events(event_types)
    if is_enabled is not None and is_enabled != endpoint.is_enabled:
        changes |= {"is_enabled": is_enabled, "disabled_reason": ""}
        changes |= {"failing_since": None, "failure_count": 0}
    if changes:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**changes)
        endpoint.refresh_from_db()
    return endpoint


def remove(endpoint: WebhookEndpoint) -> None:
    """Nothing more is sent there, also not what was waiting. Twice does no harm."""
    now = timezone.now()
    with transaction.atomic():
        row = WebhookEndpoint.objects.filter(pk=endpoint.pk, deleted_at__isnull=True)
        row.update(deleted_at=now, is_enabled=False)
        waiting = Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.PENDING)
        waiting.update(state=Delivery.State.FAILED, finished_at=now, lease_until=None)
    endpoint.refresh_from_db()


def secret_preview(endpoint: WebhookEndpoint) -> str:
    """Enough of a secret to tell it from another, too little to sign with."""
    secret = secrets.open_sealed(endpoint.secret)["secret"]
    return f"whsec_…{secret[-SHOWN_OF_SECRET:]}"
