"""The paths of OpenAI's dialect. `/v1/models` itself is shared: `api/model_list.py`."""

from django.urls import path

from speechsite.api.openai import models, views

app_name = "openai"
urlpatterns = [
    path("v1/audio/speech", views.speech, name="speech"),
    path("v1/audio/voices", views.voices, name="voices"),
    path("v1/audio/models", models.for_audio, name="audio-models"),
    path("v1/models/<str:name>", models.one, name="model"),
]
