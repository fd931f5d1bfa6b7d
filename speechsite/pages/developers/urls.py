"""The addresses of the Developers screen."""

from __future__ import annotations

from django.urls import path

from speechsite.pages.developers import examples, keys, webhooks

urlpatterns = [
    path("", keys.api_keys, name="developers"),
    path("keys/<int:key_id>/", keys.api_key, name="developers-key"),
    path("keys/<int:key_id>/rotate/", keys.rotate, name="developers-key-rotate"),
    path("keys/<int:key_id>/revoke/", keys.revoke, name="developers-key-revoke"),
    path("webhooks/", webhooks.webhooks, name="developers-webhooks"),
    path("webhooks/<uuid:webhook_id>/", webhooks.webhook, name="developers-webhook"),
    path("webhooks/<uuid:webhook_id>/switch/", webhooks.switch, name="developers-webhook-switch"),
    path("webhooks/<uuid:webhook_id>/rotate/", webhooks.rotate, name="developers-webhook-rotate"),
    path("webhooks/<uuid:webhook_id>/test/", webhooks.test, name="developers-webhook-test"),
    path("webhooks/<uuid:webhook_id>/delete/", webhooks.delete, name="developers-webhook-delete"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/replay/",
        webhooks.replay,
        name="developers-replay",
    ),
    path("examples/", examples.examples, name="developers-examples"),
    path("try/", examples.attempt, name="developers-try"),
]
