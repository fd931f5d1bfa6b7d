"""The paths of the native API."""

from django.urls import path

from speechsite.api.native import (
    credits,
    document,
    files,
    generations,
    models,
    recordings,
    usage,
    voices,
    webhooks,
)

app_name = "native"
urlpatterns = [
    path("api/v1/models", models.Models.as_view(), name="models"),
    path(
        "api/v1/generations",
        generations.patient(generations.Generations.as_view()),
        name="generations",
    ),
    path(
        "api/v1/generations/<str:task_id>",
        generations.patient(generations.Generation.as_view()),
        name="generation",
    ),
    path(
        "api/v1/generations/<str:task_id>/cancel",
        generations.Cancel.as_view(),
        name="generation-cancel",
    ),
    path(
        "api/v1/generations/<str:task_id>/retry",
        generations.patient(generations.Retry.as_view()),
        name="generation-retry",
    ),
    path("api/v1/files", files.Files.as_view(), name="files"),
    path("api/v1/files/<str:file_id>", files.File.as_view(), name="file"),
    path("api/v1/credits", credits.Credits.as_view(), name="credits"),
    path("api/v1/credits/ledger", credits.Ledger.as_view(), name="ledger"),
    path("api/v1/voices", voices.Voices.as_view(), name="voices"),
    path("api/v1/usage", usage.Usage.as_view(), name="usage"),
    path("api/v1/webhooks", webhooks.Webhooks.as_view(), name="webhooks"),
    path("api/v1/webhooks/<str:webhook_id>", webhooks.Webhook.as_view(), name="webhook"),
    path(
        "api/v1/webhooks/<str:webhook_id>/rotate-secret",
        webhooks.RotateSecret.as_view(),
        name="webhook-rotate",
    ),
    path(
        "api/v1/webhooks/<str:webhook_id>/test",
        webhooks.SendTest.as_view(),
        name="webhook-test",
    ),
    path(
        "api/v1/webhooks/<str:webhook_id>/deliveries",
        webhooks.Deliveries.as_view(),
        name="webhook-deliveries",
    ),
    path(
        "api/v1/webhooks/<str:webhook_id>/deliveries/<str:delivery_id>/replay",
        webhooks.Replay.as_view(),
        name="webhook-replay",
    ),
    path("api/v1/webhook-events", webhooks.Events.as_view(), name="webhook-events"),
    path("api/schema/", document.schema, name="schema"),
    path("api/docs/", document.page, name="docs"),
    path("api/v1/file-content/<str:signed>/<str:name>", recordings.serve, name="file-content"),
]
