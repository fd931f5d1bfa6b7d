"""Who owns which URL. Paths are listed one by one; there is no catch-all."""

from django.contrib import admin
from django.urls import include, path

from jobs import files, inbound, live
from speechsite.pages import health, metrics

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/", include("allauth.urls")),
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
    path("metrics", metrics.metrics, name="metrics"),
    path("files/<str:signed>/<str:name>", files.serve, name="files"),
    path("live/", live.stream, name="live"),
    path("hooks/<slug:channel>/<str:token>/", inbound.receive, name="hooks"),
    path("", include("speechsite.api.urls")),
    path("", include("speechsite.pages.urls")),
]

handler404 = "speechsite.api.unserved.not_found"
handler500 = "speechsite.api.unserved.broken"
