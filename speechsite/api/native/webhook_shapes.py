"""What requests about webhooks may say, and what is said of webhooks and deliveries."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs import endpoints
from jobs.webhook_models import EVENTS, Delivery, WebhookEndpoint
from speechsite.api.native import ids, wire
from speechsite.api.native.fields import Text, Word
from speechsite.api.native.schema import Always, Shape

ENDPOINT = "whend_"
DELIVERY = "whdel_"
STATUSES = ("active", "disabled")
DESCRIPTIONS = {
    "generation.succeeded": "A generation has its result.",
    "generation.failed": "A generation failed; what was held for it is given back.",
    "generation.canceled": "A generation was canceled.",
}


@extend_schema_field({"type": "array", "items": {"type": "string", "enum": list(EVENTS)}})
class Events(serializers.ListField):
    """Kinds of events; none named means all of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=Word(choices=EVENTS), max_length=50, **options)


class WebhookChangeSerializer(serializers.Serializer[Any]):
    """What may be changed; what is left out stays."""

    url = Text(required=False, max_length=500, help_text="A public address that takes a POST.")
    name = Text(required=False, allow_blank=True, max_length=80)
    event_types = Events(required=False)
    status = Word(required=False, choices=STATUSES)


class WebhookRequestSerializer(serializers.Serializer[Any]):
    """A new webhook."""

    url = Text(max_length=500, help_text="A public address that takes a POST.")
    name = Text(required=False, allow_blank=True, max_length=80)
    event_types = Events(required=False)


class DeliveriesQuerySerializer(serializers.Serializer[Any]):
    """Which deliveries to list."""

    limit = serializers.IntegerField(required=False, default=20, min_value=1, max_value=100)
    cursor = serializers.CharField(required=False, max_length=64)
    status = serializers.ChoiceField(required=False, choices=Delivery.State.values)


class WebhookSerializer(Shape):
    id = serializers.CharField()
    object = Always("webhook_endpoint")
    name = serializers.CharField(allow_blank=True)
    url = serializers.CharField()
    event_types = serializers.ListField(child=serializers.ChoiceField(choices=EVENTS))
    status = serializers.ChoiceField(choices=STATUSES)
    disabled_reason = serializers.CharField(allow_null=True)
    secret_preview = serializers.CharField()
    previous_secret_expires_at = serializers.DateTimeField(allow_null=True)
    failure_count = serializers.IntegerField(help_text="Failed tries since the last success.")
    failing_since = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    is_test = serializers.BooleanField(
        required=False, help_text="Made with a test key: told of test work, and of nothing else."
    )


class NewWebhookSerializer(WebhookSerializer):
    signing_secret = serializers.CharField(help_text="Shown in this answer only.")


class WebhookListSerializer(Shape):
    object = Always("list")
    data = WebhookSerializer(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


class TrySerializer(Shape):
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True, help_text="Null where no answer came.")
    error = serializers.CharField(allow_null=True)
    duration_ms = serializers.IntegerField()


class DeliverySerializer(Shape):
    id = serializers.CharField()
    object = Always("webhook_delivery")
    webhook_id = serializers.CharField()
    event_id = serializers.CharField(help_text="The `webhook-id` header; a replay keeps it.")
    event_type = serializers.CharField()
    generation_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=Delivery.State.values)
    attempts = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    tries = TrySerializer(many=True)


class DeliveryListSerializer(Shape):
    object = Always("list")
    data = DeliverySerializer(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


class EventSerializer(Shape):
    type = serializers.CharField()
    object = Always("webhook_event_type")
    description = serializers.CharField()


class EventListSerializer(Shape):
    object = Always("list")
    data = EventSerializer(many=True)  # type: ignore[assignment]


def webhook(endpoint: WebhookEndpoint, *, secret: str = "") -> dict[str, Any]:
    """A webhook as partners see it; its secret only where it was made just now."""
    ends = endpoint.previous_until
    body = {
        "id": ids.public(ENDPOINT, endpoint.pk),
        "object": "webhook_endpoint",
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "status": STATUSES[0] if endpoint.is_enabled else STATUSES[1],
        "disabled_reason": endpoint.disabled_reason or None,
        "secret_preview": endpoints.secret_preview(endpoint),
        "previous_secret_expires_at": wire.moment(ends) if ends else None,
        "failure_count": endpoint.failure_count,
        "failing_since": wire.moment(endpoint.failing_since) if endpoint.failing_since else None,
        "created_at": wire.moment(endpoint.created_at),
    }
    if endpoint.is_test:
        body["is_test"] = True
    return body | ({"signing_secret": secret} if secret else {})


def delivery(row: Delivery) -> dict[str, Any]:
    """A message and how its tries went."""
    is_waiting = row.state == Delivery.State.PENDING
    return {
        "id": ids.public(DELIVERY, row.pk),
        "object": "webhook_delivery",
        "webhook_id": ids.public(ENDPOINT, row.endpoint_id),
        "event_id": row.event_id,
        "event_type": row.event_type,
        "generation_id": ids.public(ids.GENERATION, row.job_id) if row.job_id else None,
        "status": row.state,
        "attempts": row.attempts,
        "next_attempt_at": wire.moment(row.due_at) if is_waiting else None,
        "created_at": wire.moment(row.created_at),
        "finished_at": wire.moment(row.finished_at) if row.finished_at else None,
        "tries": [_try(entry) for entry in row.log],
    }


def _try(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": entry["at"],
        "status": entry["status"] or None,
        "error": entry["error"] or None,
        "duration_ms": entry["milliseconds"],
    }
