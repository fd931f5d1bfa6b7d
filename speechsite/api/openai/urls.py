"""The paths of OpenAI's dialect. `/v1/models` is ElevenLabs'."""

from django.urls import path

from speechsite.api.openai import views

app_name = "openai"
urlpatterns = [
    path("v1/audio/speech", views.speech, name="speech"),
    path("v1/audio/voices", views.voices, name="voices"),
]
