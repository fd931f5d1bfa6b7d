"""The paths of all dialects. They are listed one by one: no prefix takes everything below it."""

from django.urls import include, path

from speechsite.api import model_list

urlpatterns = [
    path("v1/models", model_list.by_client),
    path("", include("speechsite.api.elevenlabs.urls")),
    path("", include("speechsite.api.kie.urls")),
    path("", include("speechsite.api.minimax.urls")),
    path("", include("speechsite.api.openai.urls")),
    path("", include("speechsite.api.native.urls")),
]
