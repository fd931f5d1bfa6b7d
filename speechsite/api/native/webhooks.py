"""Webhooks over the API: the same verbs as on the Developers screen."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import endpoints, outbound
from jobs.errors import OrderError
from jobs.webhook_models import EVENTS, Delivery, WebhookEndpoint
from speechsite.api import worlds
from speechsite.api.errors import ApiError, Invalid, from_order
from speechsite.api.native import base, ids, wire
from speechsite.api.native import webhook_shapes as shapes
from speechsite.api.native.schema import operation

TAG = "webhooks"
SCOPE = "webhooks:manage"


class WebhookView(base.NativeView):
    """What the endpoints about one webhook share."""

    scopes = dict.fromkeys(("GET", "POST", "PATCH", "DELETE"), SCOPE)

    def own(self) -> QuerySet[WebhookEndpoint]:
        return worlds.webhooks(self.caller)

    def webhook(self, webhook_id: str) -> WebhookEndpoint:
        """The webhook of an id. Raises NotFound for somebody else's."""
        found: WebhookEndpoint = base.found(
            shapes.ENDPOINT, webhook_id, lambda pk: self.own().filter(pk=pk).first()
        )
        return found

    def enabled(self, webhook_id: str) -> WebhookEndpoint:
        """The webhook, if messages may go to it."""
        webhook = self.webhook(webhook_id)
        if not webhook.is_enabled:
            raise ApiError(_("This webhook is disabled."), code="webhook_disabled", status=409)
        return webhook


class Webhooks(WebhookView):
    """The list of webhooks, and new ones."""

    @operation("listWebhooks", TAG, shapes.WebhookListSerializer)
    def get(self, request: Request) -> Response:
        """All webhooks of the account, the oldest first."""
        return Response(wire.page([shapes.webhook(row) for row in self.own()], next_cursor=None))

    @operation(
        "createWebhook",
        TAG,
        shapes.NewWebhookSerializer,
        good=201,
        refusals=(413,),
        request=shapes.WebhookRequestSerializer,
    )
    def post(self, request: Request) -> Response:
        """Add a webhook. Its signing secret is in this answer and is not shown again."""
        body = base.body_of(request._request)
        told = base.checked(shapes.WebhookRequestSerializer, body)
        try:
            webhook, secret = outbound.add_endpoint(
                self.caller.user, is_test=self.caller.is_test, **told
            )
        except OrderError as error:
            raise from_order(error) from error
        return Response(shapes.webhook(webhook, secret=secret), status=201)


class Webhook(WebhookView):
    """One webhook."""

    @operation("getWebhook", TAG, shapes.WebhookSerializer, refusals=(404,))
    def get(self, request: Request, webhook_id: str) -> Response:
        """A webhook, and whether messages reach it."""
        return Response(shapes.webhook(self.webhook(webhook_id)))

    @operation(
        "changeWebhook",
        TAG,
        shapes.WebhookSerializer,
        refusals=(404, 413),
        request=shapes.WebhookChangeSerializer,
    )
    def patch(self, request: Request, webhook_id: str) -> Response:
        """Change a webhook. `status` switches it off and on; what waits is sent then."""
        webhook = self.webhook(webhook_id)
        told = base.checked(shapes.WebhookChangeSerializer, base.body_of(request._request))
        status = told.pop("status", None)
        is_enabled = None if status is None else status == shapes.STATUSES[0]
        try:
            webhook = endpoints.change(webhook, is_enabled=is_enabled, **told)
        except OrderError as error:
            raise from_order(error) from error
        return Response(shapes.webhook(webhook))

    @operation("deleteWebhook", TAG, None, good=204, refusals=(404,))
    def delete(self, request: Request, webhook_id: str) -> Response:
        """Remove a webhook. Nothing more is sent there, also not what was waiting."""
        endpoints.remove(self.webhook(webhook_id))
        return Response(status=204)


class RotateSecret(WebhookView):
    """A webhook's next secret."""

    @operation("rotateWebhookSecret", TAG, shapes.NewWebhookSerializer, refusals=(404,))
    def post(self, request: Request, webhook_id: str) -> Response:
        """Replace the signing secret. For one day every message has both signatures."""
        webhook = self.webhook(webhook_id)
        return Response(shapes.webhook(webhook, secret=outbound.rotate_secret(webhook)))


class SendTest(WebhookView):
    """Messages that say only that they arrived."""

    @operation("testWebhook", TAG, shapes.DeliverySerializer, good=202, refusals=(404, 409))
    def post(self, request: Request, webhook_id: str) -> Response:
        """Send a message of type `webhook.test`."""
        return Response(shapes.delivery(outbound.send_test(self.enabled(webhook_id))), status=202)


class Deliveries(WebhookView):
    """What was sent to a webhook."""

    @operation(
        "listWebhookDeliveries",
        TAG,
        shapes.DeliveryListSerializer,
        refusals=(404,),
        parameters=[shapes.DeliveriesQuerySerializer],
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        """The newest messages first, each with its latest tries."""
        webhook = self.webhook(webhook_id)
        query = base.checked(shapes.DeliveriesQuerySerializer, request.query_params)
        rows = webhook.deliveries.order_by("-pk")
        if "status" in query:
            rows = rows.filter(state=query["status"])
        if "cursor" in query:
            rows = rows.filter(pk__lt=_place(query["cursor"]))
        page = list(rows[: query["limit"] + 1])
        more = len(page) > query["limit"]
        found = [shapes.delivery(row) for row in page[: query["limit"]]]
        return Response(wire.page(found, next_cursor=found[-1]["id"] if more else None))


class Replay(WebhookView):
    """A message, sent again."""

    @operation(
        "replayWebhookDelivery", TAG, shapes.DeliverySerializer, good=202, refusals=(404, 409)
    )
    def post(self, request: Request, webhook_id: str, delivery_id: str) -> Response:
        """Send a message again, with the same id."""
        webhook = self.enabled(webhook_id)
        delivery: Delivery = base.found(
            shapes.DELIVERY, delivery_id, lambda pk: webhook.deliveries.filter(pk=pk).first()
        )
        return Response(shapes.delivery(outbound.replay(delivery)), status=202)


class Events(base.NativeView):
    """What webhooks can be told."""

    @operation("listWebhookEvents", TAG, shapes.EventListSerializer, is_public=True)
    def get(self, request: Request) -> Response:
        """The kinds of events that a webhook may ask for."""
        rows: list[dict[str, Any]] = [
            {
                "type": name,
                "object": "webhook_event_type",
                "description": shapes.DESCRIPTIONS.get(name, name),
            }
            for name in EVENTS
        ]
        return Response({"object": "list", "data": rows})


def _place(cursor: str) -> UUID:
    """Ids grow with time, so an id is a place in the list."""
    place = ids.private(shapes.DELIVERY, cursor)
    if place is None:
        raise Invalid(_("cursor: there is no such place in the list"), field="cursor")
    return place
