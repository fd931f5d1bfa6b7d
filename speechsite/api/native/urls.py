"""The paths of the native API."""

from django.urls import path

from speechsite.api.native import generations, recordings

app_name = "native"
urlpatterns = [
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
    path("api/v1/file-content/<str:signed>/<str:name>", recordings.serve, name="file-content"),
]
