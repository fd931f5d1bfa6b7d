"""Who owns which URL. Paths are listed one by one; there is no catch-all."""

from django.contrib import admin
from django.urls import include, path

from speechsite.pages import health, metrics

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/", include("allauth.urls")),
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
    path("metrics", metrics.metrics, name="metrics"),
    path("", include("speechsite.pages.urls")),
]
